"""Convolution and pooling in groups."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.layers.convolution import Convolution
from alexnet_tf.networks.layers.dropout import Dropout
from alexnet_tf.networks.layers.groups import num_groups, split_groups
from alexnet_tf.networks.layers.lenet import SparseConvolution
from alexnet_tf.networks.layers.locally_connected import LocallyConnected
from alexnet_tf.networks.layers.pooling import Pooling
from alexnet_tf.networks.layers.response_norm import LocalResponseNorm
from alexnet_tf.networks.layers.spatial_norm import SpatialResponseNorm
from alexnet_tf.networks.layers.spatial_pyramid import SpatialPyramid

GEOMETRIES = [
    {"kernel_size": 5, "padding": ((2, 2), (2, 2)), "groups": 2},  # conv2
    {"kernel_size": 3, "padding": ((1, 1), (1, 1)), "groups": 1},  # conv3
    {"kernel_size": 11, "stride": 4, "padding": ((0, 3), (0, 3)), "groups": 1},  # conv1
    {"kernel_size": 3, "stride": 2, "padding": ((1, 0), (2, 1)), "groups": 4},
    {"kernel_size": 4, "padding": ((2, 2), (2, 2)), "groups": 2},  # as SAME never pads
]


def with_gradients(layer, x):
    """Computes a layer's output, and the gradients of a weighted sum of it."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        weights = tf.random.stateless_normal(y.shape, [1, 2])
        total = tf.reduce_sum(y * weights)
    return [y, *tape.gradient(total, [x, *layer.trainable_variables])]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_convolves_like_keras_forward_and_backward(geometry):
    x = tf.random.stateless_normal([2, 20, 17, 8], [0, 1])
    ours = Convolution(12, activation="relu", **geometry)
    results = with_gradients(ours, x)
    pad = keras.layers.ZeroPadding2D(geometry["padding"])
    plain = keras.layers.Conv2D(
        12,
        geometry["kernel_size"],
        geometry.get("stride", 1),
        groups=geometry["groups"],
        activation="relu",
    )
    stock = keras.Sequential([pad, plain])
    stock.build(x.shape)
    plain.set_weights(ours.get_weights())
    for one, other in zip(results, with_gradients(stock, x), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)  # sums of some hundred products
    assert ours.compute_output_shape(x.shape) == tuple(results[0].shape)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "kind, arguments", [(Convolution, (2, 1)), (SparseConvolution, (1, ((0,), (0,))))]
)
def test_the_gradient_of_a_bias_is_the_sum_over_all_places(kind, arguments, precision):
    layer = kind(*arguments, dtype=f"mixed_{precision}")
    x = tf.ones([4, 50, 50, 1])
    layer.build(x.shape)
    dy = tf.cast(tf.random.stateless_uniform([4, 50, 50, 2], [1, 2]), precision)
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
    gradient = tape.gradient(y, layer.bias, output_gradients=dy)
    exact = np.sum(dy.numpy().astype("float64"), axis=(0, 1, 2))  # about 5000
    np.testing.assert_allclose(gradient, exact, rtol=0.005)


def test_kernels_are_stored_as_one_device_would():
    layer = Convolution(12, 3, groups=2)
    layer.build((None, 8, 8, 6))
    assert layer.kernel.shape == (3, 3, 3, 12)


def test_an_export_holds_no_function_that_xla_must_compile(tmp_path):
    layer = Convolution(4, 3, padding=((1, 1), (1, 1)), groups=2)
    model = keras.Sequential([keras.Input((8, 8, 4)), layer])
    model.export(tmp_path / "model", verbose=False)
    assert b"_XlaMustCompile" not in (tmp_path / "model" / "saved_model.pb").read_bytes()
    x = tf.random.stateless_normal([2, 8, 8, 4], [0, 1])
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-6)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"filters": 5, "kernel_size": 3, "groups": 2}, "groups=2: expected a divisor of filters"),
        (
            {"filters": 4, "kernel_size": 0},
            "filters=4, kernel_size=0, stride=1: expected at least 1 of each",
        ),
        ({"filters": 6, "kernel_size": 3, "groups": 3}, "groups=3: expected a divisor of channels"),
    ],
)
def test_a_convolution_that_cannot_be_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        Convolution(**arguments).build((None, 8, 8, 4))


