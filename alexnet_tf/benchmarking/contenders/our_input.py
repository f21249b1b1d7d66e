"""What this project does between files and the network, whole and stage by stage."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from alexnet_tf.benchmarking.contenders import on_tensorflow
from alexnet_tf.benchmarking.sources import of_spec
from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work
from alexnet_tf.training.strategy import make_strategy
from pipelines.config import DataConfig
from pipelines.dataset import train_dataset
from pipelines.decode import decode, to_square
from pipelines.packing.settings import QUALITY
from pipelines.parallelism import decoding
from pipelines.preprocess import preprocess
from pipelines.squares import on_threads

LEAST_STEPS = 4
"""Batches in a round: one more or less that is ready in advance changes little."""


def windows(spec: Spec, is_augmented: bool = True) -> Work:
    """The chain of `train`, to batches of uint8 windows."""
    batches = iter(_chain(spec, is_augmented))
    return _repeated(spec, lambda: next(batches))


def floats(spec: Spec) -> Work:
    """The same, and what runs first on the device: to what the first layer sees."""
    batches, inputs = iter(_chain(spec, is_augmented=True)), spec.config.network.input

    @tf.function(autograph=False)
    def first(batch):
        return preprocess(batch.image, inputs, batch.shift)

    return _repeated(spec, lambda: first(next(batches)))


def stage(spec: Spec, name: str) -> Work:
    """One plain map as far as a stage; what it makes stays where it is.

    Args:
      spec: what to measure.
      name: read; decoded; checked, which looks at the header first; squares; packed, which encodes
        the square as `pipelines.prepare` does.
    """
    source, data, inputs = of_spec(spec), spec.config.data, spec.config.network.input

    def done(index: tf.Tensor) -> tf.Tensor:
        if spec.has_squares:  # nothing is decoded: there is this stage alone
            square, label, _ = source.square(index)
            return tf.cast(square[0, 0, 0], tf.int32) + label
        encoded, label = source.read(index)
        if name == "read":
            return tf.strings.length(encoded) + label
        if name == "checked":
            image = decode(encoded, inputs.orientation, data.max_pixels)
        else:
            image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
        if name in ("squares", "packed"):
            image = to_square(image, inputs.resize, inputs.resize_rule, inputs.resize_filter)
        if name == "packed":
            return tf.strings.length(tf.io.encode_jpeg(image, quality=QUALITY)) + label
        return tf.cast(image[0, 0, 0], tf.int32) + label

    how = decoding(data.max_pixels)
    ds = tf.data.Dataset.range(source.num_examples).repeat()
    ds = ds.map(done, how.threads, deterministic=True).batch(spec.config.run.global_batch_size)
    batches = iter(on_threads(ds, how).prefetch(1))
    return _repeated(spec, lambda: next(batches))


def _chain(spec: Spec, is_augmented: bool) -> tf.data.Dataset:
    """Batches for training."""
    data, inputs, run = spec.config.data, spec.config.network.input, spec.config.run
    if not is_augmented:
        off = DataConfig(random_crop=False, mirror=False, color_noise=0.0)
        data = dataclasses.replace(off, max_megapixels=data.max_megapixels)
    return train_dataset(of_spec(spec), data, inputs, run.seed, 0, run.global_batch_size)


def _repeated(spec: Spec, do: Callable[[], object]) -> Work:
    """Work of which one step is one batch."""
    device = on_tensorflow.device_of(make_strategy(spec.config.run))
    return on_tensorflow.repeated(device, spec.config.run.global_batch_size, do, LEAST_STEPS)
