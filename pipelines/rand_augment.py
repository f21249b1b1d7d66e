"""RandAugment (Cubuk et al. 2019): a few operations on a window, drawn from fourteen.

Operations, strengths and rounding are those of torchvision's RandAugment, each a function of the
picture, a strength from 0 to 30, and a sign. Pictures are uint8 [S, S, 3]; what an operation moves
in from outside is black.
"""

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from pipelines.moves import moved, shift, turn
from pipelines.permutation import draw, words_of
from pipelines.seeds import OrderStream

MOST = 3
"""Operations that one draw has numbers for."""
STRONGEST = 30
"""The largest strength."""

_GRAY = (0.2989, 0.587, 0.114)

Operation = Callable[[tf.Tensor, float, tf.Tensor], tf.Tensor]


def chosen(seed: int, epochs: tf.Tensor, examples: tf.Tensor, count: int) -> tf.Tensor:
    """Draws the operations of examples in their epochs.

    Args:
      seed: the run's.
      epochs: int64 [N].
      examples: int64 [N].
      count: how many for each, at most MOST.

    Returns:
      int32 [N, count]: numbers of operations, negative (-1 - number) where the sign is.
    """
    words = words_of(draw(OrderStream.OPERATIONS, seed, epochs, examples))[:, :count] % 2**21
    number = tf.cast(words // 2 % len(OPERATIONS), tf.int32)
    return tf.where(words % 2 == 1, -1 - number, number)


def augmented(image: tf.Tensor, operations: tf.Tensor, strength: float) -> tf.Tensor:
    """Applies operations to a picture, one after the other.

    Args:
      image: uint8 [S, S, 3].
      operations: int32 [count], as `chosen` draws them.
      strength: 0 to STRONGEST.
    """
    shape = image.shape
    for operation in tf.unstack(operations):
        is_negative = operation < 0
        number = tf.where(is_negative, -1 - operation, operation)
        sign = tf.where(is_negative, -1.0, 1.0)
        branches = [functools.partial(x, image, strength / STRONGEST, sign) for x in OPERATIONS]
        image = tf.ensure_shape(tf.switch_case(number, branches), shape)
    return image


def _identity(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    """Returns the picture; each of the following returns another, of its size."""
    return tf.identity(image)


def _shear_x(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    return moved(image, ((1.0, 0.3 * part * sign, 0.0), (0.0, 1.0, 0.0)))


def _shear_y(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    return moved(image, ((1.0, 0.0, 0.0), (0.3 * part * sign, 1.0, 0.0)))


def _shift_of(image: tf.Tensor, part: float) -> float:
    """Counts the pixels of a shift, a whole number."""
    return float(int(150 / 331 * image.shape[0] * part))


def _translate_x(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    return moved(image, shift(sign * _shift_of(image, part), 0.0))


def _translate_y(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    return moved(image, shift(0.0, sign * _shift_of(image, part)))


def _rotate(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    angle = math.radians(30 * part)
    return moved(image, turn(math.cos(angle), math.sin(angle) * sign, image.shape[0]))


def _blended(image: tf.Tensor, other: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    """Moves a picture away from another, or toward it, and cuts what is after the point."""
    ratio = 1 + 0.9 * part * sign
    mixed = ratio * tf.cast(image, tf.float32) + (1 - ratio) * other
    return tf.cast(tf.clip_by_value(mixed, 0.0, 255.0), tf.uint8)


def _gray(image: tf.Tensor) -> tf.Tensor:
    """Computes whole levels of gray, float32 [S, S, 1]."""
    red, green, blue = tf.unstack(tf.cast(image, tf.float32), axis=-1)
    return tf.floor(_GRAY[0] * red + _GRAY[1] * green + _GRAY[2] * blue)[..., tf.newaxis]


def _brightness(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    return _blended(image, tf.zeros([]), part, sign)


def _color(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    return _blended(image, _gray(image), part, sign)


def _contrast(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    return _blended(image, tf.reduce_mean(_gray(image)), part, sign)


def _sharpness(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    weights = tf.constant([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    kernel = tf.tile(weights[..., tf.newaxis, tf.newaxis], [1, 1, 3, 1])
    whole = tf.cast(image, tf.float32)
    inner = tf.nn.depthwise_conv2d(whole[tf.newaxis], kernel, [1] * 4, "VALID")[0]
    edge = tf.pad(tf.zeros(tf.shape(inner)), [[1, 1], [1, 1], [0, 0]], constant_values=1.0)
    padded = tf.pad(tf.round(inner), [[1, 1], [1, 1], [0, 0]])
    return _blended(image, tf.where(edge > 0, whole, padded), part, sign)  # no blur at the edge


def _posterize(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    lost = round(4 * part)
    return tf.bitwise.bitwise_and(image, tf.constant(256 - 2**lost, tf.uint8))


def _solarize(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    limit = 255 * (1 - part)
    return tf.where(tf.cast(image, tf.float32) >= limit, 255 - image, image)


def _auto_contrast(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    levels = tf.cast(image, tf.float32)
    least, most = tf.reduce_min(levels, [0, 1]), tf.reduce_max(levels, [0, 1])
    is_flat = least == most
    scale = tf.where(is_flat, 1.0, 255 / tf.where(is_flat, 1.0, most - least))
    stretched = (levels - tf.where(is_flat, 0.0, least)) * scale
    return tf.cast(tf.clip_by_value(stretched, 0.0, 255.0), tf.uint8)


def _equalize(image: tf.Tensor, part: float, sign: tf.Tensor) -> tf.Tensor:
    def channel(levels: tf.Tensor) -> tf.Tensor:
        levels = tf.cast(levels, tf.int32)
        counts = tf.math.bincount(tf.reshape(levels, [-1]), minlength=256, maxlength=256)
        last = tf.reduce_max(levels)
        step = (tf.size(levels) - counts[last]) // 255
        below = tf.concat([[0], tf.cumsum(counts)[:-1]], axis=0)  # of all darker levels
        table = (below + step // 2) // tf.maximum(step, 1)
        table = tf.where(step == 0, tf.range(256), tf.minimum(table, 255))
        return tf.cast(tf.gather(table, levels), tf.uint8)

    return tf.stack([channel(x) for x in tf.unstack(image, axis=-1)], axis=-1)


OPERATIONS: tuple[Operation, ...] = (
    _identity,
    _shear_x,
    _shear_y,
    _translate_x,
    _translate_y,
    _rotate,
    _brightness,
    _color,
    _contrast,
    _sharpness,
    _posterize,
    _solarize,
    _auto_contrast,
    _equalize,
)
"""Their places are what a seed means: never exchanged."""
