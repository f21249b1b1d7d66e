"""The forms that `shapes` draws: what its classes are.

Each is a function of places in the form's own axes, about 1 in radius, that is negative inside and,
near the edge, about the distance from it. None becomes another class in a mirror, or turned.
"""

import functools
import math
from collections.abc import Callable

import tensorflow as tf


def length(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes the distance from the origin."""
    return tf.sqrt(x * x + y * y)


def _box(x: tf.Tensor, y: tf.Tensor, half_width: float, half_height: float) -> tf.Tensor:
    return tf.maximum(tf.abs(x) - half_width, tf.abs(y) - half_height)


def _lines(x: tf.Tensor, y: tf.Tensor, count: int, apothem: float) -> list[tf.Tensor]:
    """Computes the signed distance from each side of a regular polygon, positive outside."""
    angles = [math.tau * k / count for k in range(count)]
    return [x * math.cos(angle) + y * math.sin(angle) - apothem for angle in angles]


def _disc(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return length(x, y) - 0.85


def _ring(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.abs(length(x, y) - 0.72) - 0.2


def _crescent(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.maximum(length(x, y) - 0.95, 0.75 - length(x - 0.5, y))


def _triangle(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return functools.reduce(tf.maximum, _lines(x, y, 3, 0.5))


def _square(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return _box(x, y, 0.75, 0.75)


def _star(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Covers what is beyond at most one of five lines: the second largest distance decides."""
    first, *rest = _lines(x, y, 5, math.cos(math.tau / 5))
    second = first - 2
    for line in rest:
        second = tf.maximum(second, tf.minimum(first, line))
        first = tf.maximum(first, line)
    return second


def _cross(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.minimum(_box(x, y, 0.95, 0.28), _box(x, y, 0.28, 0.95))


def _heart(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Joins two discs and the wedge that touches them."""
    x = tf.abs(x)
    disc = length(x - 0.42, y - 0.35) - 0.46
    wedge = tf.maximum(0.8 * x - 0.6 * y - 0.586, 0.6 * x + 0.8 * y - 0.532)
    return tf.minimum(disc, tf.maximum(wedge, y - 0.35))


def _arrow(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    head = tf.maximum((tf.abs(x) + y) * math.sqrt(0.5) - 0.67, 0.1 - y)
    return tf.minimum(head, _box(x, y + 0.45, 0.2, 0.55))


def _corner(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.minimum(_box(x + 0.5, y, 0.25, 0.75), _box(x, y + 0.5, 0.75, 0.25))


FORMS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "arrow": _arrow,
    "corner": _corner,
    "crescent": _crescent,
    "cross": _cross,
    "disc": _disc,
    "heart": _heart,
    "ring": _ring,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
}
"""The classes, in the order of their labels."""
