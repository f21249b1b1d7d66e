"""Seeds and initial weights that depend on names, so that adding a layer changes no other."""

import zlib

import keras
import numpy as np
import tensorflow as tf


def named_seed(seed: int, name: str, number: int | tf.Tensor = 0) -> tf.Tensor:
    """Makes the seed of a stateless draw from all that the draw may depend on.

    Args:
      seed: the run's seed, 0 to 2**32 - 1.
      name: name of what is drawn; equal names draw equal values, in every process.
      number: int64 []; numbers the draws of one name, such as the step.

    Returns:
      int64 [2].
    """
    word = np.uint64(zlib.crc32(name.encode()) << 32 | seed).astype(np.int64)
    return tf.stack([tf.constant(word), tf.cast(number, tf.int64)])


@keras.saving.register_keras_serializable("alexnet_tf")
class NamedNormal(keras.initializers.Initializer):
    """Draws normal values that depend on (seed, layer) alone: adding a layer changes no other.

    Args:
      stddev: standard deviation; the mean is 0, and the normal is not truncated.
      seed: the run's seed, 0 to 2**32 - 1.
      layer_name: name of the layer whose kernel is drawn.
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
class NamedUniform(NamedNormal):
    """Draws uniform values from -limit to limit, by (seed, layer) as NamedNormal does.

    Args:
      limit: largest value.
      seed: the run's seed, 0 to 2**32 - 1.
      layer_name: name of the layer, or of its biases.
    """

    def __init__(self, limit: float, seed: int, layer_name: str):
        """Keeps what the values depend on."""
        super().__init__(limit, seed, layer_name)

    def __call__(self, shape, dtype=None):
        """Returns float values of `shape`, the same for every call."""
        seed = named_seed(self.seed, f"initial/{self.layer_name}")
        values = tf.random.stateless_uniform(
            shape, seed, -self.stddev, self.stddev, dtype=tf.float32, alg="philox"
        )
        return tf.cast(values, dtype or "float32")

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return {"limit": self.stddev, "seed": self.seed, "layer_name": self.layer_name}
