"""Layers whose weights depend on the place: locally connected ones, and the spatial pyramid."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("alexnet_tf")
class LocallyConnected(keras.layers.Layer):
    """A convolution with kernels and biases of its own at every place (cuda-convnet's `local`).

    Keras 3 has none.

    Args:
      filters: channels of the output.
      kernel_size: side of the square kernel.
      stride: step of the kernel, down and right.
      padding: rows and columns of zeros: ((top, bottom), (left, right)).
      activation: name of a Keras activation that works on each element, or None.
      kernel_initializer, bias_initializer, use_bias: as in Keras.

    Call: float [N, H, W, C] -> float [N, H', W', filters]. Kernel: [H', W', k * k * C, filters].
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        padding=((0, 0), (0, 0)),
        activation: str | None = None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        use_bias: bool = True,
        **kwargs,
    ):
        """Keeps the arguments."""
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.stride = filters, kernel_size, stride
        self.padding = tuple((int(before), int(after)) for before, after in padding)
        self.activation, self.use_bias = keras.activations.get(activation), use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        """Makes a kernel for each place."""
        _, height, width, _ = self.compute_output_shape(input_shape)
        inputs = self.kernel_size**2 * input_shape[-1]
        shape = (height, width, inputs, self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        if self.use_bias:
            shape = (height, width, self.filters)
            self.bias = self.add_weight(shape, self.bias_initializer, name="bias")

    def call(self, x, training=False):
        """Multiplies the pictures' patches of each place with its kernel."""
        x = tf.pad(x, ((0, 0), *self.padding, (0, 0)))
        height, width = self.kernel.shape[:2]
        gather = _compiled_patches if training else _patches
        patches = gather(x, self.kernel_size, self.stride, height, width)
        y = tf.transpose(tf.matmul(patches, self.kernel), [2, 0, 1, 3])
        return self.activation(y + self.bias if self.use_bias else y)

    def compute_output_shape(self, input_shape):
        """Returns (N, H', W', filters)."""
        sides = [
            (side + sum(pad) - self.kernel_size) // self.stride + 1
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
        names = ("filters", "kernel_size", "stride", "padding", "use_bias")
        return super().get_config() | {name: getattr(self, name) for name in names} | serialized


def _patches(x, side: int, stride: int, height: int, width: int):
    """Gathers what each place sees: [N, H, W, C] -> [height, width, N, side * side * C]."""
    x = tf.transpose(x, [1, 2, 0, 3])  # places outside, so that slices are whole blocks
    bottom, right = ((size - 1) * stride + 1 for size in (height, width))
    return tf.concat(
        [
            x[top : top + bottom : stride, left : left + right : stride]
            for top in range(side)
            for left in range(side)
        ],
        axis=-1,
    )


_compiled_patches = tf.function(_patches, jit_compile=True)
"""In training: TensorFlow's gradient of a slice takes longer than all the rest (TF 2.21, CPU)."""
