"""Numbered pictures -> what is stored of each: decoded in parallel by the data path's own chain."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from pipelines.decode import decode, picture_size, to_square
from pipelines.machine import this_machine
from pipelines.packing.settings import Format, Packing
from pipelines.packing.statistics import products
from pipelines.parallelism import decoding
from pipelines.records import shards
from pipelines.source import Reader
from pipelines.squares import Rows, decoded, on_threads

BATCH_BYTES = 1 << 24
MOST_EXAMPLES = 64
"""A batch that leaves the graph has so many examples at most, and its squares so many bytes."""


class Row(NamedTuple):
    """A picture on its way into a shard."""

    index: tf.Tensor  # int64 []
    jpeg: tf.Tensor  # string [], the square as JPEG; empty where it is not stored so
    size: tf.Tensor  # int64 [2], height and width of the picture that is stored
    square: tf.Tensor  # uint8 [R, R, 3]; [1, 1, 3] where it is not needed
    products: tf.Tensor  # int64 [3, 3], see statistics.products; zeros where they are not needed
    is_good: tf.Tensor  # bool [], whether it could be decoded


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackedRows(Rows):
    """How a position becomes a Row; positions are indices."""

    packing: Packing
    is_counted: bool
    """Whether the statistics need it."""

    def good(self, position: tf.Tensor, max_pixels: int) -> Row:
        """Makes the Row of a picture; fails where it cannot be decoded."""
        encoded, _ = self.source.read(position)
        image = decode(encoded, self.inputs.orientation, max_pixels)
        square, jpeg = self._no_square(), tf.constant("")
        if self._needs_squares or self.packing.makes_jpegs:
            rule, resize_filter = self.inputs.resize_rule, self.inputs.resize_filter
            square = to_square(image, self.inputs.resize, rule, resize_filter)
        if self.packing.makes_jpegs:
            quality = self.packing.jpeg_quality
            jpeg = tf.io.encode_jpeg(square, quality=quality, chroma_downsampling=True)
        sums = products(square) if self.is_counted else tf.zeros([3, 3], tf.int64)
        side = self.inputs.resize
        size = tf.constant([side, side], tf.int64)
        if self.packing.keeps_files:
            size = picture_size(encoded)
        if not self._needs_squares:
            square = self._no_square()
        return Row(position, jpeg, size, square, sums, tf.constant(True))

    def bad(self, position: tf.Tensor) -> Row:
        """Makes the Row of a picture that cannot be decoded."""
        square, sums = self._no_square(), tf.zeros([3, 3], tf.int64)
        size, is_good = tf.zeros([2], tf.int64), tf.constant(False)
        return Row(position, tf.constant(""), size, square, sums, is_good)

    @property
    def _needs_squares(self) -> bool:
        return self.is_counted or self.packing.format == Format.RAW

    def _no_square(self) -> tf.Tensor:
        # Of nothing at all, [0, 0, 3], TF 2.21 makes no batches: it ends with a segmentation fault.
        side = self.inputs.resize if self._needs_squares else 1
        return tf.zeros([side, side, 3], tf.uint8)


def rows(
    source: Reader, packing: Packing, is_counted: bool, first: int, last: int
) -> tf.data.Dataset:
    """Streams the pictures from `first` to before `last`, in order, as batches of Rows.

    Args:
      source: numbered pictures.
      packing: what is stored of them.
      is_counted: whether the statistics need them.
      first: index of the first.
      last: the one after the last.
    """
    machine = this_machine()
    if packing.workers:
        machine = dataclasses.replace(machine, cpus=packing.workers)
    how = decoding(packing.max_pixels, machine)
    inputs = packing.inputs
    chain = PackedRows(
        source=source, inputs=inputs, decoding=how, packing=packing, is_counted=is_counted
    )
    batch = max(1, min(MOST_EXAMPLES, BATCH_BYTES // (inputs.resize**2 * 3)))
    return on_threads(decoded(chain, first, last, batch), how).prefetch(1)


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
