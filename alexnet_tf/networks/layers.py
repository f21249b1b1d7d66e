"""The layers of 2012 that Keras lacks, or that it would run too slowly.

Nothing here knows a network, a strategy or a file. Images are NHWC whatever `keras.json` says.
"""

import contextlib
import threading
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.networks.lrn import local_response_norm

Padding = tuple[tuple[int, int], tuple[int, int]]


def named_seed(seed: int, name: str, number: int | tf.Tensor = 0) -> tf.Tensor:
    """Makes the seed of a stateless draw out of what the draw may depend on.

    Args:
      seed: of the run, 0 to 2**32 - 1.
      name: of what is drawn; equal names draw equal values, in every process.
      number: int64 []; tells the draws of one name apart, such as the step.

    Returns:
      int64 [2].
    """
    word = np.uint64(zlib.crc32(name.encode()) << 32 | seed).astype(np.int64)
    return tf.stack([tf.constant(word), tf.cast(number, tf.int64)])


@keras.saving.register_keras_serializable("alexnet_tf")
class NamedNormal(keras.initializers.Initializer):
    """Draws normal values that depend on (seed, layer) alone: adding a layer changes no other.

    Args:
      stddev: standard deviation; the mean is 0 and nothing is cut off.
      seed: of the run, 0 to 2**32 - 1.
      layer_name: of the layer whose kernel this is.
    """

    def __init__(self, stddev: float, seed: int, layer_name: str):
        """Keeps what the values depend on."""
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed={seed}: expected 0 to {2**32 - 1}.")
        self.stddev, self.seed, self.layer_name = stddev, seed, layer_name

    def __call__(self, shape, dtype=None):
        """Returns float values of `shape`, the same for every call."""
        seed = named_seed(self.seed, f"initial/{self.layer_name}")
        values = tf.random.stateless_normal(shape, seed, stddev=self.stddev, alg="philox")
        return tf.cast(values, dtype or "float32")

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return {"stddev": self.stddev, "seed": self.seed, "layer_name": self.layer_name}


