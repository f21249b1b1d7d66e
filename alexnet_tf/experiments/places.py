"""Maps brought to few places by maxima, so that layers have features of like numbers."""

import tensorflow as tf


def few_places(maps: tf.Tensor, most: int) -> tf.Tensor:
    """Takes maxima over a grid of at most `most` x `most` windows.

    Window i of k over n places reaches from floor(i n / k) to below ceil((i + 1) n / k), as in
    PyTorch's AdaptiveMaxPool2d: all have nearly the same size, and neighbors may share a place.

    Args:
      maps: [N, H, W, C] of known H and W; a vector [N, D] stays as it is.
      most: windows a side; a side with fewer places keeps them.
    """
    for axis in range(1, len(maps.shape) - 1):
        places = maps.shape[axis]
        count = min(most, places)
        windows = [(i * places // count, -(-(i + 1) * places // count)) for i in range(count)]
        parts = [
            tf.reduce_max(tf.gather(maps, tf.range(*ends), axis=axis), axis) for ends in windows
        ]
        maps = tf.stack(parts, axis)
    return maps
