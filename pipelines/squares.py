"""Positions -> batches of rows made of squares: decoded in parallel, in order, even if some fail.

A source that keeps its squares passes them on instead; `batches` serves both.

A picture that cannot be decoded must not cost its neighbors their places. To try each picture in a
dataset of its own would tell at once which one fails, but that costs a quarter of its decoding (TF
2.21). So all are decoded in one map, which drops what fails; gaps between the positions that arrive
show what is missing, and only a batch with gaps is looked at again, picture by picture.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipelines.config import InputConfig
from pipelines.decode import decode, to_square
from pipelines.parallelism import Decoding
from pipelines.source import Reader

ENDLESS = tf.int64.max
"""As the last position: there is none."""

_one = tf.data.Dataset.range


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """How a position becomes a row of a batch."""

    source: Reader
    """Numbered pictures."""
    inputs: InputConfig
    """Side and rule of the square."""
    decoding: Decoding
    """How many pictures are decoded at once, and how large they may be."""
    keys: Callable = lambda position: (position,)
    """From a position, int64 [], to what `finish` gets first; the last is the example's index."""
    finish: Callable = lambda *row: row
    """From the keys, the square (uint8 [R, R, 3]), the label (int32) and whether the example is
    good (bool) to a row. Of a bad one square and label are zeros."""

    def good(self, position: tf.Tensor, max_pixels: int) -> Any:
        """Makes the row of a picture; fails where it cannot be decoded."""
        keys = self.keys(position)
        encoded, label = self.source.read(keys[-1])
        image = decode(encoded, self.inputs.orientation, max_pixels)
        rule, resize_filter = self.inputs.resize_rule, self.inputs.resize_filter
        square = to_square(image, self.inputs.resize, rule, resize_filter)
        return self.finish(*keys, square, label, tf.constant(True))

    def bad(self, position: tf.Tensor) -> Any:
        """Makes the row of a picture that cannot be decoded."""
        square = tf.zeros([self.inputs.resize, self.inputs.resize, 3], tf.uint8)
        return self.finish(*self.keys(position), square, tf.constant(0), tf.constant(False))


@functools.singledispatch
def batches(source: Reader, rows: Rows, first, last, batch_examples, padding=None):
    """Makes batches of rows, from squares that are decoded now or that the source has kept.

    `kept.py` registers a function for sources that keep theirs; for all others they are decoded
    now. `source` is `rows.source`; the other arguments are those of `decoded`.
    """
    return decoded(rows, first, last, batch_examples, padding)


def decoded(
    rows: Rows,
    first: int | tf.Tensor,
    last: int | tf.Tensor,
    batch_examples: int | tf.Tensor,
    padding: tuple[Any, int] | None = None,
) -> tf.data.Dataset:
    """Reads and decodes in parallel, in order, even where pictures cannot be read or decoded.

    What fails is tried once more when its batch has come. Pictures too large to be decoded side by
    side are decoded there, one at a time.

    Args:
      rows: what to make of each position.
      first: the first position.
      last: the one after the last, or ENDLESS.
      batch_examples: rows of a batch.
      padding: a row, and how many copies of it follow the last row, to fill up the batch.

    Returns:
      A dataset of batches of rows. All have the same, static shape where `last` is ENDLESS or there
      is padding; otherwise the last may be shorter.
    """
    how, is_even = rows.decoding, last is ENDLESS or padding is not None
    side_by_side = min(how.parallel_pixels, how.max_pixels)
    # All threads make a batch in one burst, right after the last was taken. AUTOTUNE would spread
    # the work over the step, where it keeps one core from the network (TF 2.21).
    ds = _one(first, last).map(
        lambda position: (position, rows.good(position, side_by_side)),
        num_parallel_calls=how.threads,
        deterministic=True,
    )
    ds = ds.ignore_errors()
    if last is not ENDLESS:  # what fails at the end leaves no gap: something has to follow
        end = _one(last, last + 1).map(lambda position: (position, rows.bad(position)))
        ds = ds.concatenate(end)
    ds = _without_gaps(ds, first, last)
    if padding is not None:
        row, count = padding
        ds = ds.concatenate(_one(count).map(lambda _: (tf.constant(ENDLESS, tf.int64), False, row)))
    ds = ds.batch(batch_examples, drop_remainder=is_even)
    return ds.flat_map(lambda *batch: _mended(rows, *batch, is_even))


def _without_gaps(ds: tf.data.Dataset, first, last) -> tf.data.Dataset:
    """Fills gaps with copies of the row that follows: position, whether it failed, row."""

    def placed(expected, element):
        position, row = element
        count = position - expected + tf.cast(position < last, tf.int64)
        positions = expected + tf.range(count)

        def repeated(x):
            return tf.broadcast_to(x, tf.concat([[count], tf.shape(x, tf.int64)], axis=0))

        row = tf.nest.map_structure(repeated, row)
        return position + 1, (positions, positions < position, row)

    return ds.scan(tf.cast(first, tf.int64), placed).unbatch()


def _mended(rows: Rows, positions, has_failed, batch, is_even: bool) -> tf.data.Dataset:
    """Decodes the failed rows of a batch again: a dataset of this one batch.

    Made of range alone, because TF 2.21 under op determinism treats from_tensors and
    get_single_element as stateful: it then decodes one picture at a time, and none ahead.
    """
    num_rows = tf.size(has_failed, tf.int64)

    def row(place):
        position = positions[place]
        tried = _one(tf.cast(has_failed[place], tf.int64)).map(
            lambda _: rows.good(position, rows.decoding.max_pixels)
        )
        kept = tf.nest.map_structure(lambda x: x[place], batch)
        otherwise = _one(1).map(
            lambda _: tf.cond(has_failed[place], lambda: rows.bad(position), lambda: kept)
        )
        return tried.ignore_errors().concatenate(otherwise).take(1)

    again = _one(num_rows * tf.cast(tf.reduce_any(has_failed), tf.int64)).flat_map(row)
    size = has_failed.shape[0] if is_even else num_rows
    again = again.batch(size, drop_remainder=is_even)
    return again.concatenate(_one(1).map(lambda _: batch)).take(1)


def on_threads(ds: tf.data.Dataset, decoding: Decoding) -> tf.data.Dataset:
    """Gives a chain threads of its own, however few the network's operations have."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = decoding.threads
    return ds.with_options(options)
