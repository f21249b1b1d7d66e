"""Pooling to a fixed number of values, for pictures of any size."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("alexnet_tf")
class SpatialPyramid(keras.layers.Layer):
    """Takes maxima over a picture's parts, so that any size gives one length (He et al. 2014).

    Level n divides height and width into n parts: part i reaches from floor(i H / n) to
    ceil((i + 1) H / n).

    Args:
      levels: parts down and right, for each level.

    Call: float [N, H, W, C] -> float [N, C * sum(n * n)], level by level, row by row.
    """

    def __init__(self, levels=(6, 3, 2, 1), **kwargs):
        """Refuses levels below 1, and none at all."""
        super().__init__(**kwargs)
        if not levels or min(levels) < 1:
            raise ValueError(f"levels={levels}: expected numbers from 1 on.")
        self.levels = tuple(levels)

    def call(self, x):
        """Slices each part and takes its maximum."""
        height, width = tf.shape(x)[1], tf.shape(x)[2]
        parts = [
            tf.reduce_max(
                x[
                    :,
                    row * height // level : -(-(row + 1) * height // level),
                    column * width // level : -(-(column + 1) * width // level),
                ],
                axis=[1, 2],
            )
            for level in self.levels
            for row in range(level)
            for column in range(level)
        ]
        return tf.concat(parts, axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns (N, units)."""
        return (input_shape[0], input_shape[-1] * sum(level**2 for level in self.levels))

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {"levels": self.levels}
