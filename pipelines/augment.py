"""Windows and noise: pure functions of tensors, their randomness included.

The host cuts and mirrors uint8 windows; `preprocess.py` has what runs on the device. Every random
draw is a function of (seed, epoch, example) and of the operation's own stream.
"""

import tensorflow as tf

from pipelines.seeds import Stream

AUGMENTATION_VERSION = 1
"""Stored in checkpoints; rises when the same seed gives other windows or noise."""

# Principal components of ImageNet's colors, 0-255 RGB (Krizhevsky's, as stored in cuda-convnet2's
# input_meta). The paper's lambda are eigenvalues in the text, standard deviations in his program;
# eigenvalues of such levels would shift colors by thousands.
COLOR_STDEVS = (121.7801, 37.0939, 19.7208)
COLOR_AXES = (  # rows are components, columns R, G, B
    (-0.56351, -0.57618, -0.59200),
    (-0.71258, -0.02354, 0.70120),
    (0.41796, -0.81698, 0.39731),
)


_EPOCH_SHIFT = 40  # bits for the example's index beside the epoch


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


def random_crop(image: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Cuts a square window from a uniformly random place (paper, section 4.1).

    Args:
      image: uint8 [H, W, 3], both sides at least `size`.
      size: side of the window in pixels.
      seed: int64 [2]; equal seeds cut equal windows.

    Returns:
      uint8 [size, size, 3].
    """
    places = tf.shape(image)[:2] - size + 1
    top, left = tf.unstack(_uniform_below(places, seed))
    return tf.ensure_shape(image[top : top + size, left : left + size], [size, size, 3])


def _uniform_below(limits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws an int32 from 0 to limit - 1 for each int32 limit."""
    bits = tf.random.stateless_uniform(
        tf.shape(limits), seed, None, None, tf.uint32, alg="philox"
    )  # the remainder's bias is limit / 2**32
    return tf.cast(tf.cast(bits, tf.int64) % tf.cast(limits, tf.int64), tf.int32)


def center_crop(images: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts the central window: [..., H, W, C] -> [..., size, size, C]."""
    height, width = images.shape[-3], images.shape[-2]
    top, left = (height - size) // 2, (width - size) // 2
    return images[..., top : top + size, left : left + size, :]


def random_mirror(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors left to right with probability 1/2.

    Args:
      image: uint8 [H, W, 3].
      seed: int64 [2]; equal seeds decide alike.

    Returns:
      uint8 [H, W, 3].
    """
    draw = tf.random.stateless_uniform([], seed, dtype=tf.float32, alg="philox")
    # Flags instead of tf.cond, which costs as much as the copy.
    return tf.raw_ops.Reverse(tensor=image, dims=tf.stack([False, draw < 0.5, False]))


def color_shift(stdev: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws the color noise of one picture, the same for all its pixels (paper, section 4.1).

    Args:
      stdev: standard deviation along each principal axis, in units of the axis's own.
      seed: int64 [2]; equal seeds draw equal noise.

    Returns:
      float32 [3]: what to add to red, green and blue, of 0 to 255.
    """
    draw = tf.random.stateless_normal([3], seed, stddev=stdev, alg="philox")
    return tf.linalg.matvec(tf.constant(COLOR_AXES), draw * COLOR_STDEVS, transpose_a=True)
