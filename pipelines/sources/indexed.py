"""Examples in files of records, found by the index beside each: what packed and TFDS sets share.

Opening reads the indexes and no record. An example then costs 16 bytes of memory: its file, its
place in it, its label. Paths may be any that `tf.io.gfile` takes.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines import host, storage
from pipelines.records import index as indexes
from pipelines.records import shards as records
from pipelines.sources.parts import Part

_THREADS = 16
"""Indexes read at the same time: remote files take long to open."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of records of one split."""

    path: str
    index_path: str
    num_examples: int
    num_bytes: int
    split: str
    first: int
    """Number of its first example in the split."""


class Columns(NamedTuple):
    """What is known of each example: arrays, or tensors that graphs capture.

    Squares are known where all indexes have them.
    """

    shard: np.ndarray | tf.Tensor  # int32 [N]
    offset: np.ndarray | tf.Tensor  # int64 [N], in bytes
    label: np.ndarray | tf.Tensor  # int32 [N]
    square: np.ndarray | None = None  # int64 [N], as `records.index.squares` finds it
    fingerprint: np.ndarray | None = None  # int64 [N], as well


@dataclasses.dataclass(frozen=True, kw_only=True)
class IndexedSource:
    """Examples of one part of a set. Made by the functions that open such sets."""

    shards: tuple[Shard, ...]
    part: Part
    columns: Columns
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    num_pictures: int
    remark: str
    key: str = records.ENCODED
    """Of the encoded picture in a record."""
    recoding: str = ""
    """Tells records of pictures that were encoded anew, whose digest is that of the files that they
    were made of, from these files; empty where the pixels are theirs."""
    stated_digest: str = ""
    """Empty where it is computed of names and sizes."""
    label_sets: np.ndarray | None = None
    """int32 [N, L], filled up with -1, where an example may have several labels."""
    reasons: Mapping[tuple[str, int], str] = dataclasses.field(default_factory=dict)
    """What is wrong with examples that cannot be used, by split and number in it."""

    @property
    def num_examples(self) -> int:
        """How many there are."""
        return len(self.columns.label)

    @functools.cached_property
    def digest(self) -> str:
        """Digests names and sizes as `folder` does; takes about half a second for a million."""
        if self.stated_digest:
            return self.stated_digest
        digest = hashlib.sha256()
        for shard in self.shards:
            index = read_index(shard.index_path)
            ends = index.rows["name_end"].tolist()
            holds = self.part.holds(index.rows["hash"]).tolist()
            facts = zip([0, *ends], ends, index.rows["num_bytes"].tolist(), holds, strict=False)
            names = index.names
            digest.update(b"".join([names[a:b] + b"\0%d\n" % n for a, b, n, held in facts if held]))
        return digest.hexdigest()

    def name(self, index: int) -> str:
        """Names an example, its record and its file."""
        shard, place, row = self._place(index)
        return f"{row.name(place)} (record {place} of {shard.path})"

    def bare_name(self, index: int) -> str:
        """Names an example alone, as it was called when it was packed."""
        _, place, row = self._place(index)
        return row.name(place)

    def reason(self, index: int) -> str:
        """Says what was found to be wrong with an example; empty where nothing is known."""
        if not self.reasons:
            return ""
        shard, place, _ = self._place(index)
        return self.reasons.get((shard.split, shard.first + place), "")

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one record inside a graph: int64 scalar -> its picture (string), label (int32)."""
        path = tf.gather(self._paths, tf.gather(self.columns.shard, index))
        record = records.read_record(path, tf.gather(self.columns.offset, index))
        return records.picture_in(record, self.key), tf.gather(self.columns.label, index)

    @functools.cached_property
    def _paths(self) -> tf.Tensor:
        with host.kept():
            return tf.constant([os.fsencode(shard.path) for shard in self.shards])

    def _place(self, index: int) -> tuple[Shard, int, indexes.Index]:
        """Finds an example's file, the number of its record there, and the file's index."""
        shard = self.shards[int(self.columns.shard[index])]
        found = read_index(shard.index_path)
        place = np.searchsorted(found.rows["offset"], int(self.columns.offset[index]))
        return shard, int(place), found


def columns(shards: Sequence[Shard], part: Part, where: str, advice: str) -> Columns:
    """Reads the indexes of shards, and compares the shards' sizes with what is expected.

    Args:
      shards: of the part's splits, one after another.
      part: whose examples are taken.
      where: names the set.
      advice: a sentence: what to do about a file that is not the one that was written.

    Returns:
      NumPy arrays, with the labels that the indexes have.

    Raises:
      ValueError: a file is missing, or is not the one that was written; or the part has no example.
    """

    def of(shard: Shard) -> tuple[np.ndarray, ...]:
        rows = _rows(shard, where, advice)
        if not part.is_whole:
            rows = rows[part.holds(rows["hash"])]
        known = rows["offset"].astype(np.int64), rows["label"].astype(np.int32)
        return *known, *indexes.squares(rows)

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(of, shards))
    num_examples = [len(label) for _, label, *_ in found]
    if not sum(num_examples):
        raise ValueError(
            f"{where}: none of its examples belongs to what was asked for; expected a "
            "data.held_out that leaves some to both train and val, and a data.train_part that "
            "leaves some of those."
        )
    shard = np.repeat(np.arange(len(found), dtype=np.int32), num_examples)
    return Columns(shard, *map(np.concatenate, zip(*found, strict=False)))


def kept(columns: Columns) -> Columns:
    """Makes tensors of arrays."""
    with host.kept():
        return Columns(*(None if column is None else tf.constant(column) for column in columns))


def read_index(path: str) -> indexes.Index:
    """Reads a whole index, names included."""
    return indexes.from_bytes(storage.read(path))


def _rows(shard: Shard, where: str, advice: str) -> np.ndarray:
    """Reads an index without its names; checks that it and its shard are those that were written.

    Raises:
      ValueError: they are not.
    """
    try:
        num_bytes = storage.num_bytes(shard.path)
        head = storage.read(shard.index_path, 0, indexes.most_row_bytes(shard.num_examples))
        rows = indexes.rows_from(head)
    except FileNotFoundError as error:
        raise ValueError(
            f"{where}: {error.filename!r} is missing; expected it beside the others. {advice}"
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{where}: {shard.index_path!r} cannot be read: {error}. {advice}"
        ) from error
    if num_bytes != shard.num_bytes:
        raise ValueError(
            f"{where}: {shard.path!r} has {num_bytes} bytes; expected {shard.num_bytes}. {advice}"
        )
    if len(rows) != shard.num_examples or (len(rows) and rows["offset"][-1] >= num_bytes):
        raise ValueError(
            f"{where}: {shard.index_path!r} is the index of another file; expected one of "
            f"{shard.num_examples} records in {num_bytes} bytes. {advice}"
        )
    places = [rows["offset"].astype(np.int64), *indexes.squares(rows)[:1]]
    if any(len(x) and not -1 <= x.min() <= x.max() < num_bytes for x in places):
        raise ValueError(
            f"{where}: {shard.index_path!r} is damaged: it has places outside of its file. {advice}"
        )
    return rows
