"""Pixels taken from elsewhere in a picture: shifted, turned, enlarged.

A move says where each pixel of the new picture comes from: a, b, c and d, e, f of
x' = a x + b y + c and y' = d x + e y + f, for pixels' centers, which lie at halves.
"""

import tensorflow as tf

Move = tuple[tuple, tuple]


def moved(image: tf.Tensor, move: Move, interpolation: str = "NEAREST") -> tf.Tensor:
    """Moves a picture; what comes in from outside is 0.

    Args:
      image: uint8 or float32 [H, W, C].
      move: where its pixels come from.
      interpolation: NEAREST takes the nearest pixel, BILINEAR blends four.

    Returns:
      A picture of the same shape and type.
    """
    (a, b, c), (d, e, f) = move
    c, f = c + 0.5 * (a + b - 1), f + 0.5 * (d + e - 1)  # the operation counts from centers
    matrix = tf.cast(tf.stack([a, b, c, d, e, f, 0.0, 0.0]), tf.float32)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=matrix[tf.newaxis],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )[0]


def shift(right, down) -> Move:
    """Moves everything to the right and down, by pixels."""
    return (1.0, 0.0, -right), (0.0, 1.0, -down)


def turn(cos, sin, side: int) -> Move:
    """Turns a square of `side` pixels about its center, counterclockwise."""
    middle = side / 2
    return (cos, -sin, middle * (1 - cos + sin)), (sin, cos, middle * (1 - cos - sin))


def enlargement(factor, side: int) -> Move:
    """Enlarges a square of `side` pixels about its center."""
    rest = side / 2 * (1 - 1 / factor)
    return (1 / factor, 0.0, rest), (0.0, 1 / factor, rest)
