"""Weights of another program, as `convert` writes them: a directory that is not a run.

    classes.txt           the names of the classes, one a line
    weights/arrays.npz    conv1/kernel, conv1/bias, ... as in a checkpoint, without velocities
    weights/state.json    format_version, schema_version, network, classes, source, versions

Until version 0.1.0 a conversion was written as a run of the recipe `converted` with one checkpoint
of step 0; `checkpoint.load` reads both. Imports no TensorFlow.
"""

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Mapping

import numpy as np

from alexnet_tf.config import json_form
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.recipes import recipe
from alexnet_tf.training.stored import Checkpoint, damaged
from pipelines import files

FORMAT_VERSION = 1
RECIPE = "converted"
"""Stands for the recipe of weights that no run of ours has made."""
FOLDER = "weights"
_FILES = ("state.json", "arrays.npz")


def is_converted(directory: str | os.PathLike) -> bool:
    """Tells whether a directory holds converted weights."""
    place = pathlib.Path(directory)  # a run may have a folder of this name for something else
    has_files = any((place / FOLDER / name).exists() for name in _FILES)
    return has_files and not (place / "checkpoints").is_dir()


def write(
    directory: pathlib.Path,
    arrays: Mapping[str, np.ndarray],
    network: NetworkConfig,
    classes: tuple[str, ...],
    source: str,
    versions: dict,
) -> None:
    """Writes weights into an empty directory, whole or not at all.

    Args:
      directory: an existing directory.
      arrays: float32 weights by our names.
      network: the network, with its number of classes and its input.
      classes: K names.
      source: file or directory that the weights were read from, as it was typed.
      versions: versions of the programs that converted them.

    Raises:
      RunFailed: they cannot be written.
    """
    unfinished = directory / f".{FOLDER}.unfinished"
    state = {
        "format_version": FORMAT_VERSION,
        "schema_version": json_form.SCHEMA_VERSION,
        "network": json_form.to_dict(network),
        "classes": list(classes),
        "source": source,
        "versions": versions,
    }
    try:
        unfinished.mkdir(exist_ok=True)
        with open(unfinished / "arrays.npz", "wb") as file:
            np.savez(file, **arrays)
        files.write_text(unfinished / "state.json", json.dumps(state, indent=1))
        files.sync_tree(unfinished)
        old = files.replace_directory(unfinished, directory / FOLDER)
        if old:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunFailed(
            f"output={str(directory)!r} could not be written: {error.strerror}. Make room or "
            "permit writing, remove what is there, and run the same command again."
        ) from error


def load(directory: pathlib.Path) -> Checkpoint:
    """Opens converted weights as a checkpoint without a step.

    Its settings are those to evaluate with: the paper's, except for the network.

    Raises:
      UserError: a later version wrote them.
      RunFailed: they are damaged.
    """
    path = directory / FOLDER
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        version = state["format_version"]
        if version > FORMAT_VERSION:
            raise UserError(
                f"format_version={version}, expected at most {FORMAT_VERSION}. Use the version of "
                "alexnet_tf that wrote it."
            )
        network = json_form.network_from_json(state["network"], state["schema_version"])
        return Checkpoint(
            path=path,
            config=dataclasses.replace(recipe("paper"), recipe=RECIPE, network=network),
            classes=tuple(map(str, state["classes"])),
            progress={"step": None, "best_step": 0},
            versions=dict(state["versions"]),
            arrays_file=os.open(path / "arrays.npz", os.O_RDONLY),
        )
    except UserError as error:
        raise UserError(f"{str(path)!r}: {error}") from error
    except Exception as error:  # what is no longer as it was written fails in many ways
        raise damaged(path, error, is_converted=True) from error
