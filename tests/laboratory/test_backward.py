"""What comes down through a network: planted filters, shared maxima, normalization by loops."""

import dataclasses

import foreign
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from alexnet_tf.config.layer_rows import Activation, Conv, Dense, Lrn, Pool
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.laboratory.backward import Rule, in_batches, passage, sent_down
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.layers.pooling import Pooling
from alexnet_tf.networks.named_weights import assign, named_weights
from pipelines.config import InputConfig

LINEAR = Activation.LINEAR


def network(*layers, size=9) -> NetworkConfig:
    """A table of planted layers, with a class layer on top that nobody looks at."""
    inputs = InputConfig(size=size, resize=size)
    end = Dense(name="fc9", units=0, activation=LINEAR)
    return NetworkConfig(
        name="planted", layers=(*layers, end), groups=1, num_classes=2, input=inputs
    )


def down(model, rule, x, unit, upto, **options):
    """Sends 1 down from one unit."""
    climb = passage(model, rule, upto=upto, **options)

    def seed(y):
        return tf.one_hot([np.ravel_multi_index(unit, y.shape[1:])], np.prod(y.shape[1:]))

    y, found = sent_down(climb, tf.constant(x), lambda y: tf.reshape(seed(y), y.shape))
    return y.numpy(), found.numpy()


@pytest.fixture
def planted():
    """One filter finds bars, the other what is no bar; conv2 likes the one, not the other."""
    config = network(
        Conv(name="conv1", filters=2, kernel=3, bias=0.0),
        Pool(name="pool1", size=3, stride=2),
        Conv(name="conv2", filters=1, kernel=3),
    )
    model = alexnet(config)
    bar = np.zeros((3, 3, 3), np.float32)
    bar[:, 1] = 1  # a column of white
    conv1 = model.get_layer("conv1")
    conv1.kernel.assign(np.stack([bar, -bar], axis=3))
    conv1.bias.assign([-1.0, 3.5])
    kernel = np.zeros((3, 3, 2, 1), np.float32)
    kernel[1, 1, 0], kernel[1, 1, 1] = 1, -0.25
    model.get_layer("conv2").kernel.assign(kernel)
    model.get_layer("conv2").bias.assign([0.5])
    x = np.zeros((1, 9, 9, 3), np.float32)
    x[0, 3:6, 4] = 1  # a bar in the middle, of 3 by 1 pixels
    return model, x, bar


def test_a_planted_bar_comes_down_as_it_was_planted(planted):
    """Drawn by hand.

    conv1 sees the bar best at row 3, column 3: 9 - 1 = 8; that is the one maximum under the middle
    of pool1. The second filter gives 3.5 where there is no bar, and its window takes the first of
    them. conv2's unit lets 1 down to the first filter and -0.25 to the second, where the ReLU of
    conv1 stops it. What arrives is one bar where the bar was. No bias has a part.
    """
    model, x, bar = planted
    y, found = down(model, Rule.DECONVNET, x, (0, 0, 0), "conv2")
    assert y[0, 0, 0, 0] == 8 - 0.25 * 3.5 + 0.5
    expected = np.zeros_like(x)
    expected[0, 3:6, 3:6] = bar
    np.testing.assert_array_equal(found, expected)


def test_the_three_rules_differ_where_they_should(planted):
    model, x, bar = planted
    y, gradient = down(model, Rule.GRADIENT, x, (0, 0, 0), "conv2")
    # Its window begins at conv1's row 2, column 2, where the bar still counts, so 3.5 is first at
    # row 2, column 2 only where no bar is: the middle column of the kernel at column 3.
    values = model.get_layer("conv1")(x).numpy()[0, 2:5, 2:5, 1]
    first = np.array(np.unravel_index(values.argmax(), (3, 3))) + 2
    expected = np.zeros_like(x)
    expected[0, 3:6, 3:6] += bar
    expected[0, first[0] : first[0] + 3, first[1] : first[1] + 3] += 0.25 * bar
    np.testing.assert_array_equal(gradient, expected)
    _, guided = down(model, Rule.GUIDED, x, (0, 0, 0), "conv2")
    _, deconvnet = down(model, Rule.DECONVNET, x, (0, 0, 0), "conv2")
    np.testing.assert_array_equal(guided, deconvnet)  # both stop -0.25
    model.get_layer("conv1").bias.assign([-20.0, 3.5])  # the first filter is silent now
    assert not np.any(down(model, Rule.GUIDED, x, (0, 0, 0), "conv2")[1])
    assert np.any(down(model, Rule.DECONVNET, x, (0, 0, 0), "conv2")[1])


