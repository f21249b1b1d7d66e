"""Positions -> batches of rows made of squares: decoded in parallel, in order, even if some fail.

A source that keeps its squares passes them on instead; `batches` serves both.

A picture that cannot be decoded must not cost its neighbors their places. To try each picture in a
dataset of its own would tell at once which one fails, but that costs a quarter of its decoding (TF
2.21). So each batch is decoded as a whole, in one map whose pictures are written where the batch
has its rows, and a batch that lost one is lost with it. Gaps between the positions that arrive show
that; only such a batch is decoded once more, in a map that loses single pictures, and what is still
missing is looked at picture by picture.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from pipelines.decode import UNDECODABLE
from pipelines.parallelism import Decoding
from pipelines.rows import Rows
from pipelines.source import Reader

ENDLESS = tf.int64.max
"""As the last position: there is none."""

_ENDLESS_ROWS = 2**62
"""As good as endless, and small enough to be counted with."""
_SIGN_BATCHES = 32
"""So often a batch without pictures follows, which cannot fail: it shows what was lost before it.
Else a set of which every batch loses a picture would never come to an end of its gap."""

_range = tf.data.Dataset.range


def _nothing(row: Any) -> Any:
    """Makes zeros like a row, from its structure of TensorSpecs."""
    return tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), row)


@functools.singledispatch
@tf.autograph.experimental.do_not_convert
def batches(source: Reader, rows: Rows, first, last, batch_examples, padding=None, mends=True):
    """Makes batches of rows, from squares that are decoded now or that the source has kept.

    Batches without a picture that fails are made at the speed of one plain map. Without `mends`
    that is all, and the first that loses a picture is an error.

    `kept.py` registers a function for sources that keep theirs; for all others they are decoded
    now.

    Args:
      source: `rows.source`.
      rows: what to make of each position.
      first: the first position.
      last: the one after the last, or ENDLESS.
      batch_examples: rows of a batch.
      padding: a row, and how many copies of it follow the last row, to fill up the batch.
      mends: decode again what was lost.

    Returns:
      A dataset of batches of rows. All have the same, static shape where `last` is ENDLESS or there
      is padding; otherwise the last may be shorter.
    """
    if not mends:
        ds = rows.keyed(_range(first, last))
        ds = ds.map(lambda position, keys: rows.side_by_side(keys), rows.decoding.threads)
        return _filled_up(ds.batch(batch_examples), batch_examples, padding, padding is not None)
    last_of_all = _ENDLESS_ROWS if last is ENDLESS else last
    cycle = _SIGN_BATCHES * batch_examples
    count = last_of_all - first

    def placed(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Position at a place of the stream, which has a batch of signs after each cycle."""
        cycles, place = number // (cycle + batch_examples), number % (cycle + batch_examples)
        return first + cycles * cycle + tf.minimum(place, cycle), place >= cycle

    def row(position: tf.Tensor, is_sign: tf.Tensor, keys: tuple):
        bad, good = (functools.partial(make, keys) for make in (rows.bad, rows.side_by_side))
        return position, is_sign, tf.cond(is_sign, bad, good)

    # Nothing may stand between map and batch: TF 2.21 makes one of them, and saves a copy that
    # costs a fifth of the decoding. Were they two, the gaps would be others and be closed as well.
    ds = rows.keyed(_range(count + count // cycle * batch_examples), placed)
    ds = ds.map(row, rows.decoding.threads, deterministic=True)
    *_, like = ds.element_spec
    ds = ds.batch(batch_examples).ignore_errors()
    if last is not ENDLESS:  # what fails at the end leaves no gap: something has to follow
        end = _range(last, last + 1).map(lambda position: (position, True, _nothing(like)))
        ds = ds.concatenate(end.batch(1))

    def since(expected, batch):
        positions, is_sign, _ = batch
        following = positions[-1] + tf.cast(~is_sign[-1], tf.int64)
        return following, (expected, *batch)

    def with_lost(expected, positions, is_sign, batch):
        is_row = ~is_sign  # all alike, unless map and batch stayed apart and lost a part of one

        def pictures():
            kept = tf.where(is_row)[:, 0]
            return tf.nest.map_structure(lambda x: tf.gather(x, kept), batch)

        batch = tf.cond(tf.reduce_all(is_row), lambda: batch, pictures)
        arrived = _range(tf.cast(tf.reduce_any(is_row), tf.int64)).map(lambda _: batch)
        lost = functools.partial(decoded, rows, expected, positions[0], batch_examples)
        is_lost = expected < positions[0]
        return tf.cond(is_lost, lambda: lost().concatenate(arrived), lambda: arrived)

    ds = ds.scan(tf.cast(first, tf.int64), since).flat_map(with_lost)
    is_even = last is ENDLESS or padding is not None
    return _filled_up(ds, batch_examples, padding, is_even)


def _filled_up(ds: tf.data.Dataset, batch_examples, padding, is_even: bool) -> tf.data.Dataset:
    """Lets rows of padding follow batches, and makes all batches alike."""
    if padding is not None:
        row, count = padding
        ds = ds.concatenate(_range(count).map(lambda _: row).batch(batch_examples))
    return ds.rebatch(batch_examples, drop_remainder=is_even)  # hands on what has the size already


@tf.autograph.experimental.do_not_convert
def decoded(
    rows: Rows,
    first: int | tf.Tensor,
    last: int | tf.Tensor,
    batch_examples: int | tf.Tensor,
) -> tf.data.Dataset:
    """Reads and decodes in parallel, in order, even where pictures cannot be read or decoded.

    Slower than `batches` while all is well; a picture that fails costs no more than itself. It is
    tried once more when its batch has come: those too large to be decoded side by side are decoded
    there, one at a time.

    Args:
      rows: what to make of each position.
      first: the first position.
      last: the one after the last.
      batch_examples: rows of a batch; the last may be shorter.

    Returns:
      A dataset of batches of rows.
    """
    # All threads make a batch in one burst, right after the last was taken. AUTOTUNE would spread
    # the work over the step, where it keeps one core from the network (TF 2.21).
    ds = rows.keyed(_range(first, last)).map(
        lambda position, keys: (position, rows.side_by_side_again(keys)),
        num_parallel_calls=rows.decoding.threads,
        deterministic=True,
    )
    _, like = ds.element_spec
    end = _range(last, last + 1).map(lambda position: (position, _nothing(like)))  # as in `batches`
    ds = ds.ignore_errors().concatenate(end).batch(batch_examples)
    ds = _without_gaps(ds, first, last).rebatch(batch_examples)
    return ds.flat_map(lambda *batch: _mended(rows, *batch))


def passed_once(rows: Rows, first: int, last: int, batch_examples: int) -> Iterator[Any]:
    """Makes the batches of `batches` outside of a graph, for who needs each row once.

    Args:
      rows: what to make of each position.
      first: the first position.
      last: the one after the last.
      batch_examples: rows of a batch; the last may be shorter.

    Yields:
      Rows in order, as tensors.
    """

    def left(done: int, mends: bool) -> tf.data.Dataset:
        start = first + done * batch_examples
        ds = batches(rows.source, rows, start, last, batch_examples, mends=mends)
        return on_threads(ds, rows.decoding).prefetch(1)

    return mended_if_lost(left)


def mended_if_lost(make: Callable[[int, bool], Iterable[Any]]) -> Iterator[Any]:
    """Passes on batches, and makes the graph that decodes again once one of them fails.

    That graph is the larger part of a dataset: without it the first batch comes in half the time.

    Args:
      make: makes the batches after so many, with or without `mends`, as `batches` does.

    Yields:
      The batches.
    """
    done = 0
    with contextlib.suppress(*UNDECODABLE):  # what failed is looked at below
        for batch in make(0, False):
            yield batch
            done += 1
        return
    yield from make(done, True)


def _without_gaps(ds: tf.data.Dataset, first, last) -> tf.data.Dataset:
    """Fills gaps with copies of the row that follows.

    Args:
      ds: batches of positions and rows; positions rise.
      first: the first position.
      last: the one after the last; a row with this position only closes the last gap.

    Returns:
      A dataset of batches of any size: positions, whether each has failed, rows.
    """

    def placed(expected, batch):
        arrived, rows = batch
        end = arrived[-1] + tf.cast(arrived[-1] < last, tf.int64)
        positions = tf.range(expected, end)
        # The first row that arrived at this position or behind it.
        source = tf.searchsorted(arrived, positions)
        has_failed = tf.gather(arrived, source) > positions

        def with_gaps():
            return tf.nest.map_structure(lambda x: tf.gather(x, source), rows)

        is_whole = (tf.size(arrived) == tf.size(positions)) & ~tf.reduce_any(has_failed)
        rows = tf.cond(is_whole, lambda: rows, with_gaps)
        return arrived[-1] + 1, (positions, has_failed, rows)

    return ds.scan(tf.cast(first, tf.int64), placed)


def _mended(rows: Rows, positions, has_failed, batch) -> tf.data.Dataset:
    """Decodes the failed rows of a batch again: a dataset of this one batch.

    Made of range alone, because TF 2.21 under op determinism treats from_tensors and
    get_single_element as stateful: it then decodes one picture at a time, and none ahead.
    """
    num_rows = tf.size(has_failed, tf.int64)

    def row(place):
        keys = rows.keys_of(positions[place])
        tried = _range(tf.cast(has_failed[place], tf.int64)).map(lambda _: rows.alone_again(keys))
        kept = tf.nest.map_structure(lambda x: x[place], batch)
        otherwise = _range(1).map(
            lambda _: tf.cond(has_failed[place], lambda: rows.bad(keys), lambda: kept)
        )
        return tried.ignore_errors().concatenate(otherwise).take(1)

    again = _range(num_rows * tf.cast(tf.reduce_any(has_failed), tf.int64)).flat_map(row)
    return again.batch(num_rows).concatenate(_range(1).map(lambda _: batch)).take(1)


def on_threads(ds: tf.data.Dataset, decoding: Decoding) -> tf.data.Dataset:
    """Gives a chain threads of its own, however few the network's operations have."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = decoding.threads
    return ds.with_options(options)
