"""Layers that only LeNet-5 uses (LeCun et al. 1998)."""

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.networks.layers.convolution import NO_PADDING, BaseConvolution, add_bias


@keras.saving.register_keras_serializable("alexnet_tf")
def scaled_tanh(x):
    """Computes the activation of LeNet-5: 1.7159 tanh(2 x / 3)."""
    return 1.7159 * tf.tanh(x * (2 / 3))


@keras.saving.register_keras_serializable("alexnet_tf")
class SparseConvolution(BaseConvolution):
    """A convolution each of whose filters sees some channels only, without weights for the others.

    Args:
      kernel_size: side of the square kernel.
      connections: for each filter, the input channels that it sees.
      others: as in `BaseConvolution`; the kernel moves by one pixel, and there is no padding.

    Call: float [N, H, W, C] -> float [N, H', W', filters]. Kernel: [k * k, connections], filter by
    filter.
    """

    SIZES = ("kernel_size", "connections")

    def __init__(self, kernel_size: int, connections, *args, **kwargs):
        """Stores the connections."""
        super().__init__(len(connections), kernel_size, 1, NO_PADDING, *args, **kwargs)
        self.connections = tuple(tuple(int(i) for i in inputs) for inputs in connections)

    def weight_shapes(self, input_shape):
        """Returns one weight for each connection, and a bias for each filter."""
        return (self.kernel_size**2, sum(map(len, self.connections))), (self.filters,)

    def build(self, input_shape):
        """Finds the place of each weight in a dense kernel."""
        super().build(input_shape)
        channels, filters = input_shape[-1], self.filters
        pairs = [(c, f) for f, inputs in enumerate(self.connections) for c in inputs]
        self.places = np.zeros((len(pairs), channels * filters), np.float32)
        for number, (channel, filter_) in enumerate(pairs):
            self.places[number, channel * filters + filter_] = 1
        self.dense_shape = (self.kernel_size, self.kernel_size, channels, filters)

    def call(self, x, training=False):
        """Scatters the weights into a dense kernel, and convolves."""
        places = tf.constant(self.places, self.kernel.dtype)
        kernel = tf.reshape(tf.matmul(self.kernel, places), self.dense_shape)
        y = tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "VALID", data_format="NHWC")
        if self.use_bias:
            y = add_bias(y, self.bias, training)
        return self.activation(y)


@keras.saving.register_keras_serializable("alexnet_tf")
class Subsampling(keras.layers.Layer):
    """Means of 2x2 pixels, times a gain and plus a bias for each channel (LeNet-5's S2 and S4).

    The original took sums; its gain is ours divided by 4.

    Args:
      activation: name of a Keras activation that works on each element, or None.

    Call: float [N, H, W, C] -> float [N, H / 2, W / 2, C].
    """

    def __init__(self, activation: str | None = None, **kwargs):
        """Stores the activation."""
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        """Makes a gain and a bias for each channel."""
        self.gain = self.add_weight(input_shape[-1:], "ones", name="gain")
        self.bias = self.add_weight(input_shape[-1:], "zeros", name="bias")

    def call(self, x):
        """Takes means, scales, adds the bias and activates."""
        mean = tf.nn.avg_pool2d(x, 2, 2, "VALID", data_format="NHWC")
        mean, gain, bias = (tf.cast(each, tf.float32) for each in (mean, self.gain, self.bias))
        return self.activation(tf.cast(mean * gain + bias, x.dtype))  # sums of `add_bias`

    def compute_output_shape(self, input_shape):
        """Returns (N, H / 2, W / 2, C)."""
        return (input_shape[0], *(side and side // 2 for side in input_shape[1:3]), input_shape[3])

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {"activation": keras.activations.serialize(self.activation)}


# Seven columns and twelve rows for each digit, drawn by us in the manner of the paper's figure 3,
# whose own bitmaps are not available.
_DIGITS = (
    ".###... #...#.. #...#.. #...#.. #...#.. #...#.. #...#.. .###...",
    "..#.... .##.... #.#.... ..#.... ..#.... ..#.... ..#.... #####..",
    ".###... #...#.. ....#.. ...#... ..#.... .#..... #...... #####..",
    ".###... #...#.. ....#.. ..##... ....#.. ....#.. #...#.. .###...",
    "...#... ..##... .#.#... #..#... #####.. ...#... ...#... ...#...",
    "#####.. #...... #...... ####... ....#.. ....#.. #...#.. .###...",
    ".###... #...... #...... ####... #...#.. #...#.. #...#.. .###...",
    "#####.. ....#.. ...#... ...#... ..#.... ..#.... .#..... .#.....",
    ".###... #...#.. #...#.. .###... #...#.. #...#.. #...#.. .###...",
    ".###... #...#.. #...#.. #...#.. .####.. ....#.. ....#.. .###...",
)


def digit_codes() -> np.ndarray:
    """Returns the picture of each digit as +1 and -1, float32 [10, 84], 12 rows of 7."""
    rows = [["......."] * 2 + digit.split() + ["......."] * 2 for digit in _DIGITS]
    return np.array([[1 if x == "#" else -1 for x in "".join(row)] for row in rows], np.float32)


@keras.saving.register_keras_serializable("alexnet_tf")
class DigitDistance(keras.layers.Layer):
    """Minus the squared distance to the fixed picture of each digit: RBF units as logits.

    Call: float [N, 84] -> float [N, 10].
    """

    def call(self, x):
        """Returns minus the distances; softmax of them is the paper's MAP criterion."""
        codes = tf.constant(digit_codes(), x.dtype)
        return -tf.reduce_sum(tf.square(x[:, tf.newaxis] - codes), axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns (N, 10)."""
        return (input_shape[0], 10)