def test_windows_that_share_a_maximum_add_where_pytorchs_unpooling_keeps_one():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(1, 13, 13, 64)).astype(np.float32)
    pooling = Pooling()
    values = np.random.default_rng(1).uniform(1, 2, (1, 6, 6, 64)).astype(np.float32)
    with tf.GradientTape() as tape:
        variable = tf.constant(x)
        tape.watch(variable)
        y = pooling(variable)
    ours = tape.gradient(y, variable, tf.constant(values)).numpy()
    added, count = np.zeros_like(x), np.zeros_like(x)
    for i, j in np.ndindex(6, 6):
        window = x[0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].reshape(9, -1)
        row, column = np.unravel_index(window.argmax(axis=0), (3, 3))
        np.add.at(added[0], (2 * i + row, 2 * j + column, np.arange(64)), values[0, i, j])
        np.add.at(count[0], (2 * i + row, 2 * j + column, np.arange(64)), 1)
    np.testing.assert_allclose(ours, added, rtol=1e-6)
    shared = (count * (count > 1)).sum() / count.sum()
    assert 0.3 < shared < 0.6  # of the windows, on noise, share their maximum with another
    first = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    _, places = torch.nn.functional.max_pool2d(first, 3, 2, return_indices=True)
    theirs = torch.nn.functional.max_unpool2d(
        torch.from_numpy(values.transpose(0, 3, 1, 2).copy()), places, 3, 2
    )
    theirs = theirs.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(theirs != 0, ours != 0)
    np.testing.assert_allclose(ours[count == 1], theirs[count == 1], rtol=1e-6)
    assert np.all(ours[count > 1] > theirs[count > 1])


def lrn_by_loops(x, dy, radius=2, bias=2.0, alpha=0.5, beta=0.75):
    """Sends dy down through local response normalization of x [C], term by term."""

    def near(c):
        return range(max(0, c - radius), min(len(x), c + radius + 1))

    base = [bias + alpha * sum(x[i] ** 2 for i in near(c)) for c in range(len(x))]
    found = np.zeros(len(x))
    for i in range(len(x)):
        for c in near(i):
            own = base[c] ** -beta if c == i else 0.0
            found[i] += dy[c] * (own - 2 * alpha * beta * x[c] * x[i] * base[c] ** (-beta - 1))
    return found


@pytest.mark.parametrize("through_norm", [False, True])
def test_normalization_is_passed_straight_or_by_its_gradient(through_norm):
    config = network(
        Conv(name="conv1", filters=6, kernel=1),
        Lrn(name="norm1", alpha=0.5),
        Conv(name="conv2", filters=1, kernel=1),
        size=2,
    )
    model = alexnet(config)
    assign(named_weights(model), foreign.weights(config))
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 3)).astype(np.float32)
    _, found = down(model, Rule.DECONVNET, x, (1, 0, 0), "conv2", through_norm=through_norm)
    lower, upper = model.get_layer("conv1"), model.get_layer("conv2")
    activations = np.maximum(x[0, 1, 0] @ lower.kernel.numpy()[0, 0] + lower.bias.numpy(), 0)
    dy = upper.kernel.numpy()[0, 0, :, 0]
    if through_norm:
        dy = lrn_by_loops(activations.astype(float), dy)
    expected = lower.kernel.numpy()[0, 0] @ np.maximum(dy, 0)
    np.testing.assert_allclose(found[0, 1, 0], expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_batch_normalization_is_passed_by_the_factor_of_each_filter():
    config = dataclasses.replace(
        network(Conv(name="conv1", filters=4, kernel=1), size=1), normalization="batch"
    )
    model = alexnet(config)
    draw = np.random.default_rng(0)
    for name, variable in named_weights(model).items():
        variable.assign(draw.uniform(0.5, 2, variable.shape) * (-1 if "gamma" in name else 1))
    x = draw.normal(size=(1, 1, 1, 3)).astype(np.float32)
    _, found = down(model, Rule.DECONVNET, x, (0, 0, 2), "relu1", through_norm=False)
    norm, kernel = model.get_layer("norm1"), model.get_layer("conv1").kernel.numpy()
    factor = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    np.testing.assert_allclose(found[0, 0, 0], factor[2] * kernel[0, 0, :, 2], rtol=1e-5)


@pytest.mark.parametrize("rule", Rule)
def test_the_way_up_is_the_networks_own_and_leaves_it_as_it_was(rule):
    model = alexnet(tiny_run.NETWORK)
    before = [getattr(layer, "activation", None) for layer in model.layers]
    x = tf.random.stateless_normal((2, 64, 64, 3), (0, 0))
    np.testing.assert_allclose(passage(model, rule)(x), model(x, training=False), atol=1e-5)
    middle = passage(model, rule, upto="pool2")(x)
    upper = passage(model, rule, above="pool2")(middle)
    np.testing.assert_allclose(upper, model(x, training=False), atol=1e-5)
    assert [getattr(layer, "activation", None) for layer in model.layers] == before


def test_batches_of_one_size_give_every_row_once():
    rows = np.arange(7, dtype=np.float32)
    sizes = []

    def double(x):
        sizes.append(len(x))
        return 2 * x, x + 1

    doubled, more = in_batches(double, 3, rows)
    np.testing.assert_array_equal(doubled, 2 * rows)
    np.testing.assert_array_equal(more, rows + 1)
    assert sizes == [3, 3, 3]
