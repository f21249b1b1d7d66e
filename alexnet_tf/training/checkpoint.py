"""Checkpoints: directories that are written whole, whose arrays have names of our own.

    checkpoints/step-000000740/arrays.npz    conv1/kernel, conv1/kernel/momentum, conv1/bias, ...
    checkpoints/step-000000740/state.json    format_version, config, classes, progress, versions
    checkpoints/step-000000740/evaluation.json    progress once the step was evaluated, if it was
    checkpoints/step-000000740/kept.json    epoch, if its end is to be kept (`keep_epochs`)

A step is saved before it is evaluated, so that nothing that happens during an evaluation costs the
steps before it; what the evaluation found is added in a small file. Kernels are stored in the
single-device layout [h, w, in / groups, out], fc6 in the order H, W, C, so that every form of a
network reads every other's. The best, the last two and those with kept.json are kept.
"""

import contextlib
import enum
import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from alexnet_tf.config import json_form
from alexnet_tf.config.run import Config
from alexnet_tf.errors import NotFinite, RunFailed, UserError
from alexnet_tf.training import converted
from alexnet_tf.training.stored import Checkpoint, check_kinds, damaged, object_in
from pipelines import files
from pipelines.typed import choice

FORMAT_VERSION = 3
"""Raised to 2 when evaluations got a file of their own, to 3 when weights had averages and second
moments beside them; 1 and 2 are read."""
KEPT = 2
"""Checkpoints that stay beside the best one."""
EVALUATION = "evaluation.json"
"""In a checkpoint whose step was evaluated: its progress after that."""
KEPT_EPOCH = "kept.json"
"""In a checkpoint that stays: the epoch that ended there. Earlier versions do not look for it."""
REQUIRED = {"config": dict, "classes": list, "progress": dict, "versions": dict}
"""Kinds of what state.json has, to tell a damaged one."""
_PREFIX, _UNFINISHED = "step-", ".unfinished-"
_NAME = re.compile(rf"{_PREFIX}\d+")
_ATTEMPTS = 5
"""How often another process may remove what was to be read before we give up."""


class Which(enum.StrEnum):
    """Which checkpoint of a run to use."""

    BEST = "best"
    LAST = "last"


