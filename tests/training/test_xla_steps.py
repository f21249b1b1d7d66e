"""What a TPU would run, compiled by XLA on the CPU: exact steps and evaluation, real launches.

XLA takes static shapes alone, and no strings or files, as a TPU does. No TPU was used.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_replicas import SMOOTH

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Precision
from alexnet_tf.machine import computes_in
from alexnet_tf.training import device_loop, steps
from alexnet_tf.training.evaluation import Evaluator
from alexnet_tf.training.state import TrainState
from alexnet_tf.training.strategy import make_strategy
from alexnet_tf.training.task import classification
from pipelines.sources import open_source

NUM_STEPS = 6


def config_of(pictures, precision, **settings):
    """Configures dropout, clipping and two parts a step as well."""
    settings = {"accumulate_steps": 2, "seed": 1, "precision": precision} | settings
    config = tiny.with_network(
        tiny.config(pictures, "nowhere", **settings), num_classes=3, **SMOOTH
    )
    rule = OptimizerConfig(learning_rate=0.02, schedule="constant", clip_norm=0.5)
    return dataclasses.replace(config, optimizer=rule)


def compiled(task):
    """Makes a task whose step XLA compiles as a whole, update included."""

    def train_step(state, batch, step, scale):
        whole = tf.function(
            lambda batch, step, scale: task.train_step(state, batch, step, scale),
            jit_compile=True,
            autograph=False,
        )
        return whole(batch, step, scale)

    return dataclasses.replace(task, train_step=train_step)


def after_launches(config, source, change=lambda task: task):
    """Makes steps in two launches; returns weights, momenta, sums and loss scale."""
    strategy = make_strategy(config.run)
    task = change(classification(config, source))
    state = TrainState(config, strategy)
    launch = device_loop.Launcher(task, state, config, strategy, source)
    carried = device_loop.carried(task.counts(*task.zero), 1024.0, 0)
    half = NUM_STEPS // 2
    carried, _ = launch(1, [0.02] * half, carried)
    carried, said = launch(1 + half, [0.02] * (NUM_STEPS - half), carried)
    assert said.bad_step == 0
    sums = {name: np.asarray(x) for name, x in carried.sums._asdict().items()}
    return state.arrays() | sums | {"scale": np.asarray(carried.scale.value)}


@pytest.mark.parametrize(
    "precision, most",
    [
        ("float32", 1e-5),
        pytest.param("bfloat16", 2e-2, marks=pytest.mark.slow),
        pytest.param("float16", 2e-2, marks=pytest.mark.slow),
    ],
)
@pytest.mark.long
def test_launches_of_compiled_steps_end_like_those_of_others(pictures, precision, most):
    config = config_of(pictures, Precision(precision))
    source = open_source(config.data, "train", config.run.seed, inputs=config.network.input)
    plain, xla = (after_launches(config, source, change) for change in (lambda x: x, compiled))
    lost = dict.fromkeys(plain, 0.0)
    # Without such instructions TensorFlow rounds after other operations than XLA does. Both lose
    # about as much against float32, so they differ by up to twice that.
    if not computes_in(precision):
        exact = after_launches(config_of(pictures, Precision.FLOAT32), source)
        lost = {name: np.abs(plain[name] - exact[name]).max() for name in plain}
    first = TrainState(config, make_strategy(config.run)).arrays()
    assert np.abs(plain["fc8/kernel"] - first["fc8/kernel"]).max() > 100 * 1e-5  # it has moved
    for name in plain:
        scale = max(np.abs(plain[name]).max(), 1.0 if precision == "float32" else 1e-3)
        atol = max(most * scale, 2 * lost[name])
        np.testing.assert_allclose(xla[name], plain[name], rtol=0, atol=atol, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("views", ["center", "ten"])
@pytest.mark.parametrize("precision, most", [("float32", 1e-5), ("bfloat16", 2e-2)])
@pytest.mark.long
def test_a_compiled_evaluation_counts_the_same(pictures, monkeypatch, precision, most, views):
    config = config_of(pictures, Precision(precision))
    source = open_source(config.data, "val", config.run.seed, inputs=config.network.input)
    strategy = make_strategy(config.run)
    model = TrainState(config, strategy).model
    plain = Evaluator(model, source, config, strategy, views)()
    step = steps.eval_step

    def eval_step(model, config, batch, views, sets):
        whole = tf.function(
            lambda batch: step(model, config, batch, views, sets), jit_compile=True, autograph=False
        )
        return whole(batch)

    monkeypatch.setattr(steps, "eval_step", eval_step)
    xla = Evaluator(model, source, config, strategy, views)()
    assert xla.pop("loss") == pytest.approx(plain.pop("loss"), rel=most)
    assert xla == plain
