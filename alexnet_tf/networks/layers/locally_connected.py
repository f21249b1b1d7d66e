"""A convolution whose weights differ from place to place."""

import keras
import tensorflow as tf

from alexnet_tf.networks.layers.convolution import BaseConvolution, add_bias


@keras.saving.register_keras_serializable("alexnet_tf")
class LocallyConnected(BaseConvolution):
    """A convolution with separate kernels and biases at every place (cuda-convnet's `local`).

    Keras 3 has none.

    Args: as in `BaseConvolution`.

    Call: float [N, H, W, C] -> float [N, H', W', filters]. Kernel: [H', W', k * k * C, filters].
    """

    def weight_shapes(self, input_shape):
        """Returns the shapes of kernels and biases, one of each for every place."""
        _, height, width, _ = self.compute_output_shape(input_shape)
        inputs = self.kernel_size**2 * input_shape[-1]
        return (height, width, inputs, self.filters), (height, width, self.filters)

    def call(self, x, training=False):
        """Multiplies the patches at each place by its kernel."""
        x = tf.pad(x, ((0, 0), *self.padding, (0, 0)))
        height, width = self.kernel.shape[:2]
        gather = _compiled_patches if training else _patches
        patches = gather(x, self.kernel_size, self.stride, height, width)
        y = tf.transpose(tf.matmul(patches, self.kernel), [2, 0, 1, 3])
        return self.activation(add_bias(y, self.bias, training) if self.use_bias else y)


def _patches(x, side: int, stride: int, height: int, width: int):
    """Gathers the patch at each place: [N, H, W, C] -> [height, width, N, side * side * C]."""
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


_compiled_patches = tf.function(_patches, jit_compile=True, autograph=False)
"""In training: TensorFlow's gradient of a slice takes longer than all the rest (TF 2.21, CPU)."""
