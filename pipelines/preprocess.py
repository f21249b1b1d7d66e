"""What runs on the device: ten views, mean, scale."""

import tensorflow as tf

from pipelines.config import ChannelOrder, InputConfig

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""


def ten_views(images: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts four corners, the center, and their reflections (paper, section 4.1).

    Args:
      images: [N, R, R, 3] of any type, R at least `size`.
      size: side of the views in pixels.

    Returns:
      [N * 10, size, size, 3] of the same type; the ten views of a picture are adjacent, so
      that [N * 10, K] outputs reshape to [N, 10, K].
    """
    rest_y, rest_x = images.shape[1] - size, images.shape[2] - size
    places = [(0, 0), (0, rest_x), (rest_y, 0), (rest_y, rest_x), (rest_y // 2, rest_x // 2)]
    views = [images[:, y : y + size, x : x + size] for y, x in places]
    views += [tf.reverse(view, [2]) for view in views]
    # Joined along an axis that is there: GPUs have no tf.stack for uint8 (TF 2.21).
    together = tf.concat([view[:, tf.newaxis] for view in views], axis=1)
    return tf.reshape(together, [-1, size, size, images.shape[3]])


def preprocess(
    images: tf.Tensor,
    config: InputConfig,
    shift: tf.Tensor | None = None,
    divide_by: float = 1.0,
) -> tf.Tensor:
    """Turns pictures into what a network expects; the first thing that runs on the device.

    Args:
      images: uint8 [N, H, W, 3], RGB.
      config: mean, scale, standard deviations and channel order.
      shift: float32 [N, 3], color noise to add to each picture in RGB; none if omitted.
      divide_by: the 2012 program divided by 1.1 after it had added noise of 0.1, in training
        only, so that training and test keep the same spread.

    Returns:
      float32 [N, H, W, 3]: (images - mean + shift) / divide_by * scale / stdev, in the channel
      order of the config; [N, H, W, 1] where that is gray.

    Raises:
      ValueError: `config.mean` is "dataset", not yet measured.
    """
    if config.mean == "dataset":
        raise ValueError(
            "network.input.mean=dataset: expected three levels; measure them first "
            "with pipelines.dataset.dataset_mean."
        )
    offset = -tf.constant(config.mean, tf.float32)
    x = tf.cast(images, tf.float32)
    x = x + offset if shift is None else _added(x, shift + offset)
    factor = config.scale / divide_by
    if set(config.stdev) != {1.0}:
        x *= tf.constant([factor / stdev for stdev in config.stdev], tf.float32)
    elif factor != 1.0:
        x *= factor
    if config.channel_order == ChannelOrder.GRAY:
        return tf.reduce_sum(x * tf.constant(LUMINANCE), axis=-1, keepdims=True)
    return x if config.channel_order == ChannelOrder.RGB else tf.reverse(x, [-1])


def _added(images: tf.Tensor, colors: tf.Tensor) -> tf.Tensor:
    """Adds to all pixels of each picture its color, a row of `colors`, [N, 3].

    One row of pixels at a time: three numbers at a time take twice as long (TF 2.21, CPU).
    """
    height, width, channels = images.shape[1:]
    rows = tf.reshape(images, [-1, height, width * channels])
    rows += tf.tile(colors, [1, width])[:, tf.newaxis]
    return tf.reshape(rows, [-1, height, width, channels])
