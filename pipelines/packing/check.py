"""Checks the shards of a packed set, record by record."""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from pipelines.decode import UNDECODABLE, decode
from pipelines.packing.settings import Format
from pipelines.parallelism import Decoding
from pipelines.records import index, shards
from pipelines.records.description import Description, Shard
from pipelines.records.index import Index
from pipelines.squares import on_threads


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that is not as it was packed."""

    file: str
    """A shard, an index, or dataset.json."""
    record: int | None
    """Number of the record in its shard, from 0; None where it concerns the whole file."""
    reason: str

    def __str__(self) -> str:
        """Says it in a line."""
        return (
            f"{self.file}{'' if self.record is None else f', record {self.record}'}: {self.reason}"
        )


@dataclasses.dataclass(frozen=True)
class Check:
    """How the shards of a set are checked."""

    folder: pathlib.Path
    found: Description
    decoding: Decoding

    def index(self, shard: Shard) -> tuple[Index | None, list[Problem]]:
        """Reads an index; None where it cannot be trusted."""
        name = shard.name + index.SUFFIX

        def wrong(reason: str) -> tuple[None, list[Problem]]:
            return None, [Problem(name, None, reason)]

        try:
            contents = (self.folder / name).read_bytes()
            rows = index.from_bytes(contents)
        except FileNotFoundError:
            return wrong("it is missing")
        except (OSError, ValueError) as error:
            return wrong(f"it cannot be read: {error}")
        if hashlib.sha256(contents).hexdigest() != shard.index_sha256:
            return wrong("its checksum is not the one in dataset.json")
        if len(rows) != shard.num_examples:
            return wrong(f"it has {len(rows)} records, dataset.json says {shard.num_examples}")
        return rows, []

    def shard(self, shard: Shard, rows: Index | None, bad: dict[int, str]) -> list[Problem]:
        """Checks a shard, and its index where there is one.

        Args:
          shard: as dataset.json describes it.
          rows: its index.
          bad: names of those that are known not to be decoded, by number of the record.
        """
        path = self.folder / shard.name
        try:
            num_bytes, is_same = path.stat().st_size, _sha256(path) == shard.sha256
        except FileNotFoundError:
            return [Problem(shard.name, None, "it is missing")]
        except OSError as error:
            return [Problem(shard.name, None, f"it cannot be read: {error.strerror}")]
        problems = []
        if num_bytes != shard.num_bytes:
            reason = f"it has {num_bytes} bytes, dataset.json says {shard.num_bytes}"
            problems.append(Problem(shard.name, None, reason))
        offsets = _found(path, shard.num_examples) if rows is None else rows.rows["offset"].tolist()
        problems += self._records(shard, path, offsets, rows, bad)
        if rows is None and len(offsets) != shard.num_examples:
            count = min(len(offsets), shard.num_examples)
            more = "more than " * (len(offsets) > shard.num_examples)
            reason = f"it has {more}{count} records, dataset.json says {shard.num_examples}"
            problems.append(Problem(shard.name, None, reason))
        if not is_same and not problems:
            reason = "its checksum is not the one in dataset.json"
            problems.append(Problem(shard.name, None, reason))
        return problems

    def _records(self, shard: Shard, path, offsets, rows, bad) -> Iterator[Problem]:
        """Checks all records of a shard."""
        ends = [*offsets[1:], shard.num_bytes] if offsets else []
        good = self._parsed(path, offsets, rows, bad)
        for place, (offset, end) in enumerate(zip(offsets, ends, strict=True)):
            if place not in good:
                reason = self._explain(path, offset)
            else:
                reason = self._misfit(good[place], end - offset, rows, place, bad)
            if reason:
                yield Problem(shard.name, place, reason)

    def _parsed(
        self, path: pathlib.Path, offsets: list[int], rows: Index | None, bad: dict[int, str]
    ) -> dict[int, list]:
        """Reads and decodes, by number of the record; those where that fails are left out.

        What fails beside others is tried once more alone, at any size that is permitted.
        """
        is_bad = np.zeros(len(offsets), bool)
        is_bad[[place for place in bad if place < len(offsets)]] = True

        name = tf.constant(os.fsencode(path))
        offsets = np.array(offsets, np.int64)
        squares = np.full(len(offsets), -1), np.zeros(len(offsets), np.int64)
        squares, fingerprints = (rows and index.squares(rows.rows)) or squares
        squares = np.where(squares < 0, squares, squares - offsets - shards.HEAD_BYTES)
        columns = (np.arange(len(offsets)), offsets, is_bad, squares, fingerprints)
        how = self.decoding
        beside = tf.constant(min(how.parallel_pixels, how.max_pixels), tf.int64)
        ds = tf.data.Dataset.from_tensor_slices(columns)
        ds = ds.map(lambda *row: self._checked(name, *row, beside), how.threads)
        ds = on_threads(ds.ignore_errors(), how)
        good = {int(place): facts for place, *facts in ds.as_numpy_iterator()}
        for place in sorted({*range(len(offsets))} - {*good}):
            row = [tf.constant(column[place]) for column in columns]
            with contextlib.suppress(*UNDECODABLE):
                _, *facts = self._checked(name, *row, tf.constant(how.max_pixels, tf.int64))
                good[place] = tf.nest.map_structure(lambda x: x.numpy(), facts)
        return good

    @functools.cached_property
    def _checked(self) -> Callable:
        """Reads and decodes a record inside a graph, which is built once for all shards."""

        @tf.function(autograph=False)
        def checked(path, place, offset, is_bad, square, fingerprint, most):
            record = shards.read_record(path, offset)
            facts = _parse(record)
            picture = facts.pop(shards.ENCODED)
            known_bad = functools.partial(tf.constant, True)
            is_sound = tf.cond(is_bad, known_bad, lambda: self._is_sound(picture, most))

            def is_indexed() -> tf.Tensor:
                levels = tf.io.decode_raw(picture, tf.uint8)
                num_bytes = tf.size(levels, tf.int64)
                is_there = tf.strings.substr(record, square, num_bytes) == picture
                return is_there & (shards.fingerprint(levels) == fingerprint)

            lengths = tf.strings.length(record), tf.strings.length(picture)
            is_found = tf.cond(square < 0, lambda: tf.constant(True), is_indexed)
            return place, *lengths, is_sound, is_found, facts

        return checked

    def _is_sound(self, picture: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
        """Tells whether a picture is one, inside a graph; decoding a damaged one fails."""
        if self.found.format == Format.RAW:
            return tf.strings.length(picture) == self.found.size**2 * 3
        shape = tf.shape(decode(picture, max_pixels=most))[:2]
        size = self.found.size
        # Of any size too it has to be something of the picture, else TensorFlow decodes none.
        return tf.reduce_all(shape > 0 if size is None else shape == size)

    def _explain(self, path: pathlib.Path, offset: int) -> str:
        """Says what is wrong with a record that cannot be read, or not be decoded."""
        try:
            place = tf.constant(offset, tf.int64)
            facts = _parse(shards.read_record(tf.constant(os.fsencode(path)), place))
        except tf.errors.DataLossError:
            return "its checksum does not fit: it was changed, cut short, or begins elsewhere"
        except tf.errors.OutOfRangeError:
            return "it is missing: the file ends before it"
        except tf.errors.InvalidArgumentError:
            return "it is no example with the keys that are expected"
        except tf.errors.OpError as error:
            return f"it cannot be read: {error.message.splitlines()[0]}"
        length = len(facts[shards.ENCODED].numpy())
        return f"its picture of {length} bytes cannot be decoded"

    def _misfit(self, facts, num_bytes: int, rows: Index | None, place: int, bad) -> str | None:
        """Says what of a record does not fit to its index and to dataset.json."""
        record_bytes, picture_bytes, is_sound, is_found, known = facts
        label, name = int(known[shards.LABEL]), os.fsdecode(known[shards.FILENAME])
        if record_bytes + shards.FRAME_BYTES != num_bytes:
            return "the index has another length for it"
        if not 0 <= label < len(self.found.classes):
            return f"its label {label} is none of the {len(self.found.classes)} classes"
        if os.fsdecode(known[shards.TEXT]) != self.found.classes[label]:
            return f"its class {os.fsdecode(known[shards.TEXT])!r} is not the one of label {label}"
        if rows is not None and (label, name) != (int(rows.rows["label"][place]), rows.name(place)):
            return f"the index has another label or name for it, {rows.name(place)!r}"
        if place in bad and bad[place] != name:
            return f"dataset.json says that {bad[place]!r} stands here"
        if place in bad and self.found.size is not None and picture_bytes:
            return "dataset.json says that it could not be decoded, but it has a picture"
        if not is_sound:
            return "its picture has another size"
        return None if is_found else "the index has another place or fingerprint for its square"


def _parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """Takes an example apart, inside a graph or outside."""
    texts = (shards.ENCODED, shards.TEXT, shards.FILENAME)
    features = {key: tf.io.FixedLenFeature([], tf.string) for key in texts}
    features[shards.LABEL] = tf.io.FixedLenFeature([], tf.int64)
    return tf.io.parse_single_example(record, features)


def _found(path: pathlib.Path, num_examples: int) -> list[int]:
    """Walks over so many records, and one more: of a damaged file there may be millions."""
    return list(itertools.islice(_walk(path), num_examples + 1))


def _walk(path: pathlib.Path) -> Iterator[int]:
    """Finds where records begin, from the length that stands before each."""
    offset, num_bytes = 0, path.stat().st_size
    with open(path, "rb") as file:
        while offset < num_bytes:
            yield offset
            file.seek(offset)
            offset += int.from_bytes(file.read(8), "little") + shards.FRAME_BYTES


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
