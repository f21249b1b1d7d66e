"""Batch normalization."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("alexnet_tf")
class BatchNorm(keras.layers.Layer):
    """Normalizes each channel by its mean and variance over the global batch, all replicas'.

    Keras' own is several times slower on CPU, and by default sees one replica's rows alone.

    Args:
      momentum: fraction of the moving statistics that a step keeps, 0 to below 1.
      epsilon: added to the variance.

    If `trainable` is False, its statistics stay, and it normalizes by them in training too.

    Call: float [N, ..., C] -> the same shape.
    """

    def __init__(self, momentum=0.9, epsilon=1e-5, **kwargs):
        """Refuses a momentum outside 0 to below 1."""
        super().__init__(**kwargs)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum={momentum}: expected 0 to below 1.")
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape):
        """Makes scale, offset and the two moving statistics."""
        shape = input_shape[-1:]
        # Keras would give them in the dtype of the arithmetic; statistics need all bits.
        self.gamma = self.add_weight(shape, "ones", autocast=False, name="gamma")
        self.beta = self.add_weight(shape, "zeros", autocast=False, name="beta")
        fixed = {"trainable": False, "autocast": False, "aggregation": "mean"}
        self.moving_mean = self.add_weight(shape, "zeros", name="moving_mean", **fixed)
        self.moving_variance = self.add_weight(shape, "ones", name="moving_variance", **fixed)

    def call(self, x, training=False):
        """Normalizes in float32: by the batch in training, by the moving statistics otherwise."""
        wide = tf.cast(x, tf.float32)
        gamma, beta = self.gamma.value, self.beta.value
        seen_mean, seen_variance = self.moving_mean.value, self.moving_variance.value
        if not (training and self.trainable):
            scale = gamma * tf.math.rsqrt(seen_variance + self.epsilon)
            return tf.cast(wide * scale + (beta - seen_mean * scale), x.dtype)
        y, mean, variance = self._by_batch(wide, gamma, beta)
        for moving, now in ((seen_mean, mean), (seen_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * tf.stop_gradient(now))
        return tf.cast(y, x.dtype)

    def _by_batch(self, x, gamma, beta):
        """Normalizes by the global batch: one replica by a fused operation, several by summing."""
        replicas = tf.distribute.get_replica_context()
        if replicas is None or replicas.num_replicas_in_sync == 1:
            picture = x if len(x.shape) == 4 else x[:, tf.newaxis, tf.newaxis]
            y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                picture, gamma, beta, epsilon=self.epsilon, data_format="NHWC", is_training=True
            )
            count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
            unbiased = tf.maximum(count, 2.0)  # the operation gives the unbiased variance
            return tf.reshape(y, tf.shape(x)), mean, variance * (unbiased - 1) / unbiased
        axes = list(range(len(x.shape) - 1))
        mean = replicas.all_reduce("mean", tf.reduce_mean(x, axes))
        # Not the mean of squares less the square of the mean: float32 loses what they share.
        variance = replicas.all_reduce("mean", tf.reduce_mean(tf.square(x - mean), axes))
        scale = gamma * tf.math.rsqrt(variance + self.epsilon)
        return x * scale + (beta - mean * scale), mean, variance

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {"momentum": self.momentum, "epsilon": self.epsilon}
