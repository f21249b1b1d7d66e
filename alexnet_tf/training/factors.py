"""Gradients of large kernels summed over workers by their factors: a tenth of what is sent.

The gradient of a fully connected layer's kernel, [D, units], is the product of its inputs,
transposed, and the gradient of its outputs. Where a batch has far fewer rows than the kernel has,
workers send each other these rows and multiply all of them, each for itself, instead of summing
products. (Xie et al. 2014, "Distributed Machine Learning via Sufficient Factor Broadcasting".)
"""

import contextlib
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.config.run import Collectives, RunConfig, StrategyName
from alexnet_tf.networks.layers.dense import Dense, Product, products
from alexnet_tf.training.parts import sends_factors


class Factors(NamedTuple):
    """What a kernel's gradient is the product of: it is the sum over the rows."""

    x: tf.Tensor
    """[N, D]; or a TensorArray of the parts of a batch."""
    dy: tf.Tensor
    """[N, units]; or a TensorArray."""


def factored_kernels(model: keras.Model, run: RunConfig) -> dict[int, tf.DType]:
    """Finds the kernels whose gradients this run sends as factors, none where it sends sums.

    GPUs sum faster than they multiply for each other, and towers have the halves of a kernel on two
    devices.

    Args:
      model: the network.
      run: the run's settings.

    Returns:
      by the id of the Keras variable, the dtype of its factors.
    """
    is_ring = run.collectives != Collectives.NCCL and not tf.config.list_logical_devices("GPU")
    if run.strategy != StrategyName.MULTI_WORKER or run.towers == 2 or not is_ring:
        return {}
    layers = [x for x in model.layers if isinstance(x, Dense) and x.trainable]
    return {
        id(layer.kernel): tf.as_dtype(layer.compute_dtype)
        for layer in layers
        if sends_factors(layer.kernel.shape, run.global_batch_size)
    }


def watched(kernels: dict[int, tf.DType]) -> contextlib.AbstractContextManager[list[Product]]:
    """Collects the products of fully connected layers, if there are `factored_kernels`."""
    return products() if kernels else contextlib.nullcontext([])


def in_parts(shape: tf.TensorShape, dtype: tf.DType, num_parts: int, num_rows: int) -> Factors:
    """Makes room for the factors of the parts of a batch.

    Args:
      shape: of the kernel, [D, units].
      dtype: of the factors.
      num_parts: how many parts.
      num_rows: rows of a part.
    """
    return Factors(*[tf.TensorArray(dtype, num_parts, element_shape=[num_rows, x]) for x in shape])


def gradient_of_all(factors: Factors) -> tf.Tensor:
    """Computes a kernel's gradient over the rows of all workers: it needs no sum any more.

    Not to be called in a loop or a branch inside a replica's step, where TensorFlow cannot gather.

    Args:
      factors: of this replica.

    Returns:
      [D, units], of the factors' dtype.
    """
    context = tf.distribute.get_replica_context()

    def of_all(rows):  # collectives know no bfloat16 (TF 2.21)
        return tf.cast(context.all_gather(tf.cast(rows, tf.float32), axis=0), rows.dtype)

    return tf.matmul(of_all(factors.x), of_all(factors.dy), transpose_a=True)
