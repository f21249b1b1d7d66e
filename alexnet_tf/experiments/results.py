"""The finished rows of an experiment, in OUTPUT/rows.json. No TensorFlow."""

import base64
import dataclasses
import json
import pathlib
from collections.abc import Sequence

import numpy as np

from alexnet_tf.config import json_form
from alexnet_tf.config.fields import differences, settings_of
from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import run_directory

FILE = "rows.json"
BEGUN = "begun.json"
"""What the base of the table is trained with, from the first start on."""
FORMAT_VERSION = 2
KNOWN_VERSIONS = (1, FORMAT_VERSION)
"""1 has no commands."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Finished:
    """What became of one row with one seed."""

    row: str
    seed: int
    top1_error: float | None = None
    """Of the validation pictures at the end, center window; None where it was not measured."""
    train_error: float | None = None
    """The same of the training pictures, without augmentation."""
    epochs_to: float | None = None
    """Epochs to the training error that was asked for; None where it was not reached."""
    curve: tuple[tuple[float, float], ...] = ()
    """Epochs and the training error there, up to that moment."""
    correct: np.ndarray | None = None
    """bool [N], whether each validation picture that could be decoded was classified rightly, in
    the source's order."""
    failed: str = ""
    """Why it did not end, a sentence; empty where it did."""
    steps: int = 0
    """Updates of the weights that it made."""
    planned_steps: int = 0
    """Updates that it was to make; less are made where `epochs_to` ends it."""
    version: str = ""
    """Of alexnet_tf."""
    command: str = ""
    """That trained it, without what says where and how much of the table."""
    settings: dict = dataclasses.field(default_factory=dict)
    """Its Config as JSON, without what may differ when a run is resumed."""
    data: dict = dataclasses.field(default_factory=dict)
    """Numbers and digests of its pictures."""
    seconds: float = 0.0
    """Of training and evaluation, since the last start; differs from run to run."""
    images_per_second: float | None = None
    """Of training; the same."""


@dataclasses.dataclass(frozen=True)
class Results:
    """What is finished of a table, in the order in which it was."""

    finished: tuple[Finished, ...] = ()

    def of(self, row: str) -> list[Finished]:
        """Lists what there is of a row, sorted by seed."""
        return sorted((x for x in self.finished if x.row == row), key=lambda x: x.seed)

    def find(self, row: str, seed: int) -> Finished | None:
        """Finds a row with a seed."""
        return next((x for x in self.of(row) if x.seed == seed), None)

    def plus(self, new: Finished) -> "Results":
        """Adds one."""
        return Results((*self.finished, new))


def settings_text(config: Config) -> dict:
    """Writes a Config as JSON without what may differ when a run is resumed."""
    stored = json_form.to_json(config)
    for setting in settings_of(Config):
        if setting.is_free:
            *sections, name = setting.path
            part = stored
            for section in sections:
                part = part[section]
            del part[name]
    return stored


def check_pictures(finished: Sequence[Finished], output: pathlib.Path) -> None:
    """Refuses to compare rows that saw different numbers of pictures.

    Raises:
      UserError: they did.
    """
    seen = {len(x.correct): x for x in finished if x.correct is not None}
    if len(seen) > 1:
        rows = [f"{x.row} with seed {x.seed} saw {count}" for count, x in sorted(seen.items())]
        raise UserError(
            f"output={str(output)!r}: {' and '.join(rows[:2])} validation pictures; expected as "
            "many for all rows. Use the same --data.max_megapixels and --data.on_error, or name "
            "another --output."
        )


def check_same(
    found: Finished, config: Config, data: dict, num_steps: int, output: pathlib.Path
) -> None:
    """Refuses a finished row that was trained otherwise than it would be now.

    Args:
      found: from the file.
      config: its settings now.
      data: its pictures now.
      num_steps: its length now.
      output: where the file is.

    Raises:
      UserError: with the differences.
    """
    which = f"{found.row} with seed {found.seed} was trained"
    before = found.settings, found.data, found.planned_steps
    _check_same(which, before, (config, data, num_steps), output)


def _check_same(
    which: str,
    before: tuple[dict, dict, int],
    now: tuple[Config, dict, int],
    output: pathlib.Path,
) -> None:
    """Compares settings, pictures and steps with those of now."""
    (settings, old_data, old_steps), (config, data, num_steps) = before, now
    changed = differences(json_form.from_json(settings), config)
    pairs = {name: (old_data.get(name), data[name]) for name in data}
    pairs["steps"] = old_steps, num_steps
    changed += [f"{name}: {old} -> {new}" for name, (old, new) in pairs.items() if old != new]
    if changed:
        raise UserError(
            f"output={str(output)!r}: {which} with other settings: {'; '.join(changed)}. Expected "
            "the same. Use them, name another --output, or remove that directory."
        )


