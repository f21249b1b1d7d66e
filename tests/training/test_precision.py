"""Arithmetic of the precisions: that it is what was asked for, and what guards float16."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.training import checkpoint, steps
from alexnet_tf.training.run import run
from alexnet_tf.training.state import FIRST_LOSS_SCALE, TrainState
from alexnet_tf.training.steps import GOOD_STEPS_TO_DOUBLE, MOST_SCALE, Scale
from alexnet_tf.training.strategy import make_strategy
from pipelines.dataset import Batch

ROWS = 4
DTYPES = {"bfloat16": tf.bfloat16, "float16": tf.float16, "tf32": tf.float32, "float32": tf.float32}
PRODUCTS = ("Conv2D", "Conv2DBackpropFilter", "Conv2DBackpropInput", "MatMul")
"""Operations that take nearly all of a step's time."""


class Steps:
    """Steps of a small network on given batches, outside of a run.

    Dropout is off, so that a step is a function of weights, velocities and batch alone.
    """

    def __init__(self, precision: str, devices=("cpu:0",)):
        many = {"strategy": "mirrored"} if len(devices) > 1 else {}
        config = tiny.config("nowhere", "nowhere", precision=precision, devices=devices, **many)
        config = tiny.with_network(config, num_classes=3, dropout="none")
        run_config = dataclasses.replace(config.run, global_batch_size=ROWS * len(devices))
        optimizer = OptimizerConfig(learning_rate=0.02, schedule="constant")
        self.config = dataclasses.replace(config, run=run_config, optimizer=optimizer)
        self.strategy = make_strategy(self.config.run)
        self.state = TrainState(self.config, self.strategy)
        self.state.optimizer.learning_rate.assign(0.02)

        def one(batch, scale):
            step = tf.constant(1, tf.int64)
            return steps.train_step(self.state, self.config, batch, step, scale)[1]

        self.graph = tf.function(lambda batch, scale: self.strategy.run(one, (batch, scale)))

    def batch(self, seed=0, noise=(0.0, 0.0), is_good=True):
        """Makes one Batch for each replica; `noise` is added to a replica's colors."""
        draw = np.random.default_rng(seed)
        images = draw.integers(0, 256, (2, ROWS, 67, 67, 3), np.uint8)
        labels = draw.integers(0, 3, (2, ROWS)).astype(np.int32)

        def of_replica(context):
            i = context.replica_id_in_sync_group
            shift = tf.fill([ROWS, 3], noise[i])
            index = tf.range(ROWS, dtype=tf.int64)
            return Batch(images[i], shift, labels[i], tf.fill([ROWS], is_good), index)

        return self.strategy.experimental_distribute_values_from_function(of_replica)

    def __call__(self, batch, value=2.0**10, good_steps=0) -> tuple[float, int]:
        """Makes a step; returns the next loss scale and its good steps, equal on all replicas."""
        scale = Scale(tf.constant(value), tf.constant(good_steps, tf.int64))
        new = [self.strategy.experimental_local_results(x) for x in self.graph(batch, scale)]
        (values,), (counts,) = ({float(x) for x in part} for part in new)
        return values, int(counts)


def products(precision: str) -> dict[str, set]:
    """Lists the dtypes of a training step's products, by kind of operation."""
    made = Steps(precision)
    scale = Scale(tf.constant(1.0), tf.constant(0, tf.int64))
    graph = made.graph.get_concrete_function(made.batch(), scale).graph.as_graph_def()
    nodes = [*graph.node, *(node for x in graph.library.function for node in x.node_def)]
    return {
        kind: {tf.as_dtype(node.attr["T"].type) for node in nodes if node.op == kind}
        for kind in PRODUCTS
    }


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.long
def test_a_step_computes_in_the_dtype_that_was_asked_for(precision):
    found = products(precision)
    for kind in PRODUCTS[:3]:
        assert found[kind] == {DTYPES[precision]}, kind
    assert found["MatMul"] == {DTYPES[precision], tf.float32}  # the last layer, whose outputs count


