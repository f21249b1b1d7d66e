"""Distributions of values as TensorBoard draws them."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.networks.towers import Joined

Values = np.ndarray | tf.Tensor | tf.Variable | keras.Variable | Joined


NUM_BUCKETS = 30


CHUNK_VALUES = 1 << 16
"""Weights looked at together: half a MB as float64, which caches hold."""


def buckets(values: Values) -> np.ndarray:
    """Counts values in buckets of equal width, piece by piece: it takes a few MB of memory.

    Args:
      values: an array of any shape; values that are not finite are not counted.

    Returns:
      float64 [30, 3]: left edge, right edge, count; the last bucket includes its right edge. If
      all values are equal, so are all edges, and the last bucket has the count; without values
      all is 0.
    """
    num, low, high = 0, np.inf, -np.inf
    for piece in _pieces(values):
        num += piece.size
        low, high = min(low, piece.min(initial=low)), max(high, piece.max(initial=high))
    counts = np.zeros(NUM_BUCKETS)
    if low < high:
        for piece in _pieces(values):
            # np.histogram would look at each edge once more, and takes four times as long.
            bucket = ((piece - low) * (NUM_BUCKETS / (high - low))).astype(np.intp)
            counts += np.bincount(np.minimum(bucket, NUM_BUCKETS - 1), minlength=NUM_BUCKETS)
    elif num:
        counts[-1] = num
    else:
        low = high = 0.0
    edges = np.linspace(low, high, NUM_BUCKETS + 1)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def _pieces(values: Values) -> Iterator[np.ndarray]:
    """Yields the finite values, as float64 [up to CHUNK_VALUES]."""
    for part in values.parts if isinstance(values, Joined) else [values]:
        flat = part.reshape(-1) if isinstance(part, np.ndarray) else tf.reshape(part, [-1])
        for first in range(0, flat.shape[0], CHUNK_VALUES):
            piece = np.asarray(flat[first : first + CHUNK_VALUES], np.float64)
            is_finite = np.isfinite(piece)
            yield piece if is_finite.all() else piece[is_finite]
