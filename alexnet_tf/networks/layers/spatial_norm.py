"""Response normalization over a square of one channel, as the 2012 program has it (rnorm)."""

import functools

import keras
import tensorflow as tf

from alexnet_tf.networks.layers.response_norm import gradient, normalized


@keras.saving.register_keras_serializable("alexnet_tf")
class SpatialResponseNorm(keras.layers.Layer):
    """Divides each activation by the energy of its channel around it (rnorm of the 2012 program).

    y = x / (bias + alpha * sum(x ** 2 over size x size)) ** beta; zeros lie beyond the edge.

    Args:
      size: side of the square, odd.
      bias, alpha, beta: constants; alpha multiplies the raw sum, while the 2012 program divided
        its alpha by size ** 2.

    Call: float [N, H, W, C] -> the same shape.
    """

    def __init__(self, size=5, bias=1.0, alpha=4e-5, beta=0.75, **kwargs):
        """Refuses sizes that are even or below 1."""
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"size={size}: expected an odd number.")
        self.size, self.bias, self.alpha, self.beta = size, bias, alpha, beta

    def call(self, x, training=False):
        """Normalizes in float32."""
        wide = tf.cast(x, tf.float32)
        y = _spatial(wide, (self.size, self.bias, self.alpha, self.beta), training)
        return tf.cast(y, x.dtype)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments of `__init__`."""
        names = ("size", "bias", "alpha", "beta")
        return super().get_config() | {name: getattr(self, name) for name in names}


def _square_sum(x: tf.Tensor, size: int) -> tf.Tensor:
    """Sums over squares around each pixel, a row and then a column at a time."""
    radius = size // 2
    x = tf.pad(x, ((0, 0), (radius, radius), (radius, radius), (0, 0)))
    ends = [(first, first - size + 1 or None) for first in range(size)]
    x = tf.add_n([x[:, first:end] for first, end in ends])
    return tf.add_n([x[:, :, first:end] for first, end in ends])


def _spatial(x, constants, training: bool):
    """Normalizes; in training with the exact gradient, both compiled as in `response_norm`."""
    if not training:
        return _forward(x, *constants)

    @tf.custom_gradient
    def normalize(x):
        return _compiled_forward(x, *constants), lambda dy: _compiled_backward(x, dy, *constants)

    return normalize(x)


def _forward(x, size, bias, alpha, beta):
    """Divides float32 [N, H, W, C]: x / base ** beta."""
    return normalized(x, functools.partial(_square_sum, size=size), bias, alpha, beta)


def _backward(x, dy, size, bias, alpha, beta):
    """Returns dx = dy / base ** beta - 2 alpha beta x sum(dy y / base), float32 [N, H, W, C]."""
    return gradient(x, dy, functools.partial(_square_sum, size=size), bias, alpha, beta)


_compiled_forward = tf.function(_forward, jit_compile=True, autograph=False)
_compiled_backward = tf.function(_backward, jit_compile=True, autograph=False)
