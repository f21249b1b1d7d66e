"""Local response normalization (paper, section 3.3), with a fast gradient.

It is bound by memory, so the number of passes counts: XLA compiles a whole formula, with the casts
around it, into one. Sums and powers are float32 in every precision.
"""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from alexnet_tf.networks.layers.groups import check_divides, join_groups, num_groups, split_groups

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
    elsewhere, such as in an export, it is TensorFlow's operation, which needs no compiler.

    Args:
      x: float [N, H, W, C].
      radius: channels counted to each side.
      bias: the paper's k.
      alpha: weight of the raw sum of squares.
      beta: power of the divisor.
      groups: parts of the channels that do not see each other; divides C.
      training: whether a gradient will be computed.

    Returns:
      The same shape and dtype.
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
        # It has no bfloat16 kernel, and XLA no other than float32 (xla#43450).
        y = tf.nn.local_response_normalization(tf.cast(pixels, tf.float32), *constants)
        y = tf.cast(y, x.dtype)
    return tf.reshape(y, shape)


@tf.function(jit_compile=True, autograph=False)
def _forward(x, radius: int, bias: float, alpha: float, beta: float):
    """Divides float [N, H, W, C]: x / base ** beta."""
    rows = tf.cast(tf.reshape(x, [-1, x.shape[-1]]), tf.float32)
    y = normalized(rows, functools.partial(_window_sum, radius=radius), bias, alpha, beta)
    return tf.cast(tf.reshape(y, tf.shape(x)), x.dtype)


@tf.function(jit_compile=True, autograph=False)
def _backward(x, dy, radius: int, bias: float, alpha: float, beta: float):
    """Returns dx = dy / base ** beta - 2 alpha beta x sum(dy y / base), as x is."""
    rows, dy = (tf.cast(tf.reshape(t, [-1, x.shape[-1]]), tf.float32) for t in (x, dy))
    window_sum = functools.partial(_window_sum, radius=radius)
    dx = gradient(rows, dy, window_sum, bias, alpha, beta)
    return tf.cast(tf.reshape(dx, tf.shape(x)), x.dtype)


def normalized(x: tf.Tensor, window_sum: Sum, bias: float, alpha: float, beta: float) -> tf.Tensor:
    """Divides x by (bias + alpha * sum(x ** 2)) ** beta, over windows of any kind."""
    return x * power(bias + alpha * window_sum(tf.square(x)), -beta)


def gradient(
    x: tf.Tensor, dy: tf.Tensor, window_sum: Sum, bias: float, alpha: float, beta: float
) -> tf.Tensor:
    """Computes the exact gradient of `normalized`, for windows that hold each other's centers."""
    base = bias + alpha * window_sum(tf.square(x))
    direct = dy * power(base, -beta)  # dy y is direct x
    return direct - 2 * alpha * beta * x * window_sum(direct * x / base)


def _window_sum(x: tf.Tensor, radius: int) -> tf.Tensor:
    """Sums the channels from c - radius to c + radius, those that exist."""
    depth = x.shape[-1]
    padded = tf.pad(x, ((0, 0), (radius, radius)))
    return tf.add_n([padded[:, first : first + depth] for first in range(2 * radius + 1)])


def power(base: tf.Tensor, exponent: float) -> tf.Tensor:
    """Returns base ** exponent; for the paper's beta by two roots, several times faster."""
    if exponent == -0.75:
        root = tf.math.rsqrt(base)
        return root * tf.sqrt(root)
    return tf.pow(base, exponent)


@keras.saving.register_keras_serializable("alexnet_tf")
class LocalResponseNorm(keras.layers.Layer):
    """Divides each activation by the energy of its neighbors across channels (paper, section 3.3).

    y[c] = x[c] / (bias + alpha * sum(x[c - radius : c + radius + 1] ** 2)) ** beta

    Args:
      radius: channels counted to each side; the paper's n = 5 is radius 2.
      bias, alpha, beta: the paper's k, alpha, beta. alpha multiplies the raw sum; the 2012
        program divided it by n, so its run is alpha=2e-5.
      groups: parts of the channels (the towers) that are normalized separately.

    Call: float [N, H, W, C] -> the same shape.
    """

    def __init__(self, radius=2, bias=2.0, alpha=1e-4, beta=0.75, groups=1, **kwargs):
        """Refuses a radius or groups below 1."""
        super().__init__(**kwargs)
        if radius < 1:
            raise ValueError(f"radius={radius}: expected at least 1.")
        if groups < 1:
            raise ValueError(f"groups={groups}: expected at least 1.")
        self.radius, self.bias, self.alpha, self.beta = radius, bias, alpha, beta
        self.groups = groups

    def build(self, input_shape):
        """Refuses channels that `groups` does not divide."""
        check_divides(self.groups, "channels", input_shape[-1])

    def call(self, x, training=False):
        """Normalizes each group by itself, where `x` has groups."""
        constants = (self.radius, self.bias, self.alpha, self.beta)

        def normalize(x, groups):
            return local_response_norm(x, *constants, groups, training)

        if num_groups(x) == self.groups:
            return join_groups([normalize(part, 1) for part in split_groups(x, self.groups)])
        return normalize(x, self.groups)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments of `__init__`."""
        names = ("radius", "bias", "alpha", "beta", "groups")
        return super().get_config() | {name: getattr(self, name) for name in names}
