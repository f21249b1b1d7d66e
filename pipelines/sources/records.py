"""Packed data sets, as `python -m pipelines.prepare` writes them: pictures, or their squares."""

import hashlib

import numpy as np

from pipelines import staging, storage
from pipelines.config import SQUARE_FIELDS, InputConfig
from pipelines.kept import differing
from pipelines.records import description, index
from pipelines.records.description import RAW, Description, PackedSplit
from pipelines.sources import indexed, labels, raw_records
from pipelines.sources.indexed import IndexedSource, Shard
from pipelines.sources.layout import first_names
from pipelines.sources.parts import Part, part, parts
from pipelines.sources.raw_records import RawSource


def packed(
    root: str,
    split: str,
    held_out: float,
    *,
    train_part: float = 1.0,
    classes: tuple[str, ...] = (),
    inputs: InputConfig | None = None,
    stage: str = "",
    is_served: bool = False,
) -> IndexedSource | RawSource:
    """Opens one part of a packed data set.

    Args:
      root: its folder; any path that `tf.io.gfile` takes.
      split: train, val, all for both, or another by its own name.
      held_out: part that becomes val where the set has none of its own, 0 to 1, chosen by the hash
        of class and file name that `folder` takes.
      train_part: part of what is left to train on that is used, above 0 to 1, by the same hash.
      classes: those of a network that is only to be tested. By default the set's own.
      inputs: what the network expects; squares that it would cut otherwise are refused.
      stage: local directory that the files are copied to first; empty reads them where they are.
      is_served: whether other processes read it too: raw squares are not mapped into memory.

    Raises:
      ValueError: there is no packed set, it cannot be read, or it does not fit.
    """
    where, found = _where(root), _description(root)
    if inputs is not None:
        _check_fits(where, found, inputs)
    chosen = part(found.splits, split, held_out, train_part, where)
    shards = []
    for name in chosen.splits:
        place = _staged(root, stage, found.splits[name]) if stage else root
        shards += _shards(place, name, found)
    advice = "Copy it again, or pack the pictures again."
    columns = indexed.columns(shards, chosen, where, advice)
    label = columns.label
    if not 0 <= label.min() <= label.max() < len(found.classes):
        raise ValueError(
            f"{where}: an index is damaged: it has labels {label.min()} to {label.max()}; expected "
            f"those of {len(found.classes):,} classes, from 0. {advice}"
        )
    if chosen.is_whole:
        _check_counts(where, label, found, chosen, advice)
    without = "Pack a set without them."
    matched = labels.matched(columns.label, found.classes, classes, where, without)
    source = IndexedSource(
        shards=tuple(shards),
        part=chosen,
        columns=indexed.kept(columns._replace(label=matched.label)),
        classes=matched.classes,
        class_counts=matched.class_counts,
        num_pictures=sum(one.num_examples for one in found.splits.values()),
        remark="\n".join(filter(None, [_left_out(where, found), matched.remark])),
        recoding=_recoding(found, chosen),
        stated_digest=_digest(found, chosen),
        reasons={(one.split, one.index): one.reason for one in found.undecoded},
    )
    if found.format != RAW:
        return source
    own = found.inputs
    raw_records.check_squares(shards, columns, own.resize, where, advice)
    return RawSource(source, own, *(() if is_served else raw_records.in_memory(source)))


def is_raw(root: str) -> bool:
    """Tells whether a packed set holds squares.

    Raises:
      ValueError: there is no packed set, or it cannot be read.
    """
    return _description(root).format == RAW


def own_splits(root: str) -> tuple[str, ...]:
    """Lists what can be asked for of a packed set without dividing one of its splits.

    Raises:
      ValueError: there is no packed set, or it cannot be read.
    """
    there = parts(_description(root).splits, held_out=0.5)
    return tuple(name for name, one in there.items() if one.is_whole)


def _where(root: str) -> str:
    return f"data.source='records:{root}'"


