"""Maximum and mean over windows that may overlap."""

import keras
import tensorflow as tf

from alexnet_tf.networks.layers.groups import join_groups, num_groups, split_groups
from alexnet_tf.networks.tables.shapes import windows


@keras.saving.register_keras_serializable("alexnet_tf")
class Pooling(keras.layers.Layer):
    """Takes the maximum or the mean over windows that may overlap (paper, section 3.4).

    Keras' own would join the groups of its input, and has no windows that reach over one edge.

    Args:
      size: side of the square window.
      stride: step of the window, down and right.
      is_mean: mean instead of maximum; at the edge, of what lies inside.
      round_up: whether a last window may reach over the right and lower edge.

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
        """Refuses sizes and strides below 1."""
        super().__init__(**kwargs)
        if min(size, stride) < 1:
            raise ValueError(f"size={size}, stride={stride}: expected at least 1 of each.")
        self.size, self.stride, self.is_mean, self.round_up = size, stride, is_mean, round_up

    def call(self, x):
        """Pools each group by itself where `x` has any."""
        return join_groups([self._pool(part) for part in split_groups(x, num_groups(x))])

    def _pool(self, x):
        """Pools one group; beyond the edge is minus infinity, or nothing to average."""
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
        """Computes by how much the last window reaches over a side."""
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
    """Returns height and width of [N, H, W, C]: numbers where they are known, else tensors."""
    known, now = x.shape[1:3], tf.shape(x)
    return [now[place + 1] if side is None else side for place, side in enumerate(known)]