def save(
    directory: pathlib.Path,
    arrays: Mapping[str, ArrayLike],
    config: Config,
    classes: tuple[str, ...],
    progress: dict,
    versions: dict,
    kept_epoch: int = 0,
) -> None:
    """Writes a checkpoint, whole or not at all; then removes those that are not kept.

    With a `kept_epoch` it stays for good, as the end of that epoch.

    Raises:
      NotFinite: a weight is not finite. Earlier checkpoints are unchanged.
      RunFailed: it cannot be written; the same.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NotFinite(
                f"step={progress['step']}: {name} is not finite, so nothing was saved; earlier "
                "checkpoints are as they were. Start in another --run_dir with a lower "
                "--optimizer.learning_rate."
            )
    target = directory / f"{_PREFIX}{progress['step']:09d}"
    unfinished = directory / f"{_UNFINISHED}{target.name}"
    if not kept_epoch and _is_kept(target):  # the same step again, which callbacks may change
        kept_epoch = object_in(target / KEPT_EPOCH)["epoch"]
    descriptions = {KEPT_EPOCH: {"epoch": kept_epoch}} if kept_epoch else {}
    descriptions["state.json"] = {
        "format_version": FORMAT_VERSION,
        "config": json_form.to_json(config),
        "classes": list(classes),
        "progress": progress,
        "versions": versions,
    }
    try:
        _write(unfinished, arrays, descriptions)
        files.replace_directory(unfinished, target)
        clean(directory)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _unwritten(target, error) from error
    for path in _paths(directory)[:-KEPT]:
        if not (_step(path) == progress["best_step"] > 0 or _is_kept(path)):
            shutil.rmtree(path, ignore_errors=True)


def _write(
    unfinished: pathlib.Path, arrays: dict[str, np.ndarray], descriptions: dict[str, dict]
) -> None:
    """Writes the files of a checkpoint and flushes them to the disk."""
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with open(unfinished / "arrays.npz", "wb") as file:
        np.savez(file, **arrays)
        files.sync(file)
    for name, description in descriptions.items():
        with open(unfinished / name, "w", encoding="utf-8") as file:
            json.dump(description, file, indent=1)
            files.sync(file)
    files.sync_directory(unfinished)


def mark_evaluated(directory: pathlib.Path, progress: dict) -> None:
    """Adds what an evaluation found to the checkpoint of its step.

    Raises:
      RunFailed: it cannot be written; the next start evaluates the step once more.
    """
    path = directory / f"{_PREFIX}{progress['step']:09d}" / EVALUATION
    try:
        files.write_text(path, json.dumps(progress, indent=1))
    except OSError as error:
        raise _unwritten(path.parent, error) from error


def load(
    run_dir: str | os.PathLike, which: Which = Which.BEST, name: str = "run_dir"
) -> Checkpoint:
    """Opens a run's checkpoint; its arrays are read when they are asked for.

    Args:
      run_dir: a run directory, or one that `convert` made.
      which: the best by validation error (the last where none was evaluated), or the last.
      name: the setting that names the directory, for messages.

    Raises:
      UserError: there is none.
      ValueError: `which` is neither.
    """
    if not pathlib.Path(run_dir).is_dir():
        raise UserError(
            f"{name}={str(run_dir)!r}: expected a directory that `python -m alexnet_tf.train` "
            "made. Train first, or name another."
        )
    which = choice("checkpoint", Which, which)
    if converted.is_converted(run_dir):
        return converted.load(pathlib.Path(run_dir))
    directory = pathlib.Path(run_dir) / "checkpoints"
    for _ in range(_ATTEMPTS):
        last = read_last(directory)
        if last is None:
            if (directory.parent / "saved_model.pb").exists():
                raise UserError(
                    f"{name}={str(run_dir)!r} is an export; expected the run that it was made of. "
                    "Name that, or load it with tf.saved_model.load."
                )
            raise UserError(
                f"{name}={str(run_dir)!r} holds no checkpoint; expected "
                "checkpoints/step-*/arrays.npz. Train first, or name another."
            )
        best_step = last.progress["best_step"]  # 0 before the first evaluation
        if which == Which.LAST or best_step in (0, last.step):
            return last
        best = directory / f"{_PREFIX}{best_step:09d}"
        with contextlib.suppress(FileNotFoundError):  # another one became the best since
            return _read(best)
    if best.is_dir():
        raise damaged(best, FileNotFoundError("a file of it is missing"))
    print(
        f"{name}={str(run_dir)!r}: its best checkpoint, of step {best_step}, is gone; the last one "
        f"is taken, of step {last.step}",
        file=sys.stderr,
        flush=True,
    )
    return last


def read_last(directory: pathlib.Path) -> Checkpoint | None:
    """Opens the newest checkpoint in a directory, None where there is none."""
    for _ in range(_ATTEMPTS):
        paths = _paths(directory)
        try:
            return _read(paths[-1]) if paths else None
        except FileNotFoundError:  # removed since, by the process that trains there
            continue
    raise damaged(paths[-1], FileNotFoundError("a file of it is missing"))


def kept(run_dir: str | os.PathLike) -> list[Checkpoint]:
    """Opens the checkpoints that `keep_epochs` kept, oldest first; RunFailed if one is damaged."""
    found = []
    for path in filter(_is_kept, _paths(pathlib.Path(run_dir) / "checkpoints")):
        try:
            found.append(_read(path))
        except FileNotFoundError as error:
            raise damaged(path, error) from error
    return found


def clean(directory: pathlib.Path) -> None:
    """Removes what killed writes left behind, and restores what they had moved away."""
    for path in directory.glob(f"{_UNFINISHED}old-*"):  # as alexnet_tf 0.1.0 called it
        place = directory / path.name.removeprefix(f"{_UNFINISHED}old-")
        if not place.exists():
            path.rename(place)
    for path in directory.glob(f".{_PREFIX}*{files.OLD}"):
        place = directory / path.name.removeprefix(".").removesuffix(files.OLD)
        files.recover(place)
        shutil.rmtree(path, ignore_errors=True)
    for path in directory.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def needed_bytes(
    directory: pathlib.Path, arrays: dict[str, np.ndarray], num_still_to_keep: int = 0
) -> int:
    """Computes the disk space for checkpoints still to come: the most at once, less those there.

    Args:
      directory: the checkpoints of a run.
      arrays: what each of them holds.
      num_still_to_keep: how many will come that stay for good.
    """
    num_passing = sum(not _is_kept(path) for path in _paths(directory))
    num_missing = max(1, KEPT + 2 - num_passing) + num_still_to_keep
    return num_missing * sum(array.nbytes for array in arrays.values())


def _paths(directory: pathlib.Path) -> list[pathlib.Path]:
    """Lists the finished checkpoints, oldest first; copies under other names are ignored."""
    found = (path for path in directory.glob(f"{_PREFIX}*") if _NAME.fullmatch(path.name))
    return sorted(found, key=_step)


def _is_kept(path: pathlib.Path) -> bool:
    return (path / KEPT_EPOCH).exists()


def _step(path: pathlib.Path) -> int:
    return int(path.name.removeprefix(_PREFIX))


def _read(path: pathlib.Path) -> Checkpoint:
    """Opens a checkpoint.

    Raises:
      FileNotFoundError: it is gone, or one of its files is.
      UserError: a newer version wrote it.
      RunFailed: it is damaged.
    """
    try:
        state = object_in(path / "state.json")
        version = state.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise UserError(
                f"format_version={version}, expected at most {FORMAT_VERSION}. Use the version of "
                "alexnet_tf that wrote it."
            )
        check_kinds(state, REQUIRED)
        is_evaluated = (path / EVALUATION).exists()
        progress = object_in(path / EVALUATION) if is_evaluated else state["progress"]
        check_kinds(progress, {"step": int, "best_step": int, "best_error": float})
        kept_as = object_in(path / KEPT_EPOCH) if _is_kept(path) else {"epoch": 0}
        check_kinds(kept_as, {"epoch": int})
        if not all(isinstance(name, str) for name in state["classes"]):
            raise ValueError("classes are no list of names")
        return Checkpoint(
            path=path,
            config=json_form.from_json(state["config"]),
            classes=tuple(state["classes"]),
            progress=progress,
            versions=state["versions"],
            kept_epoch=kept_as["epoch"],
            arrays_file=os.open(path / "arrays.npz", os.O_RDONLY),
        )
    except (FileNotFoundError, NameError, ImportError, MemoryError):  # no damage
        raise
    except UserError as error:
        raise UserError(f"checkpoint={str(path)!r}: {error}") from error
    except Exception as error:  # what is no longer as it was written fails in many ways
        raise damaged(path, error) from error


def _unwritten(path: pathlib.Path, error: OSError) -> RunFailed:
    return RunFailed(
        f"checkpoint={str(path)!r} could not be written: {error.strerror}. Earlier ones are as "
        "they were; make room or permit writing, and run the same command again."
    )