def check_begun(
    output: pathlib.Path, name: str, config: Config, data: dict, num_steps: int
) -> None:
    """Refuses a directory where a table was begun otherwise; writes down how this one is.

    So processes that share a table find out before they train, not when they store a row.

    Args:
      output: the directory, which this process has locked.
      name: of the experiment.
      config: the base's settings.
      data: the base's pictures.
      num_steps: the base's length.

    Raises:
      UserError: it was.
      RunFailed: the file is damaged, or cannot be written.
    """
    path = output / BEGUN
    stored = run_directory.read_json(path)
    if not stored:
        begun = {"experiment": name, "settings": settings_text(config)}
        begun |= {"data": data, "steps": num_steps}
        run_directory.write_text(path, json.dumps(begun, indent=1))
        return
    if stored.get("experiment") != name:
        raise _other_experiment(output, stored.get("experiment"), name)
    try:
        before = stored["settings"], stored["data"], stored["steps"]
        _check_same("a table was begun there", before, (config, data, num_steps), output)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunFailed(
            f"{str(path)!r} cannot be used: {error!r}. Expected it as it was written; remove it."
        ) from error


def begun_settings(output: pathlib.Path, name: str) -> Config | None:
    """Reads the settings of the base of a table that was begun; None where none was, or another."""
    stored = run_directory.read_json(output / BEGUN) or {}
    if stored.get("experiment") != name or not isinstance(stored.get("settings"), dict):
        return None
    return json_form.from_json(stored["settings"])


def _other_experiment(output: pathlib.Path, found: str | None, name: str) -> UserError:
    return UserError(
        f"output={str(output)!r} holds rows of the experiment {found}; expected those of {name}. "
        "Name another --output."
    )


def read(output: pathlib.Path, name: str) -> Results:
    """Reads what is finished; nothing where there is no file.

    Args:
      output: where the file is.
      name: of the experiment.

    Raises:
      RunFailed: the file is damaged.
      UserError: a later version wrote it, or it is another experiment's.
    """
    path = output / FILE
    stored = run_directory.read_json(path)
    if not stored:
        return Results()
    version = stored.get("format_version")
    if version not in KNOWN_VERSIONS:
        raise UserError(
            f"{str(path)!r} was written by another alexnet_tf, as rows of format {version} where "
            f"this one knows up to {FORMAT_VERSION}. Use that one, or name another --output."
        )
    if stored.get("experiment") != name:
        raise _other_experiment(output, stored.get("experiment"), name)
    try:
        return Results(tuple(map(_finished, stored["rows"])))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunFailed(
            f"{str(path)!r} cannot be used: {error!r}. Expected finished rows as they were "
            "written; put the file back, or name another --output."
        ) from error


def write(output: pathlib.Path, name: str, results: Results) -> None:
    """Replaces the file whole.

    Raises:
      RunFailed: it cannot be written.
    """
    whole = {
        "format_version": FORMAT_VERSION,
        "experiment": name,
        "rows": [_stored(found) for found in results.finished],
    }
    run_directory.write_text(output / FILE, json.dumps(whole, indent=1, allow_nan=False))


def _stored(found: Finished) -> dict:
    """Writes a row as JSON; what differs from run to run stands under `time`."""
    plain = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    time = {name: plain.pop(name) for name in ("seconds", "images_per_second")}
    if found.correct is not None:
        bits = base64.b64encode(np.packbits(found.correct)).decode()
        plain["correct"] = {"length": len(found.correct), "bits": bits}
    return plain | {"time": time}


def _finished(stored: dict) -> Finished:
    """Reads what `_stored` wrote."""
    values = {name: value for name, value in stored.items() if name != "time"} | stored["time"]
    if (packed := values["correct"]) is not None:
        bits = np.frombuffer(base64.b64decode(packed["bits"], validate=True), np.uint8)
        values["correct"] = np.unpackbits(bits)[: packed["length"]].astype(bool)
        if len(values["correct"]) != packed["length"]:
            raise ValueError(f"{packed['length']} pictures in {len(bits)} bytes")
    values["curve"] = tuple(map(tuple, values["curve"]))
    return Finished(**values)
