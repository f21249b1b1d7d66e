"""Pseudorandom permutations of whole numbers, and draws made of them: arithmetic on tensors.

One call for many numbers costs far less than as many calls.
"""

import tensorflow as tf

DRAW_BITS = 63
"""Of a draw."""

_ROUNDS = 16  # tf.random.experimental.index_shuffle fixes 4: consecutive epochs then correlate
_WORD_SHIFTS = (0, 21, 42)  # thirds of a draw


def permuted(place: tf.Tensor, last: int | tf.Tensor, words: tf.Tensor) -> tf.Tensor:
    """Permutes 0 to `last`.

    Args:
      place: int64 [] or [N], 0 to `last`.
      last: the largest number, or one for each place.
      words: the seed, int64 [3] or [N, 3]. Of each only the lowest bits count: half as many as
        `last` has, and at least 8 (TF 2.21).

    Returns:
      int64 of the shape of `place`.
    """
    seed, last = tf.cast(words, tf.uint32), tf.cast(last, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(index=place, seed=seed, max_index=last, rounds=_ROUNDS)


def draw(stream: int, seed: int, epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Draws an int64 of DRAW_BITS: so many that all 32 of each word count, and all of `number`.

    Args:
      stream: the kind of draw, 0 to 2**32 - 1.
      seed: the run's seed, 0 to 2**32 - 1.
      epoch: int64 [] or [N], 0 to 2**32 - 1.
      number: int64 of the same shape, 0 to 2**63 - 1.
    """
    return permuted(number, 2**DRAW_BITS - 1, numbered(stream, seed, epoch))


def numbered(stream: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Makes the three words of a seed that are the numbers themselves."""
    zeros = tf.zeros_like(epoch)
    return tf.stack([zeros + int(stream), zeros + seed, epoch], -1)


def words_of(drawn: tf.Tensor) -> tf.Tensor:
    """Makes the three words of a seed from draws, int64 [..., 3]: each has 21 bits of its own."""
    return tf.bitwise.right_shift(drawn[..., tf.newaxis], _WORD_SHIFTS)
