"""Layers that do not train, or at a rate of their own: no work, no change, in every form."""

import collections
import dataclasses

import executed
import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf.command_line import flags
from alexnet_tf.config.fields import differences
from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.training import checkpoint, selection, steps
from alexnet_tf.training.run import run
from alexnet_tf.training.state import TrainState
from alexnet_tf.training.strategy import make_strategy
from pipelines.dataset import Batch

GRADIENTS = ("Conv2DBackpropFilter", "Conv2DBackpropInput")
CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
TWO = ("cpu:0", "cpu:1")


def config(pictures, run_dir, towers=1, network=None, **settings) -> Config:
    """Configures a tiny run with CONVOLUTIONS frozen, with one tower or two."""
    where = {"towers": 2, "devices": TWO} if towers == 2 else {}
    whole = tiny.config(pictures, run_dir, **{"freeze": CONVOLUTIONS} | where | settings)
    return tiny.with_network(whole, **network or {})


def first_weights(settings: Config) -> dict[str, np.ndarray]:
    """The weights before the first step, three classes."""
    known = tiny.with_network(settings, num_classes=3)
    return TrainState(known, make_strategy(known.run)).arrays()


def last(run_dir):
    return checkpoint.load(run_dir, "last").arrays()


@pytest.fixture(scope="module")
def alone(pictures, tmp_path_factory):
    """The last arrays of 8 steps on one device, convolutions frozen."""
    run_dir = tmp_path_factory.mktemp("alone")
    run(config(pictures, run_dir, steps=8))
    return last(run_dir)


@pytest.mark.long
def test_frozen_layers_end_with_the_bits_they_began_with_and_no_velocity(pictures, alone):
    began = first_weights(config(pictures, "unused"))
    for name, array in began.items():
        is_frozen = name.startswith(CONVOLUTIONS)
        assert is_frozen == np.array_equal(array, alone[name]), name
    velocities = {name for name in alone if name.endswith("/momentum")}
    assert velocities == {f"fc{n}/{x}/momentum" for n in (6, 7, 8) for x in ("kernel", "bias")}


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_bits(pictures, tmp_path, alone):
    run(config(pictures, tmp_path, steps=4))
    run(config(pictures, tmp_path, steps=8))
    tiny.assert_equal(last(tmp_path), alone)


@pytest.mark.slow
def test_two_replicas_freeze_alike(pictures, tmp_path, alone):
    run(config(pictures, tmp_path, steps=8, strategy="mirrored", devices=TWO))
    tiny.assert_equal(last(tmp_path), alone, atol=1e-5)


@pytest.mark.slow
def test_two_towers_freeze_alike_and_resume(pictures, tmp_path, alone):
    run(config(pictures, tmp_path, towers=2, steps=4))
    run(config(pictures, tmp_path, towers=2, steps=8))
    tiny.assert_equal(last(tmp_path), alone, atol=1e-5)


def operations(settings: Config) -> collections.Counter:
    """Counts the operations of each kind in one step, from the executed graph."""
    settings = tiny.with_network(settings, num_classes=3)
    strategy = make_strategy(settings.run)
    state = TrainState(settings, strategy)
    image, label = tf.zeros([8, 67, 67, 3], tf.uint8), tf.zeros([8], tf.int32)
    index = tf.range(8, dtype=tf.int64)
    batch = Batch(image, tf.zeros([8, 3]), label, tf.ones([8], tf.bool), index)
    scale = steps.Scale(tf.constant(1.0), tf.constant(0, tf.int64))

    @tf.function
    def step(number):
        one = lambda: steps.train_step(state, settings, batch, number, scale)[0].loss  # noqa: E731
        return strategy.run(one)

    kinds = (*GRADIENTS, "MatMul", "StatelessRandomUniform")
    ran = executed.nodes(step, tf.constant(1, tf.int64))
    found = [kind for node in ran for kind in kinds if kind in node.op]
    return collections.Counter(found)


# Convolutions 2, 4 and 5 have two groups, and each convolution of two towers is two. A fully
# connected layer is one product forward (in towers fc6 and fc7 are two); backward it is one for its
# kernel and, but in the lowest layer that trains, one for its input.
@pytest.mark.parametrize(
    "freeze, towers, expected",
    [
        ((), 1, (8, 7, 9)),
        (("conv1",), 1, (7, 5, 9)),
        (CONVOLUTIONS, 1, (0, 0, 8)),
        (("all_but_last",), 1, (0, 0, 4)),
        (("fc7", "conv2"), 1, (6, 7, 8)),
        pytest.param((), 2, (10, 8, 15), marks=pytest.mark.slow),
        pytest.param(("conv1",), 2, (8, 6, 15), marks=pytest.mark.slow),
        pytest.param(CONVOLUTIONS, 2, (0, 0, 13), marks=pytest.mark.slow),
        pytest.param(("all_but_last",), 2, (0, 0, 6), marks=pytest.mark.slow),
        (("fc7", "conv2"), 2, (8, 8, 13)),
    ],
)
@pytest.mark.long
def test_a_frozen_layer_has_no_gradient_and_drops_all_the_same(pictures, freeze, towers, expected):
    found = operations(config(pictures, "unused", towers, freeze=freeze))
    assert tuple(found[name] for name in (*GRADIENTS, "MatMul")) == expected
    assert found["StatelessRandomUniform"] >= 2 * towers  # drop6 and drop7


