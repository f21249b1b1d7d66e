"""The draws of runs that began with version 1: stateless operations, for one example at a time."""

from collections.abc import Callable

import tensorflow as tf

from pipelines.colors import COLOR_AXES, COLOR_STDEVS
from pipelines.seeds import Stream

_EPOCH_SHIFT = 40  # bits for the example's index beside the epoch


def corners(seed: int, epochs: tf.Tensor, examples: tf.Tensor, num_places: int) -> tf.Tensor:
    """Draws tops and lefts of windows: int32 [N, 2], from 0 to num_places - 1."""

    def corner(key: tf.Tensor) -> tf.Tensor:
        bits = tf.random.stateless_uniform([2], key, None, None, tf.uint32, alg="philox")
        return tf.cast(tf.cast(bits, tf.int64) % num_places, tf.int32)

    return _each(corner, Stream.CROP, seed, epochs, examples, tf.TensorSpec([2], tf.int32))


def mirrored(seed: int, epochs: tf.Tensor, examples: tf.Tensor) -> tf.Tensor:
    """Decides which pictures are mirrored: bool [N]."""

    def is_mirrored(key: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([], key, dtype=tf.float32, alg="philox") < 0.5

    return _each(is_mirrored, Stream.MIRROR, seed, epochs, examples, tf.TensorSpec([], tf.bool))


def shifts(seed: int, epochs: tf.Tensor, examples: tf.Tensor, stdev: float) -> tf.Tensor:
    """Draws color noise: float32 [N, 3]."""

    def shift(key: tf.Tensor) -> tf.Tensor:
        drawn = tf.random.stateless_normal([3], key, stddev=stdev, alg="philox")
        return tf.linalg.matvec(tf.constant(COLOR_AXES), drawn * COLOR_STDEVS, transpose_a=True)

    return _each(shift, Stream.COLOR, seed, epochs, examples, tf.TensorSpec([3], tf.float32))


def example_seed(stream: Stream, seed: int, epoch: tf.Tensor, example: tf.Tensor) -> tf.Tensor:
    """Combines all that a random draw depends on into the seed of a stateless operation.

    Args:
      stream: the kind of draw.
      seed: the run's seed, 0 to 2**32 - 1.
      epoch: int64 scalar, from 0 to 2**23 - 1.
      example: int64 scalar, index below 2**40.

    Returns:
      int64 [2], different for different arguments.
    """
    run = tf.constant((int(stream) << 32) | seed, tf.int64)
    return tf.stack([run, tf.bitwise.left_shift(epoch, _EPOCH_SHIFT) + example])


def _each(
    draw: Callable[[tf.Tensor], tf.Tensor],
    stream: Stream,
    seed: int,
    epochs: tf.Tensor,
    examples: tf.Tensor,
    spec: tf.TensorSpec,
) -> tf.Tensor:
    """Draws for one example after the other."""
    return tf.map_fn(
        lambda one: draw(example_seed(stream, seed, *one)),
        (epochs, examples),
        fn_output_signature=spec,
    )
