"""Two towers on two devices: the same numbers, each tower's work on its own device."""

import collections
import dataclasses

import executed
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.layers.dropout import DropPosition, drop_position
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.networks.tables.two_towers import crossings, towers_table
from alexnet_tf.networks.towers import TwoTowers
from alexnet_tf.training.steps import cross_entropy

SMALL = dataclasses.replace(network("small"), num_classes=10)
TEXT = dataclasses.replace(  # the program's dropout, LRN that matters, biases of 1
    SMALL, init="program", dropout="program", input=dataclasses.replace(SMALL.input, scale=1.0)
)
BATCH = 4


def graph_of_a_step(model):
    """Makes a function from pictures to logits, loss and gradients, dropout on."""
    labels = tf.range(BATCH)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            with drop_position(DropPosition(0, 1, 0, BATCH)):
                logits = model(x, training=True)
            loss = tf.reduce_mean(cross_entropy(labels, logits))
        return logits, loss, tape.gradient(loss, model.trainable_variables)

    return step


def gradients_by_name(model, gradients):
    """Joins the gradients of both towers, by the names in files."""
    by_variable = {id(v): g for v, g in zip(model.trainable_variables, gradients, strict=True)}
    return {
        name: np.concatenate([by_variable[id(x)] for x in getattr(weight, "parts", [weight])], -1)
        for name, weight in named_weights(model).items()
    }


@pytest.fixture(scope="module")
def pictures_of_noise():
    return tf.random.stateless_normal((BATCH, 96, 96, 3), [1, 2])


@pytest.mark.parametrize("config", [SMALL, TEXT], ids=["small", "text"])
@pytest.mark.long
def test_logits_loss_and_gradients_are_those_of_one_device(config, pictures_of_noise, two_devices):
    one, two = alexnet(config, seed=3), TwoTowers(config, two_devices, seed=3)
    logits, loss, gradients = graph_of_a_step(one)(pictures_of_noise)
    other_logits, other_loss, other_gradients = graph_of_a_step(two)(pictures_of_noise)
    np.testing.assert_allclose(other_logits, logits, atol=1e-5)
    np.testing.assert_allclose(other_loss, loss, atol=1e-5)
    expected = gradients_by_name(one, gradients)
    found = gradients_by_name(two, other_gradients)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


def operations(step, x) -> dict[int, collections.Counter]:
    """Counts the operations of each kind that each device ran, from the executed graphs."""
    counts = collections.defaultdict(collections.Counter)
    for node in executed.nodes(step, x):
        device = tf.DeviceSpec.from_string(node.device).device_index
        for kind in ("Conv2DBackpropFilter", "Conv2DBackpropInput", "Conv2D", "MatMul"):
            if kind in node.op:
                counts[device][kind] += 1
                break
    return counts


@pytest.mark.long
def test_forward_and_backward_of_each_tower_run_on_its_device(pictures_of_noise, two_devices):
    counts = operations(graph_of_a_step(TwoTowers(SMALL, two_devices)), pictures_of_noise)
    convolutions = {"Conv2D": 5, "Conv2DBackpropFilter": 5, "Conv2DBackpropInput": 4}
    # fc6 and fc7 on both, fc8 on the first; forward, and two gradients each.
    assert counts == {0: convolutions | {"MatMul": 9}, 1: convolutions | {"MatMul": 6}}


def test_a_device_scope_alone_would_not_have_done(pictures_of_noise, two_devices):
    halves = towers_table(SMALL)[0][0]
    kernel = tf.Variable(tf.zeros(halves.kernel_shape))

    @tf.function
    def step(x):
        with tf.GradientTape() as tape, tf.device(two_devices[1]):
            y = tf.nn.conv2d(x, kernel, 4, "VALID")
        return tape.gradient(y, kernel)

    counts = operations(step, pictures_of_noise)
    assert counts[0]["Conv2DBackpropFilter"] == 1  # the trap that the test above would notice


def sent(function) -> collections.Counter:
    """Counts the numbers per picture that pass from one device to another, by (from, to)."""
    counts = collections.Counter()
    device = lambda op: tf.DeviceSpec.from_string(op.device).device_index or 0  # noqa: E731
    edges = {
        (x.name, device(x.op), device(op)): x
        for op in function.graph.get_operations()
        for x in op.inputs
        if x.dtype != tf.resource and x.op.type != "ReadVariableOp"  # read where they lie
    }
    for (_, start, end), x in edges.items():
        if start != end:
            counts[start, end] += np.prod(x.shape) // BATCH
    return counts


def test_nothing_is_sent_but_pictures_and_crossings(pictures_of_noise, two_devices):
    model = TwoTowers(SMALL, two_devices)
    spec = tf.TensorSpec(pictures_of_noise.shape)
    forward = tf.function(lambda x: model(x, training=True)).get_concrete_function(spec)
    numbers = crossings(SMALL)
    last = numbers.pop("drop7")
    half = sum(numbers.values()) // 2
    picture = 96 * 96 * 3
    assert sent(forward) == {(0, 1): picture + half, (1, 0): half + last}

    @tf.function
    def backward(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(x, training=True))
        # Norms, so that no gradient leaves its device but by way of the next tower.
        return [tf.shape(g) for g in tape.gradient(total, model.trainable_variables)]

    both = sent(backward.get_concrete_function(spec))
    assert both == {(0, 1): picture + 2 * half + last, (1, 0): 2 * half + last}


def test_the_papers_design_sends_what_its_figure_says():
    paper = dataclasses.replace(network("paper"), num_classes=1000)
    assert crossings(paper) == {"pool2": 43_264, "pool5": 9_216, "drop6": 4_096, "drop7": 2_048}


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"lrn_across_towers": True}, "^towers=2: .* norm1 needs both towers"),
        ({"normalization": "batch"}, "norm1 needs both towers"),
        ({"fc_width": 15}, "fc6 has 15 outputs"),
        ({"layers": SMALL.layers[:-1]}, "expected a fully connected layer at the top, found drop7"),
    ],
)
def test_what_cannot_be_halved_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        towers_table(dataclasses.replace(SMALL, **changes))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["small", "run2012"])
def test_reduced_precision_is_that_of_one_device(name, precision, pictures_of_noise, two_devices):
    config = dataclasses.replace(
        network(name), num_classes=10, input=SMALL.input, width=1 / 16, fc_width=16
    )
    one = alexnet(config, 3, precision)
    two = TwoTowers(config, two_devices, 3, precision)
    expected, found = one(pictures_of_noise), two(pictures_of_noise)
    np.testing.assert_allclose(found, expected, atol=1e-2)  # three digits of bfloat16
    assert not np.array_equal(found, TwoTowers(config, two_devices, 3)(pictures_of_noise))
