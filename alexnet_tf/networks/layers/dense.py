"""Fully connected layers."""

import contextlib
import threading
from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.networks.layers.convolution import add_bias

MANY_WEIGHTS = 2**20
"""Of a kernel. Below, nothing is gained, and the bits stay those of version 0.1."""


_thread = threading.local()


class Product(NamedTuple):
    """What the gradient of a kernel is made of: that of `y` by the transposed `x`."""

    kernel: keras.Variable
    """[D, units]."""
    x: tf.Tensor
    """[N, D]."""
    y: tf.Tensor
    """[N, units], before the bias."""


@contextlib.contextmanager
def products() -> Iterator[list[Product]]:
    """Collects the products of all fully connected layers that train inside it, on this thread."""
    outer = getattr(_thread, "products", None)
    _thread.products = found = []
    try:
        yield found
    finally:
        _thread.products = outer


@keras.saving.register_keras_serializable("alexnet_tf")
class Dense(keras.layers.Dense):
    """Keras' fully connected layer, with a gradient of its input that is faster in float32.

    Call: float [N, D] -> float [N, units].
    """

    def call(self, inputs, training=None):
        """Multiplies by the kernel, adds the bias and activates."""
        if not training:
            return super().call(inputs, training=training)
        found = getattr(_thread, "products", None)
        product = _product if self.compute_dtype == "float32" else tf.matmul
        y = product(inputs, tf.convert_to_tensor(self.kernel))
        if found is not None and self.kernel.trainable:
            found.append(Product(self._kernel, inputs, y))
        return self.activation(add_bias(y, self.bias, training) if self.use_bias else y)


@tf.custom_gradient
def _product(x, kernel):
    """Returns x [N, D] times kernel [D, units]."""

    def gradient(dy):
        if kernel.shape.num_elements() < MANY_WEIGHTS:
            dx = tf.matmul(dy, kernel, transpose_b=True)
        else:
            # As a batch of one product, which another kernel makes, in a third of the time: the
            # plain product by a transposed kernel takes a twentieth of a step (TF 2.21, CPU).
            dx = tf.matmul(dy[tf.newaxis], kernel[tf.newaxis], transpose_b=True)[0]
        return dx, tf.matmul(x, dy, transpose_a=True)

    return tf.matmul(x, kernel), gradient
