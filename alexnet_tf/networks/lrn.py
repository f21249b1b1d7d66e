"""Local response normalisation (paper, section 3.3), with a gradient that is fast.

All of it is bound by memory, so the fewest passes win: XLA makes one of a whole formula.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

Sum = Callable[[tf.Tensor], tf.Tensor]
"""Adds, for each value, those of a window around it."""


def local_response_norm(
    x: tf.Tensor,
    radius: int,
    bias: float,
    alpha: float,
    beta: float,
    groups: int = 1,
    training: bool = False,
) -> tf.Tensor:
    """Divides each activation by the energy of its neighbors; in training with a fast gradient.

    This is `tf.nn.local_response_normalization`, whose gradient is a scalar loop on CPU, many times
    slower than need be (TF 2.21). In training both passes are the same formula compiled by XLA;
    elsewhere, so in an export, TensorFlow's operation stands, which needs no compiler.

    Args:
      x: float32 [N, H, W, C].
      radius: channels counted to each side.
      bias: the paper's k.
      alpha: weight of the raw sum of squares.
      beta: power of the divisor.
      groups: parts of the channels that do not see each other; divides C.
      training: whether a gradient will be asked for.

    Returns:
      float32 [N, H, W, C].
    """
    shape, depth = tf.shape(x), x.shape[-1] // groups
    constants = (radius, bias, alpha, beta)

    @tf.custom_gradient
    def compiled(x):
        return _forward(x, *constants), lambda dy: _backward(x, dy, *constants)

    # A group becomes a pixel of its own: no split, no copy.
    pixels = tf.reshape(x, [shape[0], shape[1], shape[2] * groups, depth])
    if training:
        y = compiled(pixels)
    else:
        y = tf.nn.local_response_normalization(pixels, *constants)
    return tf.reshape(y, shape)


@tf.function(jit_compile=True)
def _forward(x, radius: int, bias: float, alpha: float, beta: float):
    """Divides float32 [N, H, W, C]: x / base ** beta."""
    rows = tf.reshape(x, [-1, x.shape[-1]])
    y = normalized(rows, functools.partial(_window_sum, radius=radius), bias, alpha, beta)
    return tf.reshape(y, tf.shape(x))


@tf.function(jit_compile=True)
def _backward(x, dy, radius: int, bias: float, alpha: float, beta: float):
    """Returns dx = dy / base ** beta - 2 alpha beta x sum(dy y / base), float32 [N, H, W, C]."""
    rows, dy = (tf.reshape(t, [-1, x.shape[-1]]) for t in (x, dy))
    window_sum = functools.partial(_window_sum, radius=radius)
    return tf.reshape(gradient(rows, dy, window_sum, bias, alpha, beta), tf.shape(x))


def normalized(x: tf.Tensor, window_sum: Sum, bias: float, alpha: float, beta: float) -> tf.Tensor:
    """Divides x by (bias + alpha * sum(x ** 2)) ** beta, over windows of any kind."""
    return x * power(bias + alpha * window_sum(tf.square(x)), -beta)


def gradient(
    x: tf.Tensor, dy: tf.Tensor, window_sum: Sum, bias: float, alpha: float, beta: float
) -> tf.Tensor:
    """The exact gradient of `normalized`, where windows see each other mutually."""
    base = bias + alpha * window_sum(tf.square(x))
    direct = dy * power(base, -beta)  # dy y is direct x
    return direct - 2 * alpha * beta * x * window_sum(direct * x / base)


def _window_sum(x: tf.Tensor, radius: int) -> tf.Tensor:
    """Sums the channels from c - radius to c + radius; beyond the edges there are none."""
    depth = x.shape[-1]
    padded = tf.pad(x, ((0, 0), (radius, radius)))
    return tf.add_n([padded[:, first : first + depth] for first in range(2 * radius + 1)])


def power(base: tf.Tensor, exponent: float) -> tf.Tensor:
    """Returns base ** exponent; for the paper's beta two roots are several times cheaper."""
    if exponent == -0.75:
        root = tf.math.rsqrt(base)
        return root * tf.sqrt(root)
    return tf.pow(base, exponent)
