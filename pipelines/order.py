"""The order of training: position -> (epoch, example), by arithmetic alone.

A position counts rows over all steps: `(step - 1) * global_batch_size + row`. No remainder is
dropped, so a batch may hold the end of one epoch and the start of the next. Resuming needs the
next position and nothing else; replicas and workers take rows of the same global batch.
"""

import math

import tensorflow as tf

from pipelines.seeds import OrderStream

ORDER_VERSION = 1
"""Stored in checkpoints; rises when the same seed gives another order."""

_ROUNDS = 16  # tf.random.experimental.index_shuffle fixes 4: consecutive epochs then correlate


def shuffled(epoch: tf.Tensor, place: tf.Tensor, num_examples: int, seed: int) -> tf.Tensor:
    """Finds the example at a place of an epoch's permutation.

    Args:
      epoch: int64 scalar, from 0.
      place: int64 scalar, 0 to `num_examples` - 1.
      num_examples: size of the training set.
      seed: the run's seed, 0 to 2**32 - 1.

    Returns:
      int64 scalar, 0 to `num_examples` - 1; within an epoch each exactly once.
    """
    epoch_word = tf.cast(epoch, tf.uint32)
    stream = tf.constant(int(OrderStream.EPOCH), tf.uint32)
    words = tf.stack([stream, tf.cast(seed, tf.uint32), epoch_word])
    last = tf.constant(num_examples - 1, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(index=place, seed=words, max_index=last, rounds=_ROUNDS)


def order(num_examples: int, seed: int):
    """Makes the function position -> (epoch, example) of a run.

    Args:
      num_examples: size of the training set, at least 1.
      seed: the run's seed, 0 to 2**32 - 1.

    Returns:
      A function from a position to the epoch, from 0, and the example's index; int64 scalars.
    """

    def epoch_and_example(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, place = position // num_examples, position % num_examples
        return epoch, shuffled(epoch, place, num_examples, seed)

    return epoch_and_example


def last_step_of_epoch(epoch: int, num_examples: int, global_batch_size: int) -> int:
    """Finds the step that completes an epoch (from 0); evaluation and schedules follow it."""
    return math.ceil((epoch + 1) * num_examples / global_batch_size)
