"""Networks as convolutions alone: what a map of logits says of each window."""

import dataclasses

import keras
import numpy as np
import pytest
import tiny

import alexnet_tf
from alexnet_tf.config.layer_rows import Conv, Dense, Pool
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import NETWORKS
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.convolutional import dense, dense_weights

TINY = NetworkConfig(
    num_classes=7,
    width=1 / 16,
    fc_width=16,
    init="he",
    input=alexnet_tf.InputConfig(size=99, resize=99),
)
UNPADDED = dataclasses.replace(
    TINY,
    groups=1,
    width=1.0,
    input=alexnet_tf.InputConfig(size=31, resize=31),
    layers=(
        Conv(name="conv1", filters=6, kernel=7, stride=2),
        Pool(name="pool1"),
        Conv(name="conv2", filters=5, kernel=3),
        Dense(name="fc3", units=9),
        Dense(name="fc4", units=0, activation="linear"),
    ),
)


def image(size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)


def both(config: NetworkConfig, size: int) -> tuple[keras.Model, keras.Model]:
    """Builds a network, and its dense form with the same weights."""
    plain, wide = alexnet(config), alexnet(dense(config, size), seed=1)
    assign(named_weights(wide), dense_weights(config, tiny.weights(plain)))
    return plain, wide


@pytest.mark.parametrize("options", [{}, {"normalization": "batch", "without": ("conv4",)}])
def test_at_its_own_size_it_is_the_same_network(options):
    config = dataclasses.replace(TINY, **options)
    plain, wide = both(config, 99)
    assert wide.output_shape == (None, 1, 1, 7)
    np.testing.assert_allclose(wide(image(99))[:, 0, 0], plain(image(99)), atol=1e-5)


def test_each_place_is_what_the_classifier_says_of_its_window_of_the_pooled_map():
    plain, wide = both(TINY, 163)
    pooled = keras.Model(wide.input, wide.get_layer("pool5").output)(image(163)).numpy()
    side = plain.get_layer("pool5").output.shape[1]
    head = x = keras.Input(plain.get_layer("pool5").output.shape[1:])
    for layer in plain.layers[plain.layers.index(plain.get_layer("pool5")) + 1 :]:
        x = layer(x)
    classify, logits = keras.Model(head, x), wide(image(163)).numpy()
    assert logits.shape[1] == logits.shape[2] == pooled.shape[1] - side + 1 > 1
    for row in range(logits.shape[1]):
        for column in range(logits.shape[2]):
            window = pooled[:, row : row + side, column : column + side]
            np.testing.assert_allclose(logits[:, row, column], classify(window), atol=1e-4)


def test_without_padding_each_place_is_what_the_network_says_of_its_pixels():
    plain, wide = both(UNPADDED, 43)
    logits = wide(image(43)).numpy()
    assert logits.shape == (2, 4, 4, 7)
    for row in range(4):
        for column in range(4):
            pixels = image(43)[:, 4 * row : 4 * row + 31, 4 * column : 4 * column + 31]
            np.testing.assert_allclose(logits[:, row, column], plain(pixels), atol=1e-4)


@pytest.mark.parametrize(
    "config, size, text",
    [
        (TINY, 98, "size=98: expected network.input.size=99 or more"),
        (NETWORKS["cifar_13pct"], 32, "cifar_13pct: local3 fits one size alone"),
        (dataclasses.replace(TINY, head="pyramid", input=alexnet_tf.InputConfig()), 256, "pool5"),
    ],
)
def test_a_network_without_such_a_form_is_refused(config, size, text):
    with pytest.raises(ValueError, match=text):
        dense(dataclasses.replace(config, num_classes=7), size)
