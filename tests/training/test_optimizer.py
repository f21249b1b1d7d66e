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
    assert not np.any(rule.momentums[0])
    rule.hold(tf.constant(False))
    rule.apply_gradients(zip(ones, dense.trainable_variables, strict=True))
    np.testing.assert_allclose(before[1] - 0.1, dense.get_weights()[1], rtol=1e-6)


def test_the_optimizer_round_trips_through_its_config():
    rule = PaperSGD(0.2, momentum=0.8, decay=0.1, bias_rate=3.0, bias_decay=0.2)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(rule))
    assert again.get_config() == rule.get_config()
