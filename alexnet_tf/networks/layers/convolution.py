"""The base of all convolutions, and the one with groups of channels.

Independent of networks, strategies and files. Images are NHWC whatever `keras.json` says.
"""

import keras
import tensorflow as tf

from alexnet_tf.networks.layers.blocks import convolve_blocks, is_faster
from alexnet_tf.networks.layers.groups import check_divides, join_groups, split_groups

Padding = tuple[tuple[int, int], tuple[int, int]]
NO_PADDING: Padding = ((0, 0), (0, 0))


class BaseConvolution(keras.layers.Layer):
    """Base of all convolutions: window, kernel, bias, activation, and serialization.

    A subclass defines `weight_shapes` and `call`.

    Args:
      filters: channels of the output.
      kernel_size: side of the square kernel.
      stride: step of the kernel, down and right.
      padding: rows and columns of zeros: ((top, bottom), (left, right)).
      activation: name of a Keras activation that works on each element, or None.
      kernel_initializer, bias_initializer, use_bias: as in Keras.
    """

    SIZES = ("filters", "kernel_size", "stride", "padding")
    """Arguments of a subclass that `get_config` returns with those that all have."""

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: Padding = NO_PADDING,
        activation: str | None = None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        use_bias: bool = True,
        **kwargs,
    ):
        """Refuses filters, sizes and strides below 1."""
        super().__init__(**kwargs)
        if min(filters, kernel_size, stride) < 1:
            raise ValueError(
                f"filters={filters}, kernel_size={kernel_size}, stride={stride}: expected at least "
                "1 of each."
            )
        self.filters, self.kernel_size, self.stride = filters, kernel_size, stride
        self.padding = tuple((int(before), int(after)) for before, after in padding)
        self.activation, self.use_bias = keras.activations.get(activation), use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def weight_shapes(self, input_shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Returns the shapes of kernel and bias over an input [N, H, W, C]."""
        raise NotImplementedError

    def build(self, input_shape):
        """Makes kernel and bias."""
        kernel, bias = self.weight_shapes(input_shape)
        self.kernel = self.add_weight(kernel, self.kernel_initializer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(bias, self.bias_initializer, name="bias")

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
        names = (*self.SIZES, "use_bias")
        return super().get_config() | {name: getattr(self, name) for name in names} | serialized


def add_bias(y: tf.Tensor, bias: tf.Tensor, training: bool) -> tf.Tensor:
    """Adds a bias to each channel, each unit, or each of them at each place.

    Its gradient has to add in float32, or a sum no longer grows once it is so many times as large
    as what is added, 256 times in bfloat16. That of tf.nn.bias_add does so but in bfloat16, that of
    `+` but in float16 (TF 2.21, CPU).

    Args:
      y: float [N, H, W, C] or [N, C].
      bias: float [C] or [H, W, C].
      training: whether there will be a gradient; without one Grappler fuses tf.nn.bias_add.
    """
    bias = tf.cast(bias, y.dtype)
    if training and y.dtype == tf.bfloat16:
        return y + bias
    if len(bias.shape) > 1:
        return tf.cast(tf.cast(y, tf.float32) + tf.cast(bias, tf.float32), y.dtype)
    return tf.nn.bias_add(y, bias, data_format="NHWC")


@keras.saving.register_keras_serializable("alexnet_tf")
class Convolution(BaseConvolution):
    """Convolves each group of channels by itself, with explicit zero padding.

    Keras' own `Conv2D(groups=2)` trains several times slower on CPU and cannot be exported to every
    format (Keras 3.15).

    Args:
      groups: parts of the channels that do not see each other; divides filters and input channels.
      others: as in `BaseConvolution`.

    Call: float [N, H, W, C] -> float [N, H', W', filters]. Kernel: [k, k, C / groups, filters].
    """

    SIZES = (*BaseConvolution.SIZES, "groups")

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: Padding = NO_PADDING,
        groups: int = 1,
        *args,
        **kwargs,
    ):
        """Refuses filters that `groups` does not divide."""
        super().__init__(filters, kernel_size, stride, padding, *args, **kwargs)
        if groups < 1:
            raise ValueError(f"groups={groups}: expected at least 1.")
        check_divides(groups, "filters", filters)
        self.groups = groups

    def weight_shapes(self, input_shape):
        """Returns the shapes; refuses input channels that `groups` does not divide."""
        side, channels = self.kernel_size, input_shape[-1]
        check_divides(self.groups, "channels", channels)
        return (side, side, channels // self.groups, self.filters), (self.filters,)

    def call(self, x, training=False):
        """Convolves each group of `x` with its own kernels."""
        parts = zip(
            split_groups(x, self.groups),
            tf.split(self.kernel, self.groups, axis=-1),
            tf.split(self.bias, self.groups) if self.use_bias else [None] * self.groups,
            strict=True,
        )
        return join_groups([self._activated(*part, training) for part in parts])

    def _activated(self, x, kernel, bias, training):
        """Convolves one group, adds the bias and activates, so that Grappler can fuse the three."""
        if training and is_faster(x, self.stride):
            y = convolve_blocks(x, kernel, self.stride, self.padding)
        else:
            y = self._convolve(x, kernel)
        return self.activation(y if bias is None else add_bias(y, bias, training))

    def _convolve(self, x, kernel):
        """Convolves one group.

        Never explicit padding: oneDNN then computes neither gradient (TF 2.21).
        """
        same = ((self.kernel_size - 1) // 2, self.kernel_size // 2)
        padding = "SAME" if self.stride == 1 and self.padding == (same, same) else "VALID"
        if padding == "VALID":
            x = tf.pad(x, ((0, 0), *self.padding, (0, 0)))
        return tf.nn.conv2d(x, kernel, self.stride, padding, data_format="NHWC")