def _description(root: str) -> Description:
    """Reads dataset.json.

    Raises:
      ValueError: there is none, or it cannot be read.
    """
    try:
        return description.from_text(storage.read(storage.join(root, description.FILE)).decode())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(
            f"{_where(root)}: there is no {description.FILE} in it; expected a folder that python "
            "-m pipelines.prepare has written. Pictures in folders of their classes are read by "
            f"folder:{root}."
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{_where(root)}: {description.FILE}: {error}") from error


def _check_fits(where: str, found: Description, inputs: InputConfig) -> None:
    """Refuses a network whose squares cannot be made of what was packed.

    Raises:
      ValueError: it cuts other squares than raw ones; or minds another orientation than was stored.
    """
    fields = SQUARE_FIELDS if found.format == RAW else ("orientation",)
    if found.size is None:
        return  # files as they were
    packed = found.inputs
    names, has, wants = differing(packed, inputs, fields)
    if not names:
        return
    raise ValueError(
        f"{where} was packed with {has}, which cannot be undone; expected the network's {wants}. "
        "Pack the pictures again with what the network expects, or train a new one with "
        f"{' '.join(f'--network.input.{x}={getattr(packed, x)}' for x in names)}."
    )


def _staged(root: str, stage: str, split: PackedSplit) -> str:
    """Copies the files of a split to a local disk, where they are not there yet; returns the place.

    Raises:
      ValueError: that cannot be done.
    """
    files = {one.name: (one.num_bytes, one.sha256) for one in split.shards}
    for one in split.shards:
        name = one.name + index.SUFFIX
        # dataset.json knows its checksum alone: the size follows from the file, or is found wrong.
        files[name] = (_num_bytes(storage.join(root, name)), one.index_sha256)
    return staging.stage(root, stage, files)


def _num_bytes(path: str) -> int:
    """Asks for the size of a file.

    Raises:
      ValueError: it cannot be looked at.
    """
    try:
        return storage.num_bytes(path)
    except OSError as error:
        raise ValueError(
            f"{path!r} cannot be read: {error.strerror or error}. Expected the index of a shard; "
            "start again, or pack the pictures again where it is gone."
        ) from error


def _shards(root: str, split: str, found: Description) -> list[Shard]:
    """Lists the files of a split."""
    shards, first = [], 0
    for one in found.splits[split].shards:
        path = storage.join(root, one.name)
        beside = path + index.SUFFIX
        shards.append(Shard(path, beside, one.num_examples, one.num_bytes, split, first))
        first += one.num_examples
    return shards


def _check_counts(where: str, label: np.ndarray, found: Description, chosen: Part, advice: str):
    """Refuses indexes in which a label became another class's.

    Raises:
      ValueError: a class has more or fewer examples than were packed.
    """
    counts = np.bincount(label, minlength=len(found.classes))
    packed = np.sum([found.splits[name].class_counts for name in chosen.splits], axis=0)
    for number in np.flatnonzero(counts != packed)[:1]:
        raise ValueError(
            f"{where}: an index is damaged: it has {counts[number]} examples of "
            f"{found.classes[number]!r}; expected {packed[number]}, as {description.FILE} says. "
            f"{advice}"
        )


def _digest(found: Description, chosen: Part) -> str:
    """Finds the digest that was stored of exactly this part; empty where none was."""
    is_stored = chosen.is_whole and len(chosen.splits) == 1
    return found.splits[chosen.splits[0]].digest if is_stored else ""


def _recoding(found: Description, chosen: Part) -> str:
    """Digests the shards of pictures that were encoded anew; empty for raw squares and files.

    Of raw squares, those that could not be decoded, since other limits than now made them so.
    """
    if found.size is None:
        return ""
    if found.format == RAW:
        bad = [(one.split, one.index) for one in found.undecoded if one.split in chosen.splits]
        return hashlib.sha256(repr(bad).encode()).hexdigest() if bad else ""
    checksums = [one.sha256 for name in chosen.splits for one in found.splits[name].shards]
    return hashlib.sha256("".join(checksums).encode()).hexdigest()


def _left_out(where: str, found: Description) -> str:
    """Says what was left out when the set was packed; empty where nothing was."""
    names = [name for name, _ in found.left_out]
    if not names:
        return ""
    return f"{where}: packing left out {len(names)}: {first_names(names)}."
