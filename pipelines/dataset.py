"""The chains: source -> Batches of uint8 windows. Everything random is a function of positions."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines import augment, rand_augment
from pipelines.config import DataConfig, InputConfig, Views
from pipelines.decode import MAX_PIXELS, explain
from pipelines.order import ORDER_VERSION, order
from pipelines.parallelism import Decoding, decoding
from pipelines.rows import Rows
from pipelines.service import served
from pipelines.share import Share
from pipelines.source import Source
from pipelines.squares import ENDLESS, batches, mended_if_lost, on_threads, passed_once
from pipelines.typed import choice

PADDING = -1
"""Stands for the index in rows that only fill up a batch."""
MEAN_EXAMPLES = 64
"""Pictures whose sums leave the graph together."""


class Batch(NamedTuple):
    """Examples for one replica, as they leave the host.

    A picture that cannot be decoded keeps its place: zeros, mask False, its own index.
    """

    image: tf.Tensor  # uint8 [N, h, w, 3], RGB
    shift: tf.Tensor  # float32 [N, 3], color noise to add, in levels of 0 to 255
    label: tf.Tensor  # int32 [N]
    mask: tf.Tensor  # bool [N], whether the row counts
    index: tf.Tensor  # int64 [N], example; PADDING in padding


class DrawVersions(NamedTuple):
    """Numbers of what a seed means to the data; a run keeps those that it began with."""

    order: int
    augmentation: int


DRAW_VERSIONS = DrawVersions(ORDER_VERSION, augment.AUGMENTATION_VERSION)
"""Of new runs."""


def train_dataset(
    source: Source,
    data: DataConfig,
    inputs: InputConfig,
    seed: int,
    first_position: int,
    rows_per_replica: int,
    versions: DrawVersions = DRAW_VERSIONS,
    share: Share | None = None,
) -> tf.data.Dataset:
    """Streams augmented Batches without end, in order of position.

    A step takes one Batch for each replica: replica r gets the rows from r * rows_per_replica.
    Of several workers each streams the Batches of its own replicas.

    Args:
      source: numbered examples.
      data: which augmentations.
      inputs: sizes of window and square.
      seed: the run's seed, 0 to 2**32 - 1.
      first_position: (step - 1) * global_batch_size of the first step to make.
      rows_per_replica: examples in a Batch.
      versions: those that the run began with.
      share: this worker's rows, `rows_per_replica` times its replicas; None where there is one
        worker.

    Returns:
      A dataset of Batches with static shapes, `inputs.size` pixels square.
    """
    # Positions -> draws, indices. Shuffled by arithmetic and before anything is read: no buffer of
    # pictures to fill, and a run that was killed goes on from a number.
    keys = _keys(source.num_examples, data, inputs, seed, versions, share)
    # Index -> square, label: decoded on all threads, or copied where the source keeps its squares,
    # which are the same in every epoch.
    how = decoding(data.max_pixels)
    # Square -> window. After what is kept, since every epoch draws others.
    finish = _augmented(data, inputs)
    rows = Rows(source=source, inputs=inputs, decoding=how, keys=keys, finish=finish)
    # Rows -> Batches. Last, when a picture that failed has its masked row. Without end, so that
    # epochs meet inside a Batch: nothing is left over, and all shapes are static.
    if data.service:
        ds = served(source, rows, data.service, first_position, rows_per_replica)
    else:
        first = share.count_below(first_position) if share else first_position
        ds = batches(source, rows, first, ENDLESS, rows_per_replica)
    # uint8 to the end: a quarter of the bytes of float32, and arithmetic is the device's work.
    return _finished(ds, how)


def eval_dataset(
    source: Source,
    inputs: InputConfig,
    batch_examples: int,
    num_replicas: int = 1,
    views: Views = Views.CENTER,
    max_pixels: int = MAX_PIXELS,
    share: Share | None = None,
    first_round: int = 0,
    mends: bool = True,
) -> tf.data.Dataset:
    """Streams every example once, in order of index; the last Batches are filled with padding.

    Of several workers each streams the Batches of its own replicas, all equally many.

    Args:
      source: numbered examples.
      inputs: sizes of window and square.
      batch_examples: examples in a Batch.
      num_replicas: the number of Batches is a multiple of it.
      views: center yields windows of `inputs.size`; ten yields the squares of `inputs.resize`,
        from which `preprocess.ten_views` cuts on the device.
      max_pixels: the most pixels that a picture may have.
      share: this worker's rows; None where there is one worker.
      first_round: begin after so many Batches of each replica.
      mends: as for `squares.batches`; whoever iterates without takes `mended_if_lost`.

    Returns:
      A finite dataset of Batches with static shapes.
    """
    views = choice("views", Views, views)
    side = inputs.size if views == Views.CENTER else inputs.resize

    def example(index, square, label, good) -> Batch:
        return Batch(augment.center_crop(square, side), tf.zeros([3]), label, good, index)

    empty = Batch(
        tf.zeros([side, side, 3], tf.uint8),
        tf.zeros([3]),
        tf.constant(0),
        tf.constant(False),
        tf.constant(PADDING, tf.int64),
    )
    all_rows = batch_examples * num_replicas
    share = share or Share(index=0, count=1, examples=all_rows)
    rows = Rows(
        source=source,
        inputs=inputs,
        decoding=decoding(max_pixels),
        keys=lambda numbers: (share.positions(numbers),),
        finish=example,
    )
    num_rows = share.count_below(source.num_examples)
    num_batches = -(-source.num_examples // all_rows)
    padding = (empty, num_batches * share.examples - num_rows)
    first = first_round * share.examples
    ds = batches(source, rows, first, num_rows, batch_examples, padding, mends)
    return _finished(ds, rows.decoding)


def eval_batches(
    source: Source, inputs: InputConfig, batch_examples: int, max_pixels: int = MAX_PIXELS
) -> Iterator[Batch]:
    """Yields the Batches of `eval_dataset`, for one replica and once; they come sooner."""
    return mended_if_lost(
        lambda done, mends: eval_dataset(
            source,
            inputs,
            batch_examples,
            max_pixels=max_pixels,
            first_round=done,
            mends=mends,
        )
    )


def dataset_mean(
    source: Source, inputs: InputConfig, max_pixels: int = MAX_PIXELS
) -> tuple[float, float, float]:
    """Measures the mean color of all squares, exactly; pictures that fail are left out.

    Args:
      source: numbered examples, the training split.
      inputs: side and rule of the square.
      max_pixels: the most pixels that a picture may have.

    Returns:
      Red, green and blue, 0 to 255.

    Raises:
      ValueError: no picture can be decoded.
      OSError: a picture could not be read, for a reason outside it, such as the disk.
    """

    def color_sum(index, square, label, good):
        rows = tf.reduce_sum(tf.cast(square, tf.int32), axis=0)  # at most 255 * resize
        bad = tf.where(good, tf.constant(PADDING, tf.int64), index)
        return tf.reduce_sum(tf.cast(rows, tf.int64), axis=0), bad

    rows = Rows(source=source, inputs=inputs, decoding=decoding(max_pixels), finish=color_sum)
    total, bad = np.zeros(3, np.int64), []
    for sums, lost in passed_once(rows, 0, source.num_examples, MEAN_EXAMPLES):
        total += sums.numpy().sum(axis=0)
        bad += [index for index in lost.numpy().tolist() if index != PADDING]
    for index in bad:
        try:
            explain(source, index, max_pixels)
        except OSError as error:
            raise OSError(f"{source.name(index)!r} could not be read: {error}") from error
    seen = source.num_examples - len(bad)
    if not seen:
        raise ValueError(
            f"data.source: none of the {source.num_examples} training pictures can be decoded, "
            f"such as {source.name(0)!r}; expected JPEG, PNG or BMP files. Mend them, or name "
            "another folder."
        )
    return tuple(int(channel) / (seen * inputs.resize**2) for channel in total)


def _keys(
    num_examples: int,
    data: DataConfig,
    inputs: InputConfig,
    seed: int,
    versions: DrawVersions,
    share: Share | None,
):
    """Makes the function from the numbers of rows to what is drawn for them, and their examples."""
    ordered = order(num_examples, seed, data.shuffle, versions.order)
    draws = augment.draws(data, inputs, seed, versions.augmentation)

    def keys(numbers: tf.Tensor) -> tuple[augment.Draws, tf.Tensor]:
        epochs, indices = ordered(share.positions(numbers) if share else numbers)
        return draws(epochs, indices), indices

    return keys


def _augmented(data: DataConfig, inputs: InputConfig):
    """Makes the function that turns a square into one row of a Batch."""

    def example(draws: augment.Draws, index, square, label, good) -> Batch:
        sides = draws.sides if data.least_crop else None
        is_mirrored = draws.is_mirrored if data.mirror else False
        image = augment.window(square, inputs.size, draws.corner, is_mirrored, sides)
        if data.rand_augment:
            image = rand_augment.augmented(image, draws.operations, data.rand_strength)
        return Batch(image, draws.shift, label, good, index)

    return example


def _finished(ds: tf.data.Dataset, how: Decoding) -> tf.data.Dataset:
    """Ends a chain: keeps its order, and works ahead of the device."""
    options = tf.data.Options()
    options.deterministic = True
    return on_threads(ds.with_options(options), how).prefetch(tf.data.AUTOTUNE)
