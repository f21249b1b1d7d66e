"""Checkpoints: a directory each, renamed into place whole, with names of our own in it.

    checkpoints/step-000000740/arrays.npz    conv1/kernel, conv1/kernel/momentum, conv1/bias, ...
    checkpoints/step-000000740/state.json    format_version, config, classes, progress, versions

Kernels are stored in the single-device layout [h, w, in / groups, out], fc6 in the order H, W, C,
so that every form of a network reads every other's. The best and the last two are kept.
"""

import dataclasses
import enum
import json
import os
import pathlib
import re
import shutil
import zipfile

import numpy as np

from alexnet_tf import settings_json
from alexnet_tf.config import Config
from alexnet_tf.errors import RunFailed, UserError

FORMAT_VERSION = 1
KEPT = 2
"""Checkpoints that stay beside the best one."""
_PREFIX, _UNFINISHED = "step-", ".unfinished-"
_NAME = re.compile(rf"{_PREFIX}\d+")


class Which(enum.StrEnum):
    """Which checkpoint of a run is meant."""

    BEST = "best"
    LAST = "last"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read."""

    path: pathlib.Path
    config: Config
    classes: tuple[str, ...]
    progress: dict
    """Fields of `state.Progress`."""
    versions: dict
    """Programs and formats that wrote it."""

    @property
    def step(self) -> int:
        """Updates behind the weights."""
        return self.progress["step"]

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name.

        Raises:
          RunFailed: the file is damaged.
        """
        try:
            with open(self.path / "arrays.npz", "rb") as file, np.load(file) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(self.path, error) from error

    def weights(self) -> dict[str, np.ndarray]:
        """The arrays without the optimizer's."""
        arrays = self.arrays()
        return {name: arrays[name] for name in arrays if not name.endswith("/momentum")}


def save(
    directory: pathlib.Path,
    arrays: dict[str, np.ndarray],
    config: Config,
    classes: tuple[str, ...],
    progress: dict,
    versions: dict,
) -> None:
    """Writes a checkpoint; it is there whole, or not at all. Then removes those not kept.

    Raises:
      RunFailed: a weight is not finite, or the disk does not take it. Earlier ones stay good.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise RunFailed(
                f"step={progress['step']}: {name} is not finite, so nothing was saved; the last "
                "good checkpoint was kept. Start in another --run_dir with a lower "
                "--optimizer.learning_rate."
            )
    target = directory / f"{_PREFIX}{progress['step']:09d}"
    unfinished = directory / f"{_UNFINISHED}{target.name}"
    state = {
        "format_version": FORMAT_VERSION,
        "config": settings_json.to_json(config),
        "classes": list(classes),
        "progress": progress,
        "versions": versions,
    }
    try:
        _write(unfinished, arrays, state)
        if target.exists():  # the same step once more: evaluated since
            target.rename(directory / f"{_UNFINISHED}old-{target.name}")
        unfinished.rename(target)
        sync_directory(directory)
        clean(directory)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise RunFailed(
            f"checkpoint={str(target)!r} could not be written: {error.strerror}. The previous "
            "checkpoint is good; make room or permit writing, and run the same command again."
        ) from error
    for path in _paths(directory)[:-KEPT]:
        if not progress["best_step"] or _step(path) != progress["best_step"]:
            shutil.rmtree(path, ignore_errors=True)


def _write(unfinished: pathlib.Path, arrays: dict[str, np.ndarray], state: dict) -> None:
    """Writes both files of a checkpoint, down to the disk."""
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with open(unfinished / "arrays.npz", "wb") as file:
        np.savez(file, **arrays)
        _sync(file)
    with open(unfinished / "state.json", "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1)
        _sync(file)


def load(run_dir: str | os.PathLike, which: Which = Which.BEST) -> Checkpoint:
    """Reads the description of a run's checkpoint; the arrays are read when asked for.

    Args:
      run_dir: a run directory.
      which: the best by validation error (the last where none was evaluated), or the last.

    Raises:
      UserError: there is none.
    """
    if not pathlib.Path(run_dir).is_dir():
        raise UserError(
            f"run_dir={str(run_dir)!r}: expected a directory that `python -m alexnet_tf.train` "
            "made. Train first, or name another."
        )
    directory = pathlib.Path(run_dir) / "checkpoints"
    last = read_last(directory)
    if last is None:
        raise UserError(
            f"run_dir={str(run_dir)!r} holds no checkpoint; expected "
            "checkpoints/step-*/arrays.npz. Train first, or name another."
        )
    best_step = last.progress["best_step"]  # 0 before the first evaluation
    best = directory / f"{_PREFIX}{best_step:09d}"
    return _read(best) if which == Which.BEST and best_step and best.exists() else last


def read_last(directory: pathlib.Path) -> Checkpoint | None:
    """The newest checkpoint in a directory, None where there is none."""
    paths = _paths(directory)
    return _read(paths[-1]) if paths else None


def clean(directory: pathlib.Path) -> None:
    """Removes what killed writes left behind."""
    for path in directory.glob(f"{_UNFINISHED}*"):
        old, name = directory / path.name, path.name.removeprefix(f"{_UNFINISHED}old-")
        if name != path.name and not (directory / name).exists():
            old.rename(directory / name)  # killed between the two renames of `save`
        else:
            shutil.rmtree(path, ignore_errors=True)


def needed_bytes(directory: pathlib.Path, arrays: dict[str, np.ndarray]) -> int:
    """Disk space for the checkpoints to come: the most that are there at once, less those."""
    num_missing = max(1, KEPT + 2 - len(_paths(directory)))
    return num_missing * sum(array.nbytes for array in arrays.values())


def sync_directory(directory: pathlib.Path) -> None:
    """Makes the names in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _paths(directory: pathlib.Path) -> list[pathlib.Path]:
    """The finished checkpoints, oldest first; copies under other names are none of ours."""
    found = (path for path in directory.glob(f"{_PREFIX}*") if _NAME.fullmatch(path.name))
    return sorted(found, key=_step)


def _step(path: pathlib.Path) -> int:
    return int(path.name.removeprefix(_PREFIX))


def _read(path: pathlib.Path) -> Checkpoint:
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if state["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"checkpoint={str(path)!r} has format_version={state['format_version']}, expected at "
            f"most {FORMAT_VERSION}. Use the version of alexnet_tf that wrote it."
        )
    return Checkpoint(
        path=path,
        config=settings_json.from_json(state["config"]),
        classes=tuple(state["classes"]),
        progress=state["progress"],
        versions=state["versions"],
    )


def _damaged(path: pathlib.Path, error: Exception) -> RunFailed:
    return RunFailed(
        f"checkpoint={str(path)!r} cannot be read: {error}. Expected it as it was written; remove "
        "this directory to go on from the one before."
    )
