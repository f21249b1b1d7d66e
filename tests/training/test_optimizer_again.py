"""One process, several models: the update rule must not hold on to the first one's variables."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.config.run import RunConfig
from alexnet_tf.training.optimizer import PaperSGD
from alexnet_tf.training.strategy import make_strategy

DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(6, 4)).astype(np.float32), DRAW.normal(size=(6, 4)).astype(np.float32)


def cell(jit_compile: bool, steps_per_execution: int = 1) -> list[np.ndarray]:
    """Runs what a cell of a notebook does; returns the weights."""
    layers = [keras.layers.Dense(4, kernel_initializer="ones") for _ in range(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(
        PaperSGD(0.01), "mse", jit_compile=jit_compile, steps_per_execution=steps_per_execution
    )
    model.fit(X, Y, batch_size=2, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("jit_compile, steps_per_execution", [(False, 3), (True, 1)])
@pytest.mark.long
def test_a_cell_runs_again_after_its_model_was_cleared(jit_compile, steps_per_execution):
    first = cell(jit_compile, steps_per_execution)
    keras.utils.clear_session()
    gc.collect()
    again = cell(jit_compile, steps_per_execution)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_models_train_in_turn_each_with_its_velocities():
    rules, variables = [PaperSGD(1.0, momentum=0.5, decay=0.0) for _ in range(2)], []
    for rule in rules:
        variables.append(keras.Variable(np.zeros(3, np.float32), name="kernel"))
        rule.build(variables[-1:])
    for _ in range(2):
        for size, rule, variable in zip((1.0, 2.0), rules, variables, strict=True):
            rule.apply_gradients([(tf.fill([3], size), variable)])
    assert [float(variable[0]) for variable in variables] == [-2.5, -5.0]


@pytest.mark.long
def test_the_next_model_trains_under_mirrored_replicas():
    strategy = make_strategy(RunConfig(strategy="mirrored", devices=("cpu:0", "cpu:1")))
    for _ in range(2):
        with strategy.scope():
            variables = [keras.Variable(np.zeros(3, np.float32), name="kernel") for _ in range(2)]
            rule = PaperSGD(1.0, momentum=0.5, decay=0.0)
            rule.build(variables)

        def step(rule=rule, variables=variables):
            gradients = [tf.fill([3], float(2**i) / 2) for i in range(2)]
            rule.apply_gradients(zip(gradients, variables, strict=True))

        tf.function(lambda step=step: strategy.run(step))()
        assert [float(variable.numpy()[0]) for variable in variables] == [-1, -2]
        del variables, rule, step
        gc.collect()


@pytest.mark.long
def test_a_model_in_half_precision_trains_with_keras_own_loss_scale():
    for _ in range(2):
        dense = keras.layers.Dense(4, dtype="mixed_float16")
        model = keras.Sequential([keras.Input((4,)), dense])
        model.compile(keras.optimizers.LossScaleOptimizer(PaperSGD(0.01)), "mse")
        before = [model.fit(X, Y, epochs=1, verbose=0).history["loss"][0] for _ in range(5)]
        assert before[-1] < before[0]
        del dense, model
        gc.collect()


def test_the_learning_rate_keeps_all_bits_whatever_keras_json_says():
    keras.config.set_floatx("float16")
    try:
        assert PaperSGD(0.01).learning_rate.dtype == "float32"
        assert keras.config.floatx() == "float16"
    finally:
        keras.config.set_floatx("float32")
