"""Which pictures a command takes that looks at a run: settings, and the split by default."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

from alexnet_tf.config.run import Config
from alexnet_tf.errors import user_errors
from alexnet_tf.training import run_directory
from pipelines.config import DataConfig, Split
from pipelines.sources import open_source, own_splits


def settings(stored: Config, override: Callable[[Config], Config]) -> Config:
    """Makes the settings of a command that looks at a run, from its stored ones.

    Args:
      stored: of the run.
      override: puts in what was typed. Another source than the run's is taken whole, though the
        run may have taken a part of its own.
    """
    config = override(stored.elsewhere())
    if _is_same_place(config, stored.data.source):
        return config
    return dataclasses.replace(config, data=dataclasses.replace(config.data, train_part=1.0))


def default_split(config: Config, trained_on: DataConfig, run_dir: str | os.PathLike) -> Split:
    """Chooses the split that the run was not trained on, as far as is known.

    It is val where the source has a val of its own, or where the run was trained on the source and
    held a part out; otherwise all.

    Args:
      config: settings of the evaluation; `data` names the source.
      trained_on: the run's own settings of its data.
      run_dir: the run directory; its data.json says which pictures the run saw.

    Raises:
      UserError: there is nothing to read.
    """
    with user_errors():
        if Split.VAL in own_splits(config.data):
            return Split.VAL
    seen = run_directory.read_json(pathlib.Path(run_dir) / "data.json")
    taken = dataclasses.replace(config.data, train_part=trained_on.train_part)
    is_own = seen and (
        _is_same_place(config, trained_on.source)
        or _are_same_pictures(dataclasses.replace(config, data=taken), seen)
    )
    return Split.VAL if is_own else Split.ALL


def _is_same_place(config: Config, trained_on: str) -> bool:
    """Tells whether the run was trained on this folder, to which pictures may have been added."""
    here, there = (x.partition(":") for x in (config.data.source, trained_on))
    return here[0] == there[0] and os.path.realpath(here[2]) == os.path.realpath(there[2])


def _are_same_pictures(config: Config, seen: dict) -> bool:
    """Tells whether both splits have the pictures that data.json lists, wherever they are now."""
    try:
        digests = {
            f"{split}_digest": open_source(config.data, split, config.run.seed).digest
            for split in (Split.TRAIN, Split.VAL)
        }
    except ValueError:  # such as no picture for val, without which nothing was trained
        return False
    return digests == {name: seen.get(name) for name in digests}
