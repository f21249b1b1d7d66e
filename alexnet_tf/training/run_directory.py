"""The directory of a run: the comparison at resume, its small files, disk space."""

import contextlib
import dataclasses
import itertools
import json
import pathlib
import shutil
import sys
from collections.abc import Iterator

from alexnet_tf.config import json_form
from alexnet_tf.config.fields import differences
from alexnet_tf.config.run import Config
from alexnet_tf.directory_lock import Lock
from alexnet_tf.errors import RunFailed, UserError, listed, writing
from alexnet_tf.training import checkpoint, schedules
from alexnet_tf.training.stored import Checkpoint, object_in
from pipelines import files
from pipelines.checks import is_color

LISTED = 3
"""Differences that a message names, at most."""


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """The directory of a run that is started or resumed in this process; see `opened`."""

    path: pathlib.Path
    """The directory."""
    last: Checkpoint | None
    """The last checkpoint of a run to resume; None for a new one."""
    data: dict
    """The stored description of its data, data.json; {} for a new run."""

    @property
    def measured_mean(self) -> tuple[float, ...] | None:
        """The mean color that was measured at the run's start; None if none is stored unhurt."""
        stored = self.data.get("measured_mean")
        return tuple(stored) if isinstance(stored, list) and is_color(stored) else None

    def compare(self, config: Config, data: dict, classes: tuple[str, ...]) -> None:
        """Compares a run to resume with what is stored; a new one with nothing.

        Args:
          config: resolved settings.
          data: what data.json is to contain.
          classes: names of the classes.

        Raises:
          UserError: settings, data, classes or length differ from those stored.
          RunFailed: a file cannot be read.
        """
        if self.last:
            check_same_classes(self.path, self.last.classes, classes)
            check_same_run(self.path, config, data, self.data)
            _check_length(self.path, config, self.last.config, data["train_num_examples"])

    def claim(self, config: Config, data: dict, classes: tuple[str, ...]) -> None:
        """Compares a run to resume, as `compare` does, and stores the description of any.

        What a run without a checkpoint wrote is moved away: a new one begins.

        Raises:
          RunFailed: a file cannot be written.
        """
        self.compare(config, data, classes)
        if not self.last and (aside := set_aside(self.path)):
            print(
                f"run_dir={str(self.path)!r} holds no checkpoint, so a new run begins; what an "
                f"earlier one wrote there was moved to {str(aside)!r}.",
                file=sys.stderr,
            )
        describe_run(self.path, config, data)
        write_text(self.path / "classes.txt", "\n".join(classes))


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[RunDirectory]:
    """Makes and locks a run directory, removes leftovers of killed writes, and reads it.

    Raises:
      UserError: another process has it, or it cannot be written.
      RunFailed: the checkpoint or data.json is damaged.
    """
    with Lock(path):
        checkpoint.clean(path / "checkpoints")
        last = checkpoint.read_last(path / "checkpoints")
        yield RunDirectory(path, last, read_json(path / "data.json") if last else {})


class Elsewhere(RunDirectory):
    """What a worker has that is not the chief: the directory is the chief's, and not looked at."""

    def compare(self, config: Config, data: dict, classes: tuple[str, ...]) -> None:
        """Leaves it to the chief."""

    def claim(self, config: Config, data: dict, classes: tuple[str, ...]) -> None:
        """Leaves it to the chief."""


def _check_length(run_dir: pathlib.Path, config: Config, stored: Config, num_examples: int) -> None:
    """Refuses another length if the learning rate of every step depends on it."""
    if not schedules.needs_length(config.optimizer.schedule):
        return
    before, now = stored.num_steps(num_examples), config.num_steps(num_examples)
    if before != now:
        run = config.run
        typed = f"steps={run.steps}" if run.steps else f"epochs={run.epochs:g}"
        raise UserError(
            f"{typed}: the run in {str(run_dir)!r} was begun for {before} steps, these are {now}, "
            f"and optimizer.schedule={config.optimizer.schedule} depends on that. Expected the "
            "same length; for another one name another --run_dir."
        )