def test_the_update_takes_gradients_of_16_bits_before_they_are_cast():
    made, scale = Steps("bfloat16"), Scale(tf.constant(1.0), tf.constant(0, tf.int64))
    operations = made.graph.get_concrete_function(made.batch(), scale).graph.get_operations()
    calls = [one for one in operations if one.type == "StatefulPartitionedCall"]
    moves = [one for one in calls if "_paper_" in one.get_attr("f").name]
    assert len(moves) == 16
    dtypes = [one.inputs[2].dtype for one in moves]
    assert dtypes == [tf.bfloat16] * 14 + [tf.float32] * 2  # the last layer is float32


@pytest.fixture(scope="module")
def exact(pictures, tmp_path_factory):
    """Weights of a float32 run."""
    return trained(pictures, tmp_path_factory.mktemp("exact"), "float32")[0]


def trained(pictures, run_dir, precision):
    config = tiny.config(pictures, run_dir, steps=4, precision=precision)
    slow = OptimizerConfig(learning_rate=0.005, schedule="constant")  # no gradient overflows
    run(dataclasses.replace(config, optimizer=slow))
    lines = [line["train/loss"] for line in tiny.metrics(run_dir) if "train/loss" in line]
    assert lines and np.isfinite(lines).all()
    stored = checkpoint.load(run_dir, "last")
    return stored.weights(), stored.progress


@pytest.mark.parametrize(
    "precision", ["bfloat16", "float16", pytest.param("tf32", marks=pytest.mark.slow)]
)
@pytest.mark.long
def test_every_precision_trains_near_float32_and_not_in_it(pictures, tmp_path, exact, precision):
    weights, progress = trained(pictures, tmp_path, precision)
    differ = {name: np.abs(weights[name] - exact[name]).max() for name in exact}
    if precision == "tf32":  # a mode of GPUs; the CPU has none
        assert not any(differ.values())
        return
    assert all(differ.values())
    assert max(differ.values()) < 0.01  # bfloat16 has three digits
    assert {array.dtype for array in weights.values()} == {np.dtype("float32")}
    assert progress["loss_scale"] == FIRST_LOSS_SCALE
    assert progress["good_steps"] == (4 if precision == "float16" else 0)


def test_a_step_that_overflows_is_held_and_halves_the_loss_scale():
    made = Steps("float16")
    good = made.batch()
    assert made(good, good_steps=5) == (2.0**10, 6)
    before = made.state.arrays()
    assert any(before[name].any() for name in before if name.endswith("momentum"))
    assert made(good, value=2.0**60, good_steps=6) == (2.0**59, 0)
    tiny.assert_equal(before, made.state.arrays())
    made(good)  # goes on: the hold is over
    after = made.state.arrays()
    other = Steps("float16")
    other(good), other(good)
    tiny.assert_equal(after, other.state.arrays())


@pytest.mark.long
def test_an_overflow_on_one_replica_holds_all():
    made = Steps("float16", ("cpu:0", "cpu:1"))
    made(made.batch())
    before = made.state.arrays()
    assert made(made.batch(noise=(0.0, np.inf)), good_steps=9) == (2.0**9, 0)
    tiny.assert_equal(before, made.state.arrays())
    for variable in made.state.model.trainable_variables:
        parts = made.strategy.experimental_local_results(variable.value)
        np.testing.assert_array_equal(parts[0], parts[1])


@pytest.mark.parametrize("good_steps, scale", [(-2, (1024.0, -1)), (-1, (2048.0, 0))])
def test_the_loss_scale_doubles_after_so_many_good_steps(good_steps, scale):
    made = Steps("float16")
    value, count = scale
    expected = (value, GOOD_STEPS_TO_DOUBLE + count if count else 0)
    assert made(made.batch(), 1024.0, GOOD_STEPS_TO_DOUBLE + good_steps) == expected


def test_the_loss_scale_stays_a_number_whatever_the_gradients_are():
    made = Steps("float16")
    most = GOOD_STEPS_TO_DOUBLE - 1
    assert made(made.batch(), MOST_SCALE, most) == (MOST_SCALE / 2, 0)  # of what overflowed
    assert made(made.batch(is_good=False), MOST_SCALE, most) == (MOST_SCALE, 0)  # no gradient


def test_the_loss_scale_leaves_no_trace_in_the_weights():
    one, other = Steps("float16"), Steps("float16")
    one(one.batch(), value=2.0**8), other(other.batch(), value=2.0**12)
    tiny.assert_equal(
        one.state.arrays(), other.state.arrays(), atol=1e-6
    )  # float16 loses small ones
