"""Gradients of large kernels summed over workers by their factors: a tenth of what is sent.

The gradient of a fully connected layer's kernel, [D, units], is the product of its inputs,
transposed, and the gradient of its outputs. Where a batch has far fewer rows than the kernel has,
workers send each other these rows and multiply all of them, each for itself, instead of summing
products. (Xie et al. 2014, "Distributed Machine Learning via Sufficient Factor Broadcasting".)
"""

import contextlib

import tensorflow as tf

from alexnet_tf.config.run import Collectives, RunConfig, StrategyName
from alexnet_tf.networks.layers.dense import Product, products


def watched(run: RunConfig) -> contextlib.AbstractContextManager[list[Product]]:
    """Collects the products that this run may send as factors; none where it sends sums.

    Args:
      run: the run's settings. GPUs sum faster than they multiply for each other, and towers have
        the halves of a kernel on two devices.
    """
    is_ring = run.collectives != Collectives.NCCL and not tf.config.list_logical_devices("GPU")
    if run.strategy == StrategyName.MULTI_WORKER and run.towers == 1 and is_ring:
        return products()
    return contextlib.nullcontext([])


def gradient_of_all(product: Product, gradient: tf.Tensor) -> tf.Tensor:
    """Computes a kernel's gradient over the rows of all workers: it needs no sum any more.

    Args:
      product: of this replica.
      gradient: that of its `y`, [N, units].

    Returns:
      [D, units].
    """
    context = tf.distribute.get_replica_context()

    def of_all(rows):  # collectives know no bfloat16 (TF 2.21)
        return tf.cast(context.all_gather(tf.cast(rows, tf.float32), axis=0), rows.dtype)

    return tf.matmul(of_all(product.x), of_all(gradient), transpose_a=True)