@pytest.mark.slow
def test_a_frozen_batch_normalization_keeps_its_statistics(pictures, tmp_path):
    settings = config(
        pictures,
        tmp_path,
        network={"normalization": "batch"},
        freeze=("conv1", "norm1"),
        steps=3,
    )
    began = first_weights(settings)
    run(settings)
    ended = last(tmp_path)
    for part in ("gamma", "beta", "moving_mean", "moving_variance"):
        np.testing.assert_array_equal(began[f"norm1/{part}"], ended[f"norm1/{part}"])
        assert np.any(began[f"norm2/{part}"] != ended[f"norm2/{part}"])
    run(dataclasses.replace(settings, run=dataclasses.replace(settings.run, steps=5)))


@pytest.mark.slow
def test_in_two_towers_a_layers_rate_multiplies_its_first_update(pictures, tmp_path):
    moved = []
    for rates in ((), ("fc8=10", "conv1=0.5")):
        run_dir = tmp_path / str(len(rates))
        settings = config(pictures, run_dir, towers=2, freeze=(), steps=1)
        rule = dataclasses.replace(settings.optimizer, rates=rates, bias_rate=2.0)
        run(dataclasses.replace(settings, optimizer=rule))
        moved.append(last(run_dir))  # velocities: the update itself
    for name in (name for name in moved[0] if name.endswith("/momentum")):
        factor = {"fc8": 10, "conv1": 0.5}.get(name.partition("/")[0], 1)
        expected = factor * moved[0][name]
        np.testing.assert_allclose(moved[1][name], expected, rtol=1e-4, atol=1e-7, err_msg=name)


def test_two_updates_with_rates_are_numpys():
    import keras

    from alexnet_tf.training.optimizer import optimizer

    dense = keras.layers.Dense(3, name="fc8")
    dense.build((None, 5))
    start, gradient = dense.get_weights(), [np.full((5, 3), 0.1), np.full(3, 0.2)]
    settings = OptimizerConfig(learning_rate=0.1, bias_rate=2.0, rates=("fc8=10",))
    rule = optimizer(settings)
    velocity = [np.zeros((5, 3)), np.zeros(3)]
    expected = [x.astype(np.float64) for x in start]
    for _ in range(2):
        given = [tf.constant(g, tf.float32) for g in gradient]
        rule.apply_gradients(zip(given, dense.trainable_variables, strict=True))
        for i, (rate, decay) in enumerate(((1.0, 5e-4), (2.0, 0.0))):
            velocity[i] = 0.9 * velocity[i] - rate * (gradient[i] + decay * expected[i])
            expected[i] += velocity[i]
    for variable, array in zip(dense.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), array, rtol=1e-5, atol=1e-7)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(rule))
    assert again.rates == {"fc8": 10.0} == rule.get_config()["rates"]
    with pytest.raises(ValueError, match="rates=fc9: expected one of fc8. Did you mean fc8?"):
        optimizer(OptimizerConfig(rates=("fc9=2",))).build(dense.trainable_variables)


MISTAKES = [
    ("--freeze=conv9", "freeze=conv9: expected one of conv1, .*Did you mean conv"),
    ("--freeze=pool1", "^freeze=pool1: expected one of conv1"),
    ("--freeze=all_but_lats", "Did you mean all_but_last?"),
    ("--freeze=all_but_last,fc8", "freeze=all_but_last,fc8: expected all_but_last alone"),
    (
        "--freeze=conv1,conv2,conv3,conv4,conv5,fc6,fc7,fc8",
        "expected a layer that is left to train, .*--freeze=all_but_last",
    ),
    ("--optimizer.rates=fc9=2", "optimizer.rates=fc9: expected one of conv1, .*Did you mean fc"),
    (
        "--recipe=imagenette_modern --network.name=lenet5",
        "optimizer.rates=fc8: expected one of c1.* or none: --optimizer.rates=$",
    ),
    ("--optimizer.rates=fc8=0", "optimizer.rates=fc8=0: .*use --freeze=fc8"),
    ("--optimizer.rates=fc8=-1", "optimizer.rates=fc8=-1: expected a layer and a positive number"),
    ("--optimizer.rates=fc8=nan", "optimizer.rates=fc8=nan: expected a layer and a positive"),
    ("--optimizer.rates=fc8", "optimizer.rates=fc8: expected a layer and a positive number"),
    ("--optimizer.rates=fc8=1,fc8=2", "optimizer.rates=fc8=1,fc8=2: expected one rate for fc8"),
    ("--optimizer.rates=fc8=2 --freeze=fc8", "fc8 is frozen by freeze=fc8; expected"),
]


@pytest.mark.parametrize("typed, message", MISTAKES)
def test_a_mistake_is_one_sentence_before_anything_starts(typed, message):
    with pytest.raises(UserError, match=message) as caught:
        flags.parse_config(typed.split(), "Trains.")
    assert "\n" not in str(caught.value)


def test_all_but_last_leaves_the_output_layer():
    frozen = selection.frozen_layers(Config(run=RunConfig(freeze=("all_but_last",))))
    assert frozen == (*CONVOLUTIONS, "fc6", "fc7")


def test_what_is_frozen_and_how_fast_layers_learn_is_the_same_at_resume():
    old, rates = OptimizerConfig(), OptimizerConfig(rates=("fc8=2",))
    new = Config(run=RunConfig(freeze=("conv1",)), optimizer=rates)
    found = ["optimizer.rates: none -> fc8=2", "freeze: none -> conv1"]
    assert differences(Config(optimizer=old), new) == found


@pytest.mark.parametrize("towers", [1, 2])
def test_weights_keep_their_names_when_they_are_frozen(towers):
    settings = tiny.with_network(config("unused", "unused", towers), num_classes=3)
    model = TrainState(settings, make_strategy(settings.run)).model
    assert len(named_weights(model)) == 16
    assert len(named_weights(model, is_trained=True)) == 6