@keras.saving.register_keras_serializable("alexnet_tf")
class LocalResponseNorm(keras.layers.Layer):
    """Divides each activation by the energy of its neighbors across channels (paper, section 3.3).

    y[c] = x[c] / (bias + alpha * sum(x[c - radius : c + radius + 1] ** 2)) ** beta

    Args:
      radius: channels counted to each side; the paper's n = 5 is radius 2.
      bias, alpha, beta: the paper's k, alpha, beta. alpha meets the raw sum; the 2012 program
        divided it by n, so its run is alpha=2e-5.
      groups: parts of the channels (the towers) that are normalised apart.

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
        """Refuses channels that the groups cannot share."""
        _check_divides(self.groups, "channels", input_shape[-1])

    def call(self, x, training=False):
        """Normalises in float32: there is no bfloat16 kernel, and XLA has no other (xla#43450)."""
        constants = (self.radius, self.bias, self.alpha, self.beta)
        y = local_response_norm(tf.cast(x, tf.float32), *constants, self.groups, training)
        return tf.cast(y, x.dtype)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments of `__init__`."""
        names = ("radius", "bias", "alpha", "beta", "groups")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("alexnet_tf")
class Convolution(keras.layers.Layer):
    """Convolves groups of channels apart, with explicit zero padding.

    Keras' own `Conv2D(groups=2)` trains several times slower on CPU and cannot be exported to every
    format (Keras 3.15).

    Args:
      filters: channels of the output.
      kernel_size: side of the square kernel.
      stride: step of the kernel, down and right.
      padding: rows and columns of zeros: ((top, bottom), (left, right)).
      groups: parts of the channels that do not see each other; divides filters and input channels.
      activation: name of a Keras activation that works on each element, or None.
      kernel_initializer, bias_initializer: as in Keras.

    Call: float [N, H, W, C] -> float [N, H', W', filters]. Kernel: [k, k, C / groups, filters].
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: Padding = ((0, 0), (0, 0)),
        groups: int = 1,
        activation: str | None = None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        """Refuses filters that the groups cannot share."""
        super().__init__(**kwargs)
        if min(filters, kernel_size, stride, groups) < 1:
            raise ValueError(
                f"filters={filters}, kernel_size={kernel_size}, stride={stride}, groups={groups}: "
                "expected at least 1 of each."
            )
        _check_divides(groups, "filters", filters)
        self.filters, self.kernel_size, self.stride = filters, kernel_size, stride
        self.padding = tuple((int(before), int(after)) for before, after in padding)
        self.groups = groups
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        """Makes kernel and bias; refuses channels that the groups cannot share."""
        _check_divides(self.groups, "channels", input_shape[-1])
        side, channels = self.kernel_size, input_shape[-1] // self.groups
        shape = (side, side, channels, self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        self.bias = self.add_weight((self.filters,), self.bias_initializer, name="bias")

    def call(self, x):
        """Convolves each group of `x` with its own kernels."""
        x, padding = self._pad(x)
        parts = zip(
            tf.split(x, self.groups, axis=-1),
            tf.split(self.kernel, self.groups, axis=-1),
            tf.split(self.bias, self.groups),
            strict=True,
        )
        return tf.concat([self._convolve(*part, padding) for part in parts], axis=-1)

    def _pad(self, x):
        """Returns `x` and the padding that is left to the convolution.

        Never explicit padding: it keeps oneDNN away from both gradients (TF 2.21).
        """
        same = ((self.kernel_size - 1) // 2, self.kernel_size // 2)
        if self.stride == 1 and self.padding == (same, same):
            return x, "SAME"
        return tf.pad(x, ((0, 0), *self.padding, (0, 0))), "VALID"

    def _convolve(self, x, kernel, bias, padding):
        """One group, whole up to its activation, so that Grappler can fuse the three."""
        y = tf.nn.conv2d(x, kernel, self.stride, padding, data_format="NHWC")
        return self.activation(tf.nn.bias_add(y, bias, data_format="NHWC"))

    def compute_output_shape(self, input_shape):
        """Returns (N, H', W', filters)."""
        sides = [
            None if side is None else (side + sum(pad) - self.kernel_size) // self.stride + 1
            for side, pad in zip(input_shape[1:3], self.padding, strict=True)
        ]
        return (input_shape[0], *sides, self.filters)

    def get_config(self):
        """Returns the arguments of `__init__`."""
        serialized = {
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
        names = ("filters", "kernel_size", "stride", "padding", "groups")
        return super().get_config() | {name: getattr(self, name) for name in names} | serialized


def _check_divides(groups: int, name: str, count: int) -> None:
    """Raises ValueError unless `groups` divides what is counted."""
    if count % groups:
        raise ValueError(
            f"groups={groups}: expected a divisor of {name}={count}. Change one of the two."
        )


class DropPosition(NamedTuple):
    """Which rows of which step's global batch a replica has in hand."""

    seed: int
    """Of the run, 0 to 2**32 - 1."""
    step: int | tf.Tensor
    """int64 [], counted from 1."""
    first_row: int | tf.Tensor
    """int []; the replica's first row in the global batch."""
    num_rows: int
    """Rows of the global batch."""


_thread = threading.local()


@contextlib.contextmanager
def drop_position(position: DropPosition) -> Iterator[None]:
    """Tells the Dropout layers called inside it, on this thread, whose masks to take."""
    outer = getattr(_thread, "position", None)
    _thread.position = position
    try:
        yield
    finally:
        _thread.position = outer


@keras.saving.register_keras_serializable("alexnet_tf")
class Dropout(keras.layers.Layer):
    """Drops activations by their position in the training (paper, section 4.2).

    Inside `drop_position` the mask of the whole global batch is a function of (seed, step, layer
    name), and a replica takes its rows of it: neither replicas nor a restart change the mask.
    Outside, as in `fit`, a Keras generator draws it.

    Args:
      rate: part of the activations that is dropped, 0 to below 1.
      mode: `program` drops in training and multiplies by 1 - rate at test, as in 2012; `inverted`
        divides what it keeps by 1 - rate in training and does nothing at test.

    Call: float [N, ...] -> the same shape.
    """

    def __init__(self, rate=0.5, mode="program", **kwargs):
        """Refuses rates and modes that mean nothing."""
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate}: expected 0 to below 1.")
        if mode not in ("program", "inverted"):
            raise ValueError(f"mode={mode!r}: expected 'program' or 'inverted'.")
        self.rate, self.mode = rate, str(mode)
        self.generator = keras.random.SeedGenerator()

    def call(self, x, training=False):
        """Drops in training, scales where the mode says so."""
        keep = 1 - self.rate
        if training:
            # The integers of all devices agree; XLA makes other floats of the same bits (TF 2.21).
            is_kept = self._bits(tf.shape(x)) >= tf.constant(round(self.rate * 2**32), tf.uint32)
            x = x * tf.cast(is_kept, x.dtype)
            return x / keep if self.mode == "inverted" else x
        return x * keep if self.mode == "program" else x

    def _bits(self, shape: tf.Tensor) -> tf.Tensor:
        """Draws uint32 of `shape`, all values equally often."""
        position = getattr(_thread, "position", None)
        num_rows, first_row = shape[0], 0
        if position is None:
            seed = tf.cast(self.generator.next(), tf.int64)
        else:
            seed = named_seed(position.seed, f"dropout/{self.name}", position.step)
            num_rows, first_row = position.num_rows, tf.cast(position.first_row, tf.int32)
        whole = tf.concat([[num_rows], shape[1:]], axis=0)
        bits = tf.random.stateless_uniform(whole, seed, None, None, dtype=tf.uint32, alg="philox")
        return tf.slice(bits, tf.concat([[first_row], tf.zeros_like(shape[1:])], axis=0), shape)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {"rate": self.rate, "mode": self.mode}
