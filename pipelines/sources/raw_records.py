"""Squares in records: mapped into memory where they can be, and read one by one elsewhere."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from pipelines import host, storage
from pipelines.kept import KeptSquares
from pipelines.mapped import mapped
from pipelines.records.shards import fingerprint
from pipelines.rows import Rows
from pipelines.sources.indexed import Columns, IndexedSource, Shard
from pipelines.squares import batches


@dataclasses.dataclass(frozen=True)
class RawSource(KeptSquares):
    """Squares in records: read, and not decoded. Made by `records.packed`."""

    origin: IndexedSource
    memory: tf.Tensor | None = None
    """uint8 [M], the shards mapped into memory; None where they are read record by record."""
    places: tf.Tensor | None = None
    """int64 [N], where each square begins there; below 0 where there is none."""
    called: ClassVar[str] = "raw squares"

    def square(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Reads a square: int64 scalar -> square, label, whether it could be decoded."""
        side, columns = self.inputs.resize, self.origin.columns
        nothing = tf.zeros([side, side, 3], tf.uint8)

        def record() -> tuple[tf.Tensor, tf.Tensor]:
            levels, _ = self.origin.read(index)
            is_there = tf.strings.length(levels) > 0
            return tf.cond(is_there, lambda: _square(levels, side), lambda: nothing), is_there

        def in_memory() -> tuple[tf.Tensor, tf.Tensor]:
            levels = tf.slice(self.memory, [tf.maximum(place, 0)], [side**2 * 3])
            is_same = fingerprint(levels) == tf.gather(columns.fingerprint, index)
            square = tf.reshape(levels, [side, side, 3])
            return tf.cond(is_same, lambda: square, lambda: nothing), is_same

        if self.memory is None:
            square, good = record()
        else:
            place = tf.gather(self.places, index)
            nowhere = nothing, tf.constant(False)
            square, good = tf.cond(place < 0, lambda: nowhere, in_memory)
        label = tf.where(good, tf.gather(columns.label, index), 0)
        return tf.ensure_shape(square, [side, side, 3]), label, good

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads a square as a PNG file, for those who want a picture that can be decoded."""
        levels, label = self.origin.read(index)
        encoded = tf.cond(
            tf.strings.length(levels) > 0,
            lambda: tf.io.encode_png(_square(levels, self.inputs.resize), compression=0),
            lambda: levels,
        )
        return encoded, label


def _square(levels: tf.Tensor, side: int) -> tf.Tensor:
    return tf.reshape(tf.io.decode_raw(levels, tf.uint8), [side, side, 3])


@batches.register
def _read(source: RawSource, rows: Rows, *args, **how):
    """Makes the batches that decoding would make; a damaged record keeps its place."""
    if source.memory is not None:  # where nothing fails
        return batches.dispatch(KeptSquares)(source, rows, *args, **how)
    source.check_fits(rows.inputs)
    # What is done for all other sources: a record may be damaged.
    return batches.dispatch(object)(
        source, dataclasses.replace(rows, kept=source.square), *args, **how
    )


def in_memory(source: IndexedSource) -> tuple[tf.Tensor, tf.Tensor] | tuple[()]:
    """Maps the shards of raw squares into memory; nothing where they have to be read as records."""
    columns, shards = source.columns, source.shards
    if columns.square is None or not all(storage.is_local(shard.path) for shard in shards):
        return ()
    sizes = [shard.num_bytes for shard in shards]
    try:
        memory, begins = mapped([shard.path for shard in shards], sizes)
    except OSError:  # not permitted here, or no place for it among the addresses
        return ()
    square = columns.square.numpy()
    places = np.where(square < 0, square, np.array(begins)[columns.shard.numpy()] + square)
    with host.kept():
        return tf.experimental.dlpack.from_dlpack(memory.__dlpack__()), tf.constant(places)


def check_squares(
    shards: Sequence[Shard], columns: Columns, side: int, where: str, advice: str
) -> None:
    """Refuses indexes with a square that does not lie in its file, which mapping would not notice.

    Args:
      shards: files of the records.
      columns: what their indexes say, as arrays.
      side: of the squares.
      where: names the set in messages.
      advice: what to do about a damaged file.

    Raises:
      ValueError: there is one.
    """
    if columns.square is None:
        return
    ends = np.array([shard.num_bytes for shard in shards])[columns.shard]
    if (columns.square + 3 * side**2 > ends).any():
        raise ValueError(
            f"{where}: an index is damaged: it has squares that end outside of their file. {advice}"
        )
