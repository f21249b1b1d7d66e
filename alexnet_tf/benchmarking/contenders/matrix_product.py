"""Products of square matrices, the fastest work of a device: an upper bound for any network."""

import tensorflow as tf

from alexnet_tf.benchmarking.contenders import on_tensorflow
from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work, timed
from alexnet_tf.networks.named_weights import compute_dtype
from alexnet_tf.training.strategy import make_strategy

SIDES = (1024, 2048, 4096, 8192, 16384)
"""Of the matrices that are tried; the fastest stands for the peak."""

LONG_SECONDS = 0.05
"""A product that lasts longer is large enough."""


def product(spec: Spec) -> Work:
    """Makes matrix products in the network's precision, of the size that is fastest here."""
    strategy = make_strategy(spec.config.run)
    device, dtype = on_tensorflow.device_of(strategy), compute_dtype(spec.config.run.precision)
    best, best_rate = None, 0.0
    for side in SIDES:
        work = _product(device, dtype, side)
        work.run(1)
        sample = timed(work, 2)
        if sample.rate > best_rate:
            best, best_rate = work, sample.rate
        if sample.seconds / 2 > LONG_SECONDS:
            break
    return best


def _product(device: str, dtype: str, side: int) -> Work:
    """Makes products of matrices of one size."""
    with tf.device(device):
        left, right = (
            tf.cast(tf.random.stateless_normal([side, side], [0, seed]), dtype) for seed in range(2)
        )

        @tf.function
        def multiply():
            return tf.matmul(left, right)

    def on_device():
        with tf.device(device):
            return multiply()

    return on_tensorflow.repeated(device, 2 * side**3, on_device)
