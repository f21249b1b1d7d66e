"""Batch normalization: against NumPy, on two devices, and in a run that is stopped."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf.config.run import RunConfig
from alexnet_tf.networks.layers.batch_norm import BatchNorm
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.serving import classifier
from alexnet_tf.training import checkpoint
from alexnet_tf.training.evaluation import evaluate
from alexnet_tf.training.run import run
from alexnet_tf.training.strategy import make_strategy
from pipelines.config import Views

SHAPES = [(8, 5, 4, 6), (8, 6)]


def random(shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(2.0, 3.0, shape).astype(np.float32)


def filled(momentum=0.75) -> BatchNorm:
    """Makes a layer for 6 channels with scale and offset other than the initial ones."""
    layer = BatchNorm(momentum, epsilon=1e-3)
    layer.build((None, 6))
    layer.gamma.assign(np.linspace(0.5, 2, 6))
    layer.beta.assign(np.linspace(-1, 1, 6))
    return layer


@pytest.mark.parametrize("shape", SHAPES)
def test_training_normalizes_by_the_batch_and_remembers_it(shape):
    layer, x = filled(), random(shape)
    axes = tuple(range(len(shape) - 1))
    mean, variance = x.mean(axes), x.var(axes)
    expected = (x - mean) / np.sqrt(variance + 1e-3) * layer.gamma + layer.beta
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.75 + 0.25 * variance, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_inference_normalizes_by_what_was_remembered(shape):
    layer, x = filled(), random(shape)
    layer.moving_mean.assign(np.arange(6))
    layer.moving_variance.assign(np.arange(1, 7))
    expected = (x - np.arange(6)) / np.sqrt(np.arange(1, 7) + 1e-3) * layer.gamma + layer.beta
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, np.arange(6))


@pytest.mark.parametrize("shape", SHAPES)
def test_two_devices_give_what_one_gives_gradients_too(shape):
    x, weights = random(shape), random(shape, seed=1)

    def pass_through(layer, x, weights):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            total = tf.reduce_sum(y * weights)
        return y, *tape.gradient(total, [x, layer.gamma.value, layer.beta.value])

    alone = filled()
    expected = pass_through(alone, tf.constant(x), weights)
    strategy = make_strategy(RunConfig(strategy="mirrored", devices=("cpu:0", "cpu:1")))
    with strategy.scope():
        layer = filled()
    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tuple(
            tf.constant(np.split(values, 2)[context.replica_id_in_sync_group])
            for values in (x, weights)
        )
    )
    run_both = tf.function(lambda parts: strategy.run(lambda a: pass_through(layer, *a), (parts,)))
    y, dx, dgamma, dbeta = map(strategy.experimental_local_results, run_both(parts))
    for one, both in zip(expected[:2], (y, dx), strict=True):
        np.testing.assert_allclose(one, tf.concat(both, 0), atol=1e-4)  # sums over 160 values
    for one, both in zip(expected[2:], (dgamma, dbeta), strict=True):
        np.testing.assert_allclose(one, tf.add_n(both), rtol=1e-4, atol=1e-4)
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_allclose(getattr(alone, name), getattr(layer, name), rtol=1e-5)


def test_bfloat16_keeps_the_statistics_in_float32():
    layer = BatchNorm(dtype="mixed_bfloat16")
    assert layer(tf.cast(random((8, 6)), tf.bfloat16), training=True).dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert not np.array_equal(layer.moving_mean, tf.cast(layer.moving_mean, tf.bfloat16))


def test_it_round_trips_and_refuses_a_momentum_that_learns_nothing():
    again = keras.layers.deserialize(keras.layers.serialize(filled()))
    assert (again.momentum, again.epsilon) == (0.75, 1e-3)
    with pytest.raises(ValueError, match="^momentum=1: expected 0 to below 1"):
        BatchNorm(momentum=1)


def config(pictures, run_dir, **values):
    return tiny.with_network(tiny.config(pictures, run_dir, **values), normalization="batch")


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("trained")
    run(config(pictures, run_dir, steps=4))
    return run_dir


@pytest.mark.long
def test_checkpoints_hold_moving_statistics_without_momentum(trained):
    names = set(checkpoint.load(trained, "last").arrays())
    assert {"norm1/gamma", "norm1/gamma/momentum", "norm1/moving_mean"} <= names
    assert {"norm7/moving_variance", "norm7/beta"} <= names
    assert not [x for x in names if "moving" in x and x.endswith("momentum")]
    assert "conv1/bias" not in names and "fc8/bias" in names


@pytest.mark.slow
def test_four_steps_equal_two_and_two_after_a_restart(pictures, tmp_path, trained):
    run(config(pictures, tmp_path, steps=2))
    run(config(pictures, tmp_path, steps=4))
    one, two = (checkpoint.load(x, "last").arrays() for x in (trained, tmp_path))
    assert np.abs(one["norm1/moving_mean"]).max() > 0
    tiny.assert_equal(one, two)


@pytest.mark.slow
def test_two_replicas_train_like_one_device(pictures, tmp_path, trained):
    place = {"strategy": "mirrored", "devices": ("cpu:0", "cpu:1")}
    run(config(pictures, tmp_path, steps=4, **place))
    one, two = (checkpoint.load(x, "last").arrays() for x in (trained, tmp_path))
    tiny.assert_equal(one, two, atol=1e-3)  # variances of some hundreds, to seven digits


def test_evaluation_and_export_use_the_moving_statistics(pictures, trained):
    stored = checkpoint.load(trained, "last")
    result = evaluate(stored, stored.config, Views.CENTER).result
    assert result["top1_error"] == stored.progress["evaluation"]["top1_error"]
    network, weights = stored.config.network, stored.weights()
    served = classifier.trained(network, weights, stored.classes)
    image = tf.cast(np.random.default_rng(0).integers(0, 256, (1, 67, 67, 3)), tf.uint8)
    fresh = weights | {
        name: np.zeros_like(x) for name, x in weights.items() if "moving_mean" in name
    }
    other = classifier.trained(network, fresh, stored.classes)
    difference = served.images(image)["logits"] - other.images(image)["logits"]
    assert np.abs(difference).max() > 1e-4


def test_named_weights_leave_out_what_is_not_trained_when_asked(pictures):
    from alexnet_tf.networks.alexnet import alexnet

    network = tiny.with_network(config(pictures, pictures), num_classes=3).network
    model = alexnet(network)
    every, trained = named_weights(model), named_weights(model, is_trained=True)
    assert list(every)[:5] == [
        *("conv1/kernel", "norm1/gamma", "norm1/beta"),
        *("norm1/moving_mean", "norm1/moving_variance"),
    ]
    assert [x for x in every if "moving" not in x] == list(trained)