def check_same_run(run_dir: pathlib.Path, config: Config, data: dict, stored_data: dict) -> None:
    """Compares the settings and data of a resumed run with those stored in its directory.

    Args:
      run_dir: the run directory.
      config: resolved settings.
      data: what data.json would contain now.
      stored_data: what it contains.

    Raises:
      UserError: settings or data differ.
    """
    settings = read_json(run_dir / "config.json")
    if settings:
        try:
            before = json_form.from_json(settings)
        except UserError as error:
            raise UserError(f"{str(run_dir / 'config.json')!r}: {error}") from error
        changed = differences(before, config)
        if changed:
            raise UserError(
                f"run_dir={str(run_dir)!r} holds a run with other settings: {'; '.join(changed)}. "
                "Expected the same. Use them, or name another --run_dir."
            )
    if stored_data:
        changed = [
            f"{name}: {stored_data.get(name)} -> {data[name]}"
            for name in data
            if stored_data.get(name) != data[name]
        ]
        if changed:
            raise UserError(
                f"data.source={config.data.source!r} has changed since the run in "
                f"{str(run_dir)!r} began: {'; '.join(changed)}. Expected the same. Restore them, "
                "or name another --run_dir."
            )


def check_same_classes(
    run_dir: pathlib.Path, stored: tuple[str, ...], now: tuple[str, ...]
) -> None:
    """Compares the class names of a resumed run with those of the data.

    Raises:
      UserError: they differ; the message has the first, and how many.
    """
    pairs = list(itertools.zip_longest(stored, now, fillvalue="none"))
    changed = [f"{old} -> {new}" for old, new in pairs if old != new]
    if changed:
        raise UserError(
            f"run_dir={str(run_dir)!r} holds a run of other classes: "
            f"{listed(changed, LISTED)} ({len(changed)} of {len(pairs)} differ). "
            "Expected the same names in the same order. Restore them, or begin another --run_dir "
            f"with --start_from={run_dir}."
        )


def describe_run(run_dir: pathlib.Path, config: Config, data: dict) -> None:
    """Writes a run's settings and the description of its data into its directory."""
    write_text(run_dir / "config.json", json.dumps(json_form.to_json(config), indent=1))
    write_text(run_dir / "data.json", json.dumps(data, indent=1))


def read_json(path: pathlib.Path) -> dict:
    """Reads one of the small files of a run directory; {} if it is missing."""
    try:
        return object_in(path) if path.exists() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise RunFailed(
            f"{str(path)!r} cannot be read: {error}. Expected it as it was written; put it back, "
            "or remove it to go on without it."
        ) from error


def set_aside(run_dir: pathlib.Path) -> pathlib.Path | None:
    """Moves away what a run without checkpoints has written, before a new run begins there.

    Returns:
      The new folder, such as run_dir/aside-1; None if nothing was written.
    """
    if not any(path.stat().st_size for path in run_dir.glob("metrics.jsonl")):
        return None
    numbers = (path.name.removeprefix("aside-") for path in run_dir.glob("aside-*"))
    aside = run_dir / f"aside-{1 + max((int(x) for x in numbers if x.isdecimal()), default=0)}"
    with writing(aside):
        aside.mkdir()
        names = ("events", "per_class", "result.json", "config.json", "data.json", "metrics.jsonl")
        for name in names:  # the last is what a start looks for
            if (run_dir / name).exists():
                (run_dir / name).rename(aside / name)
    return aside


def check_space(directory: pathlib.Path, needed: int, name: str = "run_dir") -> None:
    """Refuses a directory whose disk has no room for the weights that are to be stored.

    Args:
      directory: that is there.
      needed: bytes.
      name: the setting that names it.

    Raises:
      UserError: the space needed is more than the space left; the message has both.
    """
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise UserError(
            f"{name}={str(directory)!r} has {files.size_text(free)} free, expected "
            f"{files.size_text(needed)} for weights. Make room, or name another disk with --{name}."
        )


def write_text(path: pathlib.Path, text: str) -> None:
    """Replaces a small file whole.

    Raises:
      RunFailed: it cannot be written.
    """
    with writing(path):
        files.write_text(path, text)


def write_bytes(path: pathlib.Path, contents: bytes) -> None:
    """Replaces a small file whole, as `write_text` does."""
    with writing(path):
        files.write_bytes(path, contents)
