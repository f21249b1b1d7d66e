"""The paper's update rule against NumPy, over a change of the learning rate."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.training.optimizer import PaperSGD, optimizer

RATES = [0.1] * 4 + [0.01] * 4
CONFIGS = [
    OptimizerConfig(),
    OptimizerConfig(weight_decay=0.05, bias_rate=2.0),
    OptimizerConfig(weight_decay=0.0, bias_decay=0.1, momentum=0.0),
]


def layer(draw):
    dense = keras.layers.Dense(3)
    dense.build((None, 5))
    dense.set_weights([draw.normal(size=(5, 3)), draw.normal(size=3)])
    return dense


def by_numpy(w, gradients, config, is_bias):
    rate_factor = config.bias_rate if is_bias else 1
    decay = config.bias_decay if is_bias else config.weight_decay
    v = np.zeros_like(w)
    for rate, g in zip(RATES, gradients, strict=True):
        v = config.momentum * v - rate * rate_factor * decay * w - rate * rate_factor * g
        w = w + v
    return w


def lamb_by_numpy(w, gradients, config, is_bias):
    """Algorithm 2 of You et al. 2019, with the identity as phi."""
    decay = config.bias_decay if is_bias else config.weight_decay
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, (rate, g) in enumerate(zip(RATES, gradients, strict=True), start=1):
        m = config.momentum * m + (1 - config.momentum) * g
        v = config.second_momentum * v + (1 - config.second_momentum) * g**2
        r = m / (1 - config.momentum**t) / (np.sqrt(v / (1 - config.second_momentum**t)) + 1e-6)
        r = r + decay * w
        ratio = 1 if is_bias else np.linalg.norm(w) / np.linalg.norm(r)
        w = w - rate * (config.bias_rate if is_bias else 1) * ratio * r
    return w


def updated(config, starts, gradients):
    """Eight updates of a layer; returns its variables and the optimizer."""
    dense = keras.layers.Dense(3)
    dense.build((None, 5))
    dense.set_weights(starts)
    rule = optimizer(config)
    for rate, step in zip(RATES, gradients, strict=True):
        rule.build(dense.trainable_variables)
        rule.learning_rate.assign(rate)
        given = [tf.constant(g, tf.float32) for g in step]
        rule.apply_gradients(zip(given, dense.trainable_variables, strict=True))
    return [x.numpy() for x in dense.trainable_variables], rule


@pytest.fixture
def work():
    draw = np.random.default_rng(0)
    starts = [draw.normal(size=shape) for shape in ((5, 3), (3,))]
    return starts, [[draw.normal(size=x.shape) for x in starts] for _ in RATES]


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_eight_updates_of_lamb_are_the_papers(work, decay):
    config = OptimizerConfig(rule="lamb", weight_decay=decay, bias_rate=2.0, second_momentum=0.99)
    found, rule = updated(config, *work)
    starts, gradients = work
    for i in range(2):
        expected = lamb_by_numpy(starts[i], [g[i] for g in gradients], config, is_bias=i == 1)
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-5)
    assert list(rule.slots) == ["momentum", "second_moment"]


def test_sgdw_decays_beside_the_velocity(work):
    found, _ = updated(OptimizerConfig(rule="sgdw", weight_decay=0.05), *work)
    starts, gradients = work
    for i, decay in enumerate([0.05, 0.0]):
        w, v = starts[i], np.zeros_like(starts[i])
        for rate, g in zip(RATES, gradients, strict=True):
            w = w * (1 - rate * decay)  # as torch.optim.AdamW does
            v = 0.9 * v - rate * g[i]
            w = w + v
        np.testing.assert_allclose(found[i], w, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["paper", "sgdw", "lamb"])
def test_averages_follow_the_weights_faster_at_the_start(work, rule):
    starts, gradients = work
    config = OptimizerConfig(rule=rule, average=0.5)
    expected = None
    dense = keras.layers.Dense(3)
    dense.build((None, 5))
    dense.set_weights(starts)
    made = optimizer(config)
    for t, (rate, step) in enumerate(zip(RATES, gradients, strict=True)):
        made.build(dense.trainable_variables)
        made.learning_rate.assign(rate)
        given = [tf.constant(g, tf.float32) for g in step]
        made.apply_gradients(zip(given, dense.trainable_variables, strict=True))
        w = dense.kernel.numpy()
        kept = min(0.5, t / (t + 10))
        expected = w if expected is None else kept * expected + (1 - kept) * w
        np.testing.assert_allclose(made.slots["average"][0].numpy(), expected, rtol=1e-5)
    made.hold(tf.constant(True))
    before = [slot.numpy() for slots in made.slots.values() for slot in slots]
    made.apply_gradients(zip(given, dense.trainable_variables, strict=True))
    after = [slot.numpy() for slots in made.slots.values() for slot in slots]
    np.testing.assert_array_equal(w, dense.kernel.numpy())
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("config", CONFIGS)
def test_eight_updates_are_the_papers(config):
    draw = np.random.default_rng(0)
    dense = layer(draw)
    rule = optimizer(config)
    starts = [x.numpy().astype(np.float64) for x in dense.trainable_variables]
    gradients = [[draw.normal(size=x.shape) for x in starts] for _ in RATES]
    for rate, step in zip(RATES, gradients, strict=True):
        rule.learning_rate.assign(rate)
        given = [tf.constant(g, tf.float32) for g in step]
        rule.apply_gradients(zip(given, dense.trainable_variables, strict=True))
    for i, variable in enumerate(dense.trainable_variables):
        expected = by_numpy(starts[i], [g[i] for g in gradients], config, is_bias=i == 1)
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_decay_alone_leaves_what_the_papers_rule_leaves():
    dense = keras.layers.Dense(1)
    dense.build((None, 1))
    dense.set_weights([np.ones((1, 1)), np.ones(1)])
    rule = PaperSGD(0.01)

    @tf.function
    def decay():
        for _ in tf.range(2000):
            zeros = [tf.zeros_like(x.value) for x in dense.trainable_variables]
            rule.apply_gradients(zip(zeros, dense.trainable_variables, strict=True))

    rule.build(dense.trainable_variables)
    decay()
    assert float(dense.kernel[0, 0]) == pytest.approx(0.905, abs=1e-3)  # platform figure; SGD: .990
    assert float(dense.bias[0]) == 1.0


def test_a_held_update_changes_nothing_and_the_next_one_does():
    dense = layer(np.random.default_rng(0))
    rule = PaperSGD(0.1)
    rule.build(dense.trainable_variables)
    ones = [tf.ones_like(x.value) for x in dense.trainable_variables]
    before = dense.get_weights()
    rule.hold(tf.constant(True))
    rule.apply_gradients(zip(ones, dense.trainable_variables, strict=True))
    np.testing.assert_array_equal(before[0], dense.get_weights()[0])
    assert not np.any(rule.slots["momentum"][0])
    rule.hold(tf.constant(False))
    rule.apply_gradients(zip(ones, dense.trainable_variables, strict=True))
    np.testing.assert_allclose(before[1] - 0.1, dense.get_weights()[1], rtol=1e-6)


def test_the_optimizer_round_trips_through_its_config():
    rule = PaperSGD(0.2, momentum=0.8, decay=0.1, bias_rate=3.0, bias_decay=0.2, rule="lamb")
    again = keras.optimizers.deserialize(keras.optimizers.serialize(rule))
    assert again.get_config() == rule.get_config()
