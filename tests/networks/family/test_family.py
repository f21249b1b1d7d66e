"""Every network of the family: built as it is counted, and counted as its source says."""

import numpy as np
import pytest
from narrow import resolved, small

from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import FAMILY
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row

PARAMETERS = {
    "paper": 60_965_224,
    "run2012": 60_965_224,
    "one_gpu_half": 59_798_312,
    "no_lrn": 60_965_224,
    "pool22": 60_965_224,
    "conv6": 61_555_304,
    "caffe": 60_965_224,
    "caffenet": 60_965_224,
    "torchvision": 61_100_840,
    "owt2014": 61_100_840,
    "slim2048": 28_868_968,
    "zfnet": 62_357_608,
    "zfnet_wide": 107_627_624,
    "lenet5": 60_000,
    "lenet5_modern": 61_706,
}
"""Spec 1.1, 6.1 and 6.7, there by arithmetic."""
MULTIPLY_ADDS = {"paper": 724_406_816, "torchvision": 714_188_480, "zfnet": 1_168_032_896}
SIDES = {
    "pool22": {"conv1": 55, "pool1": 28, "conv2": 26, "pool2": 13, "conv5": 11, "pool5": 6},
    "zfnet": {"conv1": 110, "pool1": 55, "conv2": 26, "pool2": 13, "conv5": 13, "pool5": 6},
    "zfnet_wide": {"conv1": 110, "pool1": 55, "conv2": 26, "pool2": 13, "pool5": 6},
    "caffe": {"conv1": 55, "pool1": 27, "pool2": 13, "pool5": 6},
    "torchvision": {"conv1": 55, "pool1": 27, "conv2": 27, "pool2": 13, "pool5": 6},
    "slim2048": {"conv1": 55, "pool1": 27, "conv2": 27, "pool2": 13, "pool5": 6},
    "conv6": {"pool5": 6, "conv6": 6},
    "cifar_18pct": {"conv1": 32, "pool1": 16, "pool2": 8, "pool3": 4},
    "cifar_13pct": {"conv1": 24, "pool1": 12, "pool2": 6, "local3": 6, "local4": 6},
    "cifar_11pct": {"norm1": 24, "pool1": 12, "norm2": 12, "pool2": 6, "local4": 6},
    "cifar_11pct_final": {"pool1": 12, "norm1": 12, "norm2": 12, "pool2": 6},
    "lenet5": {"c1": 28, "s2": 14, "c3": 10, "s4": 5, "c5": 1},
    "lenet5_modern": {"c1": 28, "s2": 14, "c3": 10, "s4": 5, "c5": 1},
}


def rows(name: str) -> dict[str, Row]:
    return {row.name: row for row in table(resolved(FAMILY[name]))}


@pytest.mark.parametrize("name", FAMILY)
def test_a_network_is_built_as_it_is_counted(name):
    config = small(name)
    model = alexnet(config)
    layers = {layer.name: layer for layer in model.layers}
    for row in table(config):
        layer = layers[row.name]
        assert tuple(layer.output.shape[1:]) == row.output_shape, row.name
        weights = {weight.name: tuple(weight.shape) for weight in layer.trainable_weights}
        assert weights == row.weights, row.name


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.long
def test_a_network_gives_finite_logits_and_learns_from_every_weight(name):
    import tensorflow as tf

    config = small(name)
    model, inputs = alexnet(config), config.input
    shape = (2, inputs.size, inputs.size, inputs.num_channels)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with tf.GradientTape() as tape:
        logits = model(image, training=True)
        loss = tf.reduce_sum(tf.nn.log_softmax(logits)[:, 0])
    assert logits.shape == (2, config.num_classes)
    assert np.isfinite(logits).all()
    assert all(x is not None for x in tape.gradient(loss, model.trainable_variables))


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_the_source(name):
    assert sum(row.parameters for row in rows(name).values()) == PARAMETERS[name]


@pytest.mark.parametrize("name", MULTIPLY_ADDS)
def test_multiply_adds_are_those_of_the_source(name):
    assert sum(row.multiply_adds for row in rows(name).values()) == MULTIPLY_ADDS[name]


@pytest.mark.parametrize("name", SIDES)
def test_sizes_between_the_layers_are_those_of_the_source(name):
    every = rows(name)
    for layer, side in SIDES[name].items():
        assert every[layer].output_shape[:2] == (side, side), layer


def test_lenets_layers_have_the_parameters_of_1998():
    found = {name: row.parameters for name, row in rows("lenet5").items()}
    expected = {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0}
    assert found == expected


def test_the_program_of_2012_has_its_own_order_and_constants():
    order = [name for name in rows("run2012")][:8]
    assert order == ["conv1", "norm1", "pool1", "relu1", "conv2", "norm2", "rnorm2", "pool2"]
    layers = {name: row.layer for name, row in rows("run2012").items()}
    assert layers["conv1"].activation == layers["conv5"].activation == "linear"
    assert (layers["norm1"].alpha, layers["norm1"].bias) == (1e-4 / 5, 2.0)
    assert (layers["rnorm2"].size, layers["rnorm2"].bias) == (5, 1.0)
    assert layers["rnorm2"].alpha == pytest.approx(1e-3 / 25)


def test_caffes_two_networks_differ_in_order_and_biases():
    caffe, caffenet = rows("caffe"), rows("caffenet")
    assert list(caffe)[:3] == ["conv1", "norm1", "pool1"]
    assert list(caffenet)[:3] == ["conv1", "pool1", "norm1"]
    for every, bias in ((caffe, 0.1), (caffenet, 1.0)):
        hidden = [every[name].layer.bias for name in ("conv2", "conv4", "conv5", "fc6", "fc7")]
        assert hidden == [bias] * 5
        norm = every["norm1"]
        assert (norm.layer.alpha, norm.layer.bias, norm.groups) == (1e-4 / 5, 1.0, 1)


def test_torchvision_drops_before_the_first_two_dense_layers():
    assert list(rows("torchvision"))[-5:] == ["drop6", "fc6", "drop7", "fc7", "fc8"]


def test_names_of_layers_are_unique_and_published_errors_are_fractions():
    for name, member in FAMILY.items():
        assert len(rows(name)) == len(table(resolved(member)))
        for one in member.published:
            assert 0 < one.top1_error < 0.5 and one.by
            assert one.top5_error is None or 0 < one.top5_error < one.top1_error
