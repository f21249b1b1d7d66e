"""How a position becomes a row of a batch: its draws, its picture, and what is made of both."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipelines.config import InputConfig
from pipelines.decode import decode, to_square
from pipelines.parallelism import Decoding
from pipelines.source import Reader

_BLOCK_EXAMPLES = 256
"""Whose keys are made together."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """How a position becomes a row of a batch."""

    source: Reader
    """Numbered pictures."""
    inputs: InputConfig
    """Side and rule of the square."""
    decoding: Decoding
    """How many pictures are decoded at once, and how large they may be."""
    keys: Callable = lambda positions: (positions,)
    """From positions, int64 [N], to what is known of each beforehand: a tuple of tensors [N, ...],
    the examples' indices last."""
    finish: Callable = lambda *row: row
    """From the keys of one position, the square (uint8 [R, R, 3]), the label (int32) and whether
    the example is good (bool) to a row. Of a bad one square and label are zeros."""

    kept: Callable | None = None
    """From an index to what `finish` gets last, where squares are read; None decodes them."""

    def keyed(self, numbers: tf.data.Dataset, placed: Callable = lambda x: (x,)) -> tf.data.Dataset:
        """Makes the keys of many positions at a time: one by one takes ten times as long.

        Args:
          numbers: int64 [].
          placed: from numbers, int64 [N], to a tuple of what goes before the keys; the first are
            the positions.
        """

        def block(numbers: tf.Tensor):
            before = placed(numbers)
            return *before, self._keys(before[0])

        return numbers.batch(_BLOCK_EXAMPLES).map(block).unbatch()

    def keys_of(self, position: tf.Tensor) -> tuple:
        """Makes the keys of a single position, int64 []."""
        return tf.nest.map_structure(lambda column: column[0], self._keys(position[tf.newaxis]))

    def good(self, keys: tuple, max_pixels: int | tf.Tensor) -> Any:
        """Makes the row of a picture; fails where it cannot be read or decoded."""
        if self.kept:
            return self.finish(*keys, *self.kept(keys[-1]))
        encoded, label = self.source.read(keys[-1])
        image = decode(encoded, self.inputs.orientation, max_pixels)
        rule, resize_filter = self.inputs.resize_rule, self.inputs.resize_filter
        square = to_square(image, self.inputs.resize, rule, resize_filter)
        return self.finish(*keys, square, label, tf.constant(True))

    def side_by_side(self, keys: tuple) -> Any:
        """Decodes one picture beside others; fails too where it is too large for that."""
        return self.good(keys, self._parallel_pixels)

    def side_by_side_again(self, keys: tuple) -> Any:
        """Does the same for a picture of a batch that was lost."""
        return self._good(keys, tf.constant(self._parallel_pixels, tf.int64))

    def alone_again(self, keys: tuple) -> Any:
        """Makes the row of a picture that may be as large as any."""
        return self._good(keys, tf.constant(self.decoding.max_pixels, tf.int64))

    @property
    def _parallel_pixels(self) -> int:
        return min(self.decoding.parallel_pixels, self.decoding.max_pixels)

    # Functions of the graph, which has each once however often it is called: with three copies a
    # run took a fifth longer to start. What decodes a picture for the first time is no call.

    @functools.cached_property
    def _keys(self) -> Callable:
        return tf.function(self.keys, [tf.TensorSpec([None], tf.int64)], autograph=False)

    @functools.cached_property
    def _good(self) -> Callable:
        return tf.function(self.good, autograph=False)

    def bad(self, keys: tuple) -> Any:
        """Makes the row of a picture that cannot be decoded."""
        square = tf.zeros([self.inputs.resize, self.inputs.resize, 3], tf.uint8)
        return self.finish(*keys, square, tf.constant(0), tf.constant(False))
