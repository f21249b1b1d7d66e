"""Numbered pictures -> what is stored of each: decoded and encoded in parallel, in order.

Squares are made by the functions that make them for training, `decode` and `to_square`. The chain
is simpler than that of `squares.py`, since it may look at gaps between batches in Python.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.decode import UNDECODABLE, decode, picture_size, to_square
from pipelines.machine import this_machine
from pipelines.packing.settings import Format, Packing
from pipelines.parallelism import Decoding, decoding
from pipelines.records import shards
from pipelines.source import Reader
from pipelines.squares import on_threads

BATCH_BYTES = 1 << 24
MOST_EXAMPLES = 64
"""A batch that leaves the graph has so many examples at most, and its squares so many bytes."""

MOST_BYTES = 1 << 30
"""Larger files are not read: the format of a record ends at twice as many, and memory has to hold
several at a time."""

_BATCHES_AHEAD = 4
"""While Python writes one: with a single one the decoders wait for it, a fiftieth of the time."""


class Rows(NamedTuple):
    """Consecutive pictures on their way into a shard; inside the graph a single one, without N."""

    index: np.ndarray  # int64 [N]
    num_bytes: np.ndarray  # int32 [N], of the file that was read
    jpeg: np.ndarray  # bytes [N], the square as JPEG; empty where it is not stored so
    size: np.ndarray  # int64 [N, 2], height and width of the picture that is stored
    square: np.ndarray  # uint8 [N, R, R, 3]; [N, 1, 1, 3] where it is not needed
    fingerprint: np.ndarray  # int64 [N], of a square that is stored raw; else 0
    is_good: np.ndarray  # bool [N], whether it could be decoded; otherwise all else is zeros


@dataclasses.dataclass(frozen=True)
class Bounded:
    """A reader that fails for files that are larger than MOST_BYTES, before it reads them."""

    reader: Reader
    num_bytes: np.ndarray
    """int64 [N], of each file."""

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads one example inside a graph."""
        is_small = tf.gather(self.num_bytes, index) <= MOST_BYTES
        with tf.control_dependencies([tf.debugging.Assert(is_small, ["too large"])]):
            return self.reader.read(tf.identity(index))


def rows(
    source: Reader, packing: Packing, is_counted: bool, first: int, last: int
) -> Iterator[Rows]:
    """Yields the pictures from `first` to before `last`, in order.

    What fails is tried once more when its turn has come: alone, and at any size that is permitted.

    Args:
      source: numbered pictures.
      packing: what is stored of them.
      is_counted: whether the statistics need them.
      first: index of the first.
      last: the one after the last.
    """
    machine = this_machine()
    machine = dataclasses.replace(machine, cpus=packing.workers or machine.cpus)
    how = decoding(packing.max_pixels, machine)
    make = functools.partial(_row, source, packing, is_counted)
    again = tf.function(functools.partial(make, max_pixels=how.max_pixels), autograph=False)
    batch = max(1, min(MOST_EXAMPLES, BATCH_BYTES // (packing.inputs.resize**2 * 3)))
    expected, nothing = first, _nothing(packing, is_counted)
    for columns in _batches(make, how, first, last, batch).as_numpy_iterator():
        for part in _consecutive(Rows(*columns)):
            for index in range(expected, int(part.index[0])):
                yield _alone(again, index, nothing)
            yield part
            expected = int(part.index[-1]) + 1
    for index in range(expected, last):
        yield _alone(again, index, nothing)


@tf.autograph.experimental.do_not_convert
def _batches(make, how: Decoding, first: int, last: int, batch: int) -> tf.data.Dataset:
    """Makes the pictures from `first` to before `last`, in order; those that fail are missing."""
    side_by_side = min(how.parallel_pixels, how.max_pixels)
    ds = tf.data.Dataset.range(first, last)
    ds = ds.map(lambda index: make(index, side_by_side), how.threads, deterministic=True)
    ds = on_threads(ds.ignore_errors().batch(batch), how)
    return ds.prefetch(_BATCHES_AHEAD)


def _row(
    source: Reader, packing: Packing, is_counted: bool, index: tf.Tensor, max_pixels: int
) -> Rows:
    """Makes what is stored of a picture, inside a graph; fails where it cannot be decoded."""
    inputs, nothing = packing.inputs, _nothing(packing, is_counted)
    encoded, _ = source.read(index)
    image = decode(encoded, inputs.orientation, max_pixels)
    jpeg, kept, fingerprint = tf.constant(""), tf.constant(nothing.square), tf.constant(0, tf.int64)
    size = tf.constant([inputs.resize, inputs.resize], tf.int64)
    if packing.keeps_files:
        size = picture_size(encoded)
    if is_counted or not packing.keeps_files:
        square = to_square(image, inputs.resize, inputs.resize_rule, inputs.resize_filter)
        if packing.makes_jpegs:
            quality = packing.jpeg_quality
            jpeg = tf.io.encode_jpeg(square, quality=quality, chroma_downsampling=True)
        if is_counted or packing.format == Format.RAW:
            kept = square
        if packing.format == Format.RAW:
            fingerprint = shards.fingerprint(square)
    num_bytes = tf.strings.length(encoded)
    is_good = tf.reduce_all(tf.shape(image) > 0)  # else TensorFlow decodes nothing that is not kept
    return Rows(index, num_bytes, jpeg, size, kept, fingerprint, is_good)


def _nothing(packing: Packing, is_counted: bool) -> Rows:
    """Makes what stands for a picture that cannot be decoded, without N."""
    # Of nothing at all, [0, 0, 3], TF 2.21 makes no batches: it ends with a segmentation fault.
    side = packing.inputs.resize if is_counted or packing.format == Format.RAW else 1
    square = np.zeros((side, side, 3), np.uint8)
    return Rows(0, 0, b"", np.zeros(2, np.int64), square, 0, False)


def _consecutive(found: Rows) -> Iterator[Rows]:
    """Cuts rows where pictures are missing between them."""
    cuts = np.flatnonzero(np.diff(found.index) != 1) + 1
    for begin, end in zip([0, *cuts], [*cuts, len(found.index)], strict=True):
        yield cut(found, begin, end)


def cut(found: Rows, begin: int, end: int) -> Rows:
    """Takes the rows from `begin` to before `end`."""
    return Rows(*(column[begin:end] for column in found))


def _alone(again, index: int, nothing: Rows) -> Rows:
    """Makes the rows of a single picture."""
    try:
        row = [value.numpy() for value in again(tf.constant(index, tf.int64))]
    except UNDECODABLE:
        row = nothing._replace(index=index)
    return Rows(*(np.asarray(value)[np.newaxis] for value in row))


def record(
    picture: bytes, kind: str, size: tuple[int, int], label: int, text: bytes, name: bytes
) -> bytes:
    """Serializes an example under the keys that other TensorFlow programs read.

    Args:
      picture: a file, or a square's bytes; empty where nothing could be made of it.
      kind: JPEG, PNG, BMP, raw, or empty.
      size: height and width in pixels.
      label: place of its class among the classes.
      text: name of its class.
      name: of the example.
    """
    example = tf.train.Example()
    feature = example.features.feature
    texts = {shards.ENCODED: picture, shards.FORMAT: kind.encode()}
    for key, value in (texts | {shards.TEXT: text, shards.FILENAME: name}).items():
        feature[key].bytes_list.value.append(value)
    numbers = {shards.HEIGHT: size[0], shards.WIDTH: size[1], shards.LABEL: label}
    for key, value in numbers.items():
        feature[key].int64_list.value.append(value)
    return example.SerializeToString(deterministic=True)
