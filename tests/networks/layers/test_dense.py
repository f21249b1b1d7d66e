"""The fully connected layer against Keras' own, whose gradient is another product."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.layers import dense
from alexnet_tf.networks.layers.dense import Dense


def kinds_of(graph) -> set[str]:
    """The kinds of operations of a graph."""
    return {one.type for one in graph.get_operations()}


@pytest.fixture
def many(monkeypatch):
    """Lets every kernel count as a large one."""
    monkeypatch.setattr(dense, "MANY_WEIGHTS", 0)


@pytest.mark.parametrize("dtype, atol", [("float32", 1e-5), ("mixed_bfloat16", 0.02)])
@pytest.mark.parametrize("activation, use_bias", [("relu", True), (None, False)])
def test_output_and_gradients_are_those_of_keras(many, dtype, atol, activation, use_bias):
    draw = np.random.default_rng(0)
    x, kernel = draw.normal(size=(4, 12)), draw.normal(size=(12, 7)) / 4
    found = []
    for make in (Dense, keras.layers.Dense):
        layer = make(7, activation=activation, use_bias=use_bias, dtype=dtype)
        layer.build((None, 12))
        layer.kernel.assign(kernel)
        if use_bias:
            layer.bias.assign(np.arange(7) / 7)
        given = tf.constant(x, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = layer(given, training=True)
            loss = tf.reduce_sum(tf.square(tf.cast(y, tf.float32)))
        found.append([y, *tape.gradient(loss, [given, *layer.trainable_variables])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(
            tf.cast(ours, tf.float32), tf.cast(theirs, tf.float32), atol=atol, rtol=atol
        )


@pytest.mark.parametrize(
    "limit, training, has_batch", [(84, True, True), (84, False, False), (85, True, False)]
)
def test_only_training_of_large_kernels_has_the_other_product(
    monkeypatch, limit, training, has_batch
):
    monkeypatch.setattr(dense, "MANY_WEIGHTS", limit)
    layer = Dense(7)
    layer.build((None, 12))

    @tf.function(input_signature=[tf.TensorSpec([4, 12])])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
        return tape.gradient(y, x)

    kinds = kinds_of(gradient.get_concrete_function().graph)
    assert ("BatchMatMulV2" in kinds) == has_batch
    assert ("IdentityN" in kinds) == training


def test_a_file_gives_it_back():
    layer = Dense(7, activation="relu", name="fc6")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is Dense and again.get_config() == layer.get_config()
