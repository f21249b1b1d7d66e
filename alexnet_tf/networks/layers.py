"""The layers of 2012 that Keras lacks, or that it would run too slowly.

Nothing here knows a network, a strategy or a file. Images are NHWC whatever `keras.json` says.
"""

import keras
import tensorflow as tf

from alexnet_tf.networks.groups import check_divides, join_groups, num_groups, split_groups
from alexnet_tf.networks.lrn import local_response_norm
from alexnet_tf.networks.table import windows

Padding = tuple[tuple[int, int], tuple[int, int]]


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
        check_divides(self.groups, "channels", input_shape[-1])

    def call(self, x, training=False):
        """Normalises in float32: there is no bfloat16 kernel, and XLA has no other (xla#43450)."""
        constants = (self.radius, self.bias, self.alpha, self.beta)

        def normalize(x, groups):
            y = local_response_norm(tf.cast(x, tf.float32), *constants, groups, training)
            return tf.cast(y, x.dtype)

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
      kernel_initializer, bias_initializer, use_bias: as in Keras.

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
        use_bias: bool = True,
        **kwargs,
    ):
        """Refuses filters that the groups cannot share."""
        super().__init__(**kwargs)
        if min(filters, kernel_size, stride, groups) < 1:
            raise ValueError(
                f"filters={filters}, kernel_size={kernel_size}, stride={stride}, groups={groups}: "
                "expected at least 1 of each."
            )
        check_divides(groups, "filters", filters)
        self.filters, self.kernel_size, self.stride = filters, kernel_size, stride
        self.padding = tuple((int(before), int(after)) for before, after in padding)
        self.groups, self.use_bias = groups, use_bias
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        """Makes kernel and bias; refuses channels that the groups cannot share."""
        check_divides(self.groups, "channels", input_shape[-1])
        side, channels = self.kernel_size, input_shape[-1] // self.groups
        shape = (side, side, channels, self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), self.bias_initializer, name="bias")

    def call(self, x):
        """Convolves each group of `x` with its own kernels."""
        parts = zip(
            split_groups(x, self.groups),
            tf.split(self.kernel, self.groups, axis=-1),
            tf.split(self.bias, self.groups) if self.use_bias else [None] * self.groups,
            strict=True,
        )
        return join_groups([self._convolve(*part) for part in parts])

    def _convolve(self, x, kernel, bias):
        """One group, whole up to its activation, so that Grappler can fuse the three.

        Never explicit padding: it keeps oneDNN away from both gradients (TF 2.21).
        """
        same = ((self.kernel_size - 1) // 2, self.kernel_size // 2)
        padding = "SAME" if self.stride == 1 and self.padding == (same, same) else "VALID"
        if padding == "VALID":
            x = tf.pad(x, ((0, 0), *self.padding, (0, 0)))
        y = tf.nn.conv2d(x, kernel, self.stride, padding, data_format="NHWC")
        if bias is not None:
            y = tf.nn.bias_add(y, bias, data_format="NHWC")
        return self.activation(y)

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
        names = ("filters", "kernel_size", "stride", "padding", "groups", "use_bias")
        return super().get_config() | {name: getattr(self, name) for name in names} | serialized


@keras.saving.register_keras_serializable("alexnet_tf")
class Pooling(keras.layers.Layer):
    """Takes the maximum or the mean over windows that may overlap (paper, section 3.4).

    Keras' own would join the groups of its input, and has no windows that hang over one edge.

    Args:
      size: side of the square window.
      stride: step of the window, down and right.
      is_mean: mean instead of maximum; at the edge, of what lies inside.
      round_up: whether a last window may hang over the right and lower edge.

    Call: float [N, H, W, C] -> float [N, H', W', C].
    """

    def __init__(
        self,
        size: int = 3,
        stride: int = 2,
        is_mean: bool = False,
        round_up: bool = False,
        **kwargs,
    ):
        """Refuses windows and steps below 1."""
        super().__init__(**kwargs)
        if min(size, stride) < 1:
            raise ValueError(f"size={size}, stride={stride}: expected at least 1 of each.")
        self.size, self.stride, self.is_mean, self.round_up = size, stride, is_mean, round_up

    def call(self, x):
        """Pools each group by itself where `x` has any."""
        return join_groups([self._pool(part) for part in split_groups(x, num_groups(x))])

    def _pool(self, x):
        """One group. Windows that hang over see minus infinity, or count less."""
        over = [self._over(side) for side in sides(x)] if self.round_up else [0, 0]
        has_over = any(not isinstance(end, int) or end for end in over)
        pads = ((0, 0), (0, over[0]), (0, over[1]), (0, 0))
        if not self.is_mean:
            x = tf.pad(x, pads, constant_values=x.dtype.min) if has_over else x
            return tf.nn.max_pool2d(x, self.size, self.stride, "VALID", data_format="NHWC")
        if not has_over:
            return tf.nn.avg_pool2d(x, self.size, self.stride, "VALID", data_format="NHWC")
        inside = tf.pad(tf.ones((1, *sides(x), 1), x.dtype), pads)
        mean, part = (
            tf.nn.avg_pool2d(t, self.size, self.stride, "VALID", data_format="NHWC")
            for t in (tf.pad(x, pads), inside)
        )
        return mean / part

    def _over(self, side):
        """By how much the last window hangs over a side."""
        over = (self.size - side) % self.stride
        return over if isinstance(side, tf.Tensor) or over < self.size else 0

    def compute_output_shape(self, input_shape):
        """Returns (N, H', W', C)."""
        sides = [
            None if side is None else windows(side, self.size, self.stride, self.round_up)
            for side in input_shape[1:3]
        ]
        return (input_shape[0], *sides, input_shape[3])

    def get_config(self):
        """Returns the arguments of `__init__`."""
        names = ("size", "stride", "is_mean", "round_up")
        return super().get_config() | {name: getattr(self, name) for name in names}


def sides(x) -> list:
    """Height and width of [N, H, W, C]: numbers where they are known, else tensors."""
    known, now = x.shape[1:3], tf.shape(x)
    return [now[place + 1] if side is None else side for place, side in enumerate(known)]
