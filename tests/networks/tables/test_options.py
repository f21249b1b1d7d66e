"""Options that turn one table of layers into another, alone and together."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

import alexnet_tf
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import FAMILY, NETWORKS, network
from alexnet_tf.networks.tables.options import layers_of
from alexnet_tf.networks.tables.resolved import table

TINY = NetworkConfig(
    num_classes=7, width=1 / 16, fc_width=16, input=alexnet_tf.InputConfig(size=131, resize=131)
)


def names(config: NetworkConfig) -> list[str]:
    return [layer.name for layer in layers_of(config)]


def changed(**options) -> NetworkConfig:
    return dataclasses.replace(TINY, **options)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_an_activation_is_that_of_every_hidden_layer(activation):
    rows = layers_of(changed(activation=activation))
    found = [layer.activation for layer in rows if layer.has_kernel]
    assert found == [activation] * 7 + ["linear"]


def test_normalization_is_exchanged():
    assert names(changed(normalization="none")) == [x for x in names(TINY) if "norm" not in x]
    assert names(changed(normalization="lrn")) == names(TINY)
    batch = names(changed(normalization="batch"))
    assert batch[:4] == ["conv1", "norm1", "relu1", "pool1"]
    assert batch[-5:] == ["fc7", "norm7", "relu7", "drop7", "fc8"]


def test_layers_in_front_of_batch_normalization_have_no_bias():
    found = {row.name: set(row.weights) for row in table(changed(normalization="batch"))}
    assert found["conv1"] == found["fc7"] == {"kernel"}
    assert found["norm1"] == {"gamma", "beta"} and found["fc8"] == {"kernel", "bias"}


def test_pooling_has_windows_as_wide_as_their_step():
    pools = [layer for layer in layers_of(changed(pooling="plain")) if layer.kind == "pool"]
    assert [(pool.size, pool.stride) for pool in pools] == [(2, 2)] * 3


def maps(name: str, pooling: str) -> list[int]:
    """Lists the side of every map of a network after the input."""
    changes = {"pooling": pooling, "num_classes": FAMILY[name].num_classes}
    rows = table(dataclasses.replace(network(name), **changes))
    return [row.output_shape[0] for row in rows if row.layer.kind in ("conv", "local", "pool")]


@pytest.mark.parametrize("pooling", ["overlapping", "plain"])
@pytest.mark.parametrize("name", NETWORKS)
def test_other_windows_leave_every_map_its_size(name, pooling):
    widened = (name, pooling) == ("pool22", "overlapping")
    assert maps(name, pooling) == maps("run2012" if widened else name, "table")


def test_overlapping_windows_make_the_network_of_2012_of_pool22():
    wide = dataclasses.replace(network("pool22"), pooling="overlapping", num_classes=1000)
    changed = {"round_up": False}
    rows = [dataclasses.replace(x, **changed) if x.kind == "pool" else x for x in layers_of(wide)]
    assert tuple(rows) == layers_of(network("run2012"))
    assert layers_of(dataclasses.replace(network("pool22"), pooling="plain")) == layers_of(
        network("pool22")
    )


@pytest.mark.parametrize(
    "without, gone",
    [
        ("conv3,conv4", {"conv3", "conv4"}),
        ("conv1", {"conv1", "norm1"}),
        ("fc7", {"fc7", "drop7"}),
        ("fc6,fc7", {"fc6", "drop6", "fc7", "drop7"}),
        ("conv3,conv4,fc6,fc7", {"conv3", "conv4", "fc6", "drop6", "fc7", "drop7"}),
        ("norm1", {"norm1"}),
    ],
)
def test_a_layer_leaves_with_its_companions(without, gone):
    left = names(changed(without=tuple(without.split(","))))
    assert set(names(TINY)) - set(left) == gone


def test_a_sixth_convolution_and_fc6_leave_apart():
    conv6 = NETWORKS["conv6"]
    assert "drop6" in names(dataclasses.replace(conv6, without=("conv6",)))
    assert "conv6" in names(dataclasses.replace(conv6, without=("fc6",)))
    batch = names(dataclasses.replace(conv6, normalization="batch"))
    assert "norm_conv6" in batch and "norm_fc6" in batch


def test_dropout_none_leaves_its_layers_out():
    assert not [x for x in names(changed(dropout="none")) if x.startswith("drop")]


@pytest.mark.parametrize(
    "activation, normalization, pooling, head",
    list(
        itertools.product(
            ["tanh"], ["batch", "lrn", "none"], ["plain", "table"], ["pyramid", "table"]
        )
    ),
)
def test_options_go_together(activation, normalization, pooling, head):
    config = changed(
        activation=activation,
        normalization=normalization,
        pooling=pooling,
        head=head,
        without=("conv4", "fc7"),
        groups=1,
    )
    model = alexnet(config)
    assert model.count_params() >= sum(row.parameters for row in table(config)) > 0
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trained == sum(row.parameters for row in table(config))
    image = np.zeros((2, 131, 131, 3), np.float32)
    assert np.isfinite(model(image)).all()


def test_a_pyramid_takes_pictures_of_any_size_with_the_same_weights():
    config = changed(head="pyramid")
    model, fixed = alexnet(config, any_size=True), alexnet(config)
    assert model.input_shape == (None, None, None, 3)
    draw = np.random.default_rng(0)
    image = draw.normal(size=(2, 131, 131, 3)).astype(np.float32)
    np.testing.assert_allclose(model(image), fixed(image), atol=1e-6)
    assert model(draw.normal(size=(1, 180, 227, 3)).astype(np.float32)).shape == (1, 7)
    with pytest.raises(ValueError, match="any_size=True with network.head=table"):
        alexnet(TINY, any_size=True)


@pytest.mark.parametrize(
    "config, text",
    [
        ({"without": ("conv9",)}, "network.without=conv9: expected one of"),
        ({"without": ("fc8",)}, "network.without=fc8"),
        (
            {"without": ("pool1", "pool2", "pool5"), "head": "pyramid"},
            "a network with a pooling layer",
        ),
        ({"head": "pyramid", "input": alexnet_tf.InputConfig(size=67)}, "6 parts. Raise the size"),
    ],
)
def test_options_that_make_no_sense_are_refused(config, text):
    with pytest.raises(ValueError, match=text):
        table(changed(**config))


@pytest.mark.parametrize("name", ["run2012", "zfnet", "caffe"])
@pytest.mark.long
def test_a_pyramid_takes_any_size_in_a_graph_too(name):
    config = dataclasses.replace(
        network(name), num_classes=3, head="pyramid", width=1 / 16, fc_width=8
    )
    model = alexnet(config, any_size=True)
    spec = tf.TensorSpec((None, None, None, 3))
    graph = tf.function(lambda x: model(x)).get_concrete_function(spec)
    x = tf.random.stateless_normal((1, 260, 301, 3), [0, 1])
    np.testing.assert_allclose(graph(x), model(x), atol=1e-5)


@pytest.mark.parametrize(
    "name, changes, text",
    [
        ("torchvision", {"groups": 2}, "network.groups=2: no layer"),
        ("cifar_13pct", {"fc_width": 9}, "no hidden fully connected layer"),
        (
            "conv6",
            {"head": "pyramid"},
            "expected no convolution above the last pooling, found conv6",
        ),
    ],
)
def test_settings_that_a_table_would_pass_over_are_refused(name, changes, text):
    with pytest.raises(ValueError, match=text):
        table(dataclasses.replace(network(name), num_classes=10, **changes))


def test_lrn_stands_after_the_first_two_convolutions_of_any_kind():
    rows = layers_of(dataclasses.replace(network("lenet5"), num_classes=10, normalization="lrn"))
    assert [row.name for row in rows if row.kind == "lrn"] == ["norm1", "norm3"]
