"""Packs a data set: shard by shard into a directory that gets its name when it is whole."""

import contextlib
import functools
import itertools
import math
import os
import shutil
from collections.abc import Callable, Iterator

import numpy as np

from pipelines import kinds
from pipelines.config import SQUARE_FIELDS
from pipelines.decode import explain
from pipelines.files import size_text
from pipelines.packing import examples
from pipelines.packing.examples import MOST_BYTES, Rows
from pipelines.packing.inventory import Inventory, Part, take_inventory
from pipelines.packing.settings import Format, Packing
from pipelines.packing.statistics import Sums, statistics
from pipelines.packing.unfinished import Packed, Unfinished
from pipelines.records import description
from pipelines.records.description import Description, PackedSplit, Undecoded
from pipelines.records.shards import shard_name
from pipelines.sources.apart import check_apart

COUNTED = ("train", description.WHOLE)
"""Splits whose squares the statistics are of."""
_NAMES = {kinds.JPEG: "JPEG", kinds.PNG: "PNG", kinds.BMP: "BMP"}
_RECORD_BYTES = 400  # of a record and its line in the index, beside the picture
_JPEG_PIXEL_BYTES = 0.5  # of photographs at quality 95; a rough guess is enough


def pack(
    packing: Packing, progress: Callable[[int, int], None], say: Callable[[str], None]
) -> Description:
    """Packs a data set, or goes on where a process before was killed.

    Args:
      packing: what is written where.
      progress: is called with the number of examples that are packed, and that of all.
      say: is called with a sentence before other work that takes a while.

    Raises:
      ValueError: there is nothing to pack; or the output is there already, was begun otherwise, or
        has no room.
      OSError: the disk does not take it, or a picture could not be read for a reason outside it.
    """
    check_apart(packing.output, f"input={packing.input!r}", packing.input)
    unfinished = Unfinished(packing.output)
    try:
        inventory = take_inventory(packing, unfinished.path, say)
        total = sum(len(part.names) for part in inventory.parts.values())
        settings = _settings(packing, inventory)
        if found := unfinished.ended(settings):
            progress(total, total)
            return found
        unfinished.settle(settings)
        packed = _packed(packing, inventory, unfinished)
        done = sum(one.shard.num_examples for one in itertools.chain(*packed.values()) if one)
        _check_room(packing, inventory, 1 - done / total, unfinished)
        progress(done, total)
        for split, part in inventory.parts.items():
            for first, last in _missing(packing, part, packed[split]):
                for count in _pack_run(packing, inventory, unfinished, split, first, last):
                    done += count
                    progress(done, total)
        unfinished.wait()
        found = _description(packing, inventory, unfinished)
        unfinished.complete(description.to_text(found))
        return found
    finally:
        unfinished.close()


def _settings(packing: Packing, inventory: Inventory) -> dict:
    """Lists all that decides on the bytes of the output."""
    squares = {name: getattr(packing.inputs, name) for name in SQUARE_FIELDS}
    digests = {split: part.digest for split, part in inventory.parts.items()}
    settings = {"input": packing.input, "labels": packing.labels, "classes": packing.classes}
    settings |= {"format": packing.format, "size": packing.size}
    return settings | packing.about() | squares | {"digests": digests}


def _shard_names(packing: Packing, split: str, part: Part) -> list[str]:
    count = math.ceil(len(part.names) / packing.shard_examples)
    return [shard_name(split, number, count) for number in range(count)]


def _packed(
    packing: Packing, inventory: Inventory, unfinished: Unfinished
) -> dict[str, list[Packed | None]]:
    """Finds out which shards of each split are complete."""
    return {
        split: [unfinished.packed(name) for name in _shard_names(packing, split, part)]
        for split, part in inventory.parts.items()
    }


def _missing(packing: Packing, part: Part, packed: list[Packed | None]) -> Iterator[tuple]:
    """Yields runs of examples whose shards are missing: the first, and the one after the last."""
    for is_missing, shards in itertools.groupby(range(len(packed)), lambda x: packed[x] is None):
        numbers = list(shards)
        if is_missing:
            first, last = (x * packing.shard_examples for x in (numbers[0], numbers[-1] + 1))
            yield first, min(last, len(part.names))


def _pack_run(
    packing: Packing, inventory: Inventory, unfinished: Unfinished, split: str, first, last
) -> Iterator[int]:
    """Writes the shards of consecutive examples; yields how many examples came to be packed."""
    part = inventory.parts[split]
    shards, is_counted = _shard_names(packing, split, part), split in COUNTED
    is_bounded = bool((part.num_bytes <= MOST_BYTES).all())
    reader = part.reader if is_bounded else examples.Bounded(part.reader, part.num_bytes)
    for batch in examples.rows(reader, packing, is_counted, first, last):
        for rows in _pieces(batch, packing.shard_examples):
            first_index, end = int(rows.index[0]), int(rows.index[-1]) + 1
            number, place = divmod(first_index, packing.shard_examples)
            if place == 0:
                sums = Sums(packing.inputs.resize) if is_counted else None
                writer = unfinished.begin_shard(shards[number], sums)
            for place, name in enumerate(part.names[first_index:end]):
                index = first_index + place
                if rows.is_good[place]:
                    _check_size(part, index, int(rows.num_bytes[place]))
                else:
                    writer.undecoded.append(_undecoded(packing, part, split, index))
                record = _record(packing, inventory, part, rows, place, name)
                facts = (part.num_bytes[index], part.labels[index], name)
                is_raw = packing.format == Format.RAW
                writer.add(record, *facts, int(rows.fingerprint[place]) if is_raw else None)
            if is_counted:
                writer.sums.add_squares(rows.square, int(rows.is_good.sum()))
            if end in (last, (number + 1) * packing.shard_examples):
                unfinished.finish_shard(writer)
            yield len(rows.index)