def test_pooling_equals_keras():
    x = tf.random.stateless_normal([2, 11, 13, 8], [0, 3])
    expected = keras.layers.MaxPooling2D(3, 2, data_format="channels_last")(x)
    np.testing.assert_array_equal(Pooling(3, 2)(x), expected)


def test_towers_pass_from_layer_to_layer_without_a_copy():
    x = tf.random.stateless_normal([2, 12, 12, 16], [0, 2])
    convolve = Convolution(16, 3, padding=((1, 1), (1, 1)), groups=2)
    normalize, pool = LocalResponseNorm(alpha=0.1, groups=2), Pooling(3, 2)

    kept = convolve(x)
    assert num_groups(kept) == 2
    np.testing.assert_array_equal(tf.concat(split_groups(kept, 2), -1), kept)
    graph = tf.function(lambda x: pool(normalize(convolve(x)))).get_concrete_function(x)
    forgetful = tf.function(lambda x: pool(tf.identity(normalize(tf.identity(convolve(x))))))
    np.testing.assert_allclose(graph(x), forgetful(x), rtol=1e-6)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: Pooling(size=0), "^size=0, stride=2: expected at least 1 of each"),
        (lambda: Pooling(stride=0), "^size=3, stride=0: expected at least 1 of each"),
        (lambda: Dropout(rate=1), "^rate=1: expected 0 to below 1"),
        (lambda: Dropout(mode="halved"), "^mode='halved': expected program or inverted"),
        (lambda: SpatialResponseNorm(size=4), "^size=4: expected an odd number"),
        (lambda: SpatialPyramid(levels=()), r"^levels=\(\): expected numbers from 1 on"),
        (lambda: SpatialPyramid(levels=(2, 0)), r"^levels=\(2, 0\): expected numbers from 1 on"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    "kind, arguments",
    [
        (Convolution, (6, 3, 2, ((1, 0), (0, 1)), 2, "relu")),
        (Pooling, (2, 1, True, True)),
    ],
)
def test_layers_round_trip(kind, arguments):
    layer = kind(*arguments, name="layer9")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()


COMMON = {"use_bias": False, "activation": "relu", "name": "layer9", "trainable": True}
INITIALIZERS = {
    "kernel_initializer": keras.initializers.serialize(keras.initializers.GlorotUniform()),
    "bias_initializer": keras.initializers.serialize(keras.initializers.Zeros()),
}
WINDOW = {"filters": 4, "kernel_size": 3, "stride": 2, "padding": ((1, 0), (0, 1))}
STORED = {
    Convolution: WINDOW | {"groups": 2},
    LocallyConnected: WINDOW,
    SparseConvolution: {"kernel_size": 3, "connections": ((0, 1), (2,), (3,), (1, 3))},
}
"""What files have held of each convolution since there have been files."""


@pytest.mark.parametrize("kind", STORED)
def test_files_hold_of_a_convolution_what_they_always_held(kind):
    stored = STORED[kind] | COMMON | INITIALIZERS
    assert keras.saving.get_registered_object(f"alexnet_tf>{kind.__name__}") is kind
    layer = kind.from_config(stored)
    found = layer.get_config()
    assert found.pop("dtype")["config"] == {"name": "float32"}
    assert found == stored
    assert layer.compute_output_shape((None, 9, 9, 4))[3] == 4
    layer.build((None, 9, 9, 4))
    assert [weight.name for weight in layer.weights] == ["kernel"]


def test_a_sparse_convolution_takes_no_step():
    with pytest.raises(TypeError, match="stride"):
        SparseConvolution(3, ((0,),), stride=2)