def _pieces(rows: Rows, shard_examples: int) -> Iterator[Rows]:
    """Cuts consecutive rows where a shard ends."""
    first, count = int(rows.index[0]), len(rows.index)
    cuts = [*range(-first % shard_examples or shard_examples, count, shard_examples)]
    for begin, end in zip([0, *cuts], [*cuts, count], strict=True):
        yield examples.cut(rows, begin, end)


def _record(
    packing: Packing, inventory: Inventory, part: Part, rows: Rows, place: int, name: str
) -> bytes:
    """Makes the record of an example."""
    index, is_good = int(rows.index[place]), bool(rows.is_good[place])
    kind, picture = "JPEG" if packing.makes_jpegs else "raw", rows.jpeg[place]
    if packing.keeps_files:
        picture, kind = _kept(part, index, is_good)
    elif packing.format == Format.RAW and is_good:
        picture = rows.square[place].tobytes()
    label = part.labels[index]
    text, size = os.fsencode(inventory.classes[label]), rows.size[place].tolist()
    return examples.record(picture, kind, size, label, text, os.fsencode(name))


def _kept(part: Part, index: int, is_good: bool) -> tuple[bytes, str]:
    """Reads a file, and names its format: empty where it has none that can be decoded."""
    if part.num_bytes[index] > MOST_BYTES:
        return b"", ""
    try:
        picture = part.contents(index)
    except OSError:
        if is_good:
            raise
        return b"", ""
    if is_good:
        _check_size(part, index, len(picture))
    return picture, next((x for magic, x in _NAMES.items() if picture.startswith(magic)), "")


def _check_size(part: Part, index: int, num_bytes: int) -> None:
    """Refuses a picture that is no longer the one that was listed, of which the digest is."""
    if num_bytes != part.num_bytes[index]:
        raise OSError(
            f"{part.called(index)!r} has {num_bytes} bytes, expected {part.num_bytes[index]}: it "
            "was changed while it was packed. Start again."
        )


def _undecoded(packing: Packing, part: Part, split: str, index: int) -> Undecoded:
    """Finds out why a picture cannot be decoded."""
    num_bytes = int(part.num_bytes[index])
    bad = functools.partial(Undecoded, split=split, index=index, name=part.names[index])
    if num_bytes > MOST_BYTES:
        return bad(reason=f"it has {num_bytes} bytes; at most {MOST_BYTES} are taken")
    try:
        reason = explain(part.reader, index, packing.max_pixels)
        if num_bytes:
            # One that is gone went after files were listed, as with a disk, and marks stay.
            with contextlib.suppress(PermissionError):
                num_bytes = len(part.contents(index))
    except OSError as error:
        raise OSError(
            f"{part.called(index)!r} was not read: {error}. Start the same command once more; what "
            "is packed stays."
        ) from error
    _check_size(part, index, num_bytes)
    return bad(reason=reason)


def _check_room(
    packing: Packing, inventory: Inventory, part_left: float, unfinished: Unfinished
) -> None:
    """Refuses to begin where the disk has less room than the rest will roughly take."""
    parts = inventory.parts.values()
    num_examples, side = sum(len(part.names) for part in parts), packing.inputs.resize
    if packing.keeps_files:
        num_bytes = sum(int(x[x <= MOST_BYTES].sum()) for x in (part.num_bytes for part in parts))
    else:
        pixel_bytes = 3 if packing.format == Format.RAW else _JPEG_PIXEL_BYTES
        num_bytes = num_examples * side**2 * pixel_bytes
    needed = (num_bytes + num_examples * _RECORD_BYTES) * part_left
    free = shutil.disk_usage(unfinished.path).free
    if free < needed:
        raise ValueError(
            f"output={packing.output!r} has {size_text(free)} free, expected about "
            f"{size_text(needed)} for the records. Make room, or name an --output on another "
            "disk."
        )


def _description(packing: Packing, inventory: Inventory, unfinished: Unfinished) -> Description:
    packed, sums = _packed(packing, inventory, unfinished), Sums(packing.inputs.resize)
    if None in itertools.chain(*packed.values()):
        raise OSError(
            f"{str(unfinished.path)!r} has lost a shard while others were packed; expected all to "
            "stay there. Run the same command again: it packs what is missing."
        )
    for split in inventory.parts.keys() & {*COUNTED}:
        for one in packed[split]:  # one at a time: they take 1.6 MB each
            sums.add(unfinished.sums(one.shard.name))
    splits = {}
    for split, part in inventory.parts.items():
        splits[split] = PackedSplit(
            num_examples=len(part.names),
            class_counts=tuple(np.bincount(part.labels, minlength=len(inventory.classes)).tolist()),
            digest=part.digest,
            shards=tuple(one.shard for one in packed[split]),
        )
    return Description(
        format=packing.format.value,
        size=None if packing.keeps_files else packing.size,
        squares={name: getattr(packing.inputs, name) for name in SQUARE_FIELDS},
        classes=inventory.classes,
        splits=splits,
        statistics=statistics(sums),
        undecoded=tuple(itertools.chain(*(x.undecoded for x in itertools.chain(*packed.values())))),
        left_out=inventory.left_out,
        origin=packing.input,
        settings=packing.about(),
    )
