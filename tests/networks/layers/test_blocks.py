"""Convolution by blocks of pixels: the same function and gradients, and when it is used."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.layers.blocks import convolve_blocks, is_faster
from alexnet_tf.networks.layers.convolution import Convolution

CONV1 = {"kernel_size": 11, "stride": 4}
PADDING = ((1, 2), (0, 3))


def with_gradients(convolve, x, kernel):
    """Computes a convolution, and the gradients of a weighted sum of it."""
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = convolve(x, kernel)
        weights = tf.cast(tf.random.stateless_normal(y.shape, [1, 2]), y.dtype)
        total = tf.reduce_sum(y * weights)
    return [y, *tape.gradient(total, [x, kernel])]


def convolutions(height, width, size, stride, dtype):
    """Computes what it is by blocks, by TensorFlow alone, and that in float32."""
    x = tf.cast(tf.random.stateless_normal([2, height, width, 3], [0, 1]), dtype)
    kernel = tf.cast(tf.random.stateless_normal([size, size, 3, 8], [0, 2]), dtype)

    def plain(x, kernel):
        padded = tf.pad(x, ((0, 0), *PADDING, (0, 0)))
        return tf.nn.conv2d(padded, kernel, stride, "VALID")

    def by_blocks(x, kernel):
        return convolve_blocks(x, kernel, stride, PADDING)

    exact = with_gradients(plain, tf.cast(x, "float32"), tf.cast(kernel, "float32"))
    return with_gradients(by_blocks, x, kernel), with_gradients(plain, x, kernel), exact


def errors(found, expected):
    """Finds the largest difference of each, as a part of the largest value."""
    pairs = [
        [tf.cast(t, tf.float32).numpy() for t in pair] for pair in zip(found, expected, strict=True)
    ]
    return np.array([np.abs(one - other).max() / np.abs(other).max() for one, other in pairs])


SIZES = pytest.mark.parametrize("size, stride", [(11, 4), (8, 4), (7, 2), (3, 5)])
PLACES = pytest.mark.parametrize("height, width", [(35, 38), (36, 37)])


@SIZES
@PLACES
def test_it_is_the_convolution_with_its_gradients(size, stride, height, width):
    ours, theirs, _ = convolutions(height, width, size, stride, "float32")
    assert (errors(ours, theirs) < 1e-5).all()


@SIZES
@PLACES
def test_in_bfloat16_it_is_as_exact_as_tensorflow_on_the_same_processor(
    size, stride, height, width
):
    """Processors without instructions for it add up rounded numbers, with errors of 5 %."""
    ours, theirs, exact = convolutions(height, width, size, stride, "bfloat16")
    ours, theirs = errors(ours, exact), errors(theirs, exact)
    assert (ours <= np.maximum(0.01, 1.2 * theirs)).all(), (ours, theirs)


@pytest.mark.parametrize(
    "shape, dtype, stride, expected",
    [
        ([None, 224, 224, 3], "bfloat16", 4, True),
        ([None, 224, 224, 3], "float32", 4, False),
        ([None, 224, 224, 3], "float16", 4, False),
        ([None, 224, 224, 3], "bfloat16", 2, False),
        ([None, 224, 224, 48], "bfloat16", 4, False),
        ([None, None, None, 3], "bfloat16", 4, False),
    ],
)
def test_it_is_used_where_it_was_measured_to_be_faster(shape, dtype, stride, expected):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(dtype, shape)
    assert is_faster(x, stride) == expected


@pytest.mark.parametrize("training, steps", [(True, 1), (False, 4)])
def test_the_layer_uses_it_in_training_alone(training, steps):
    layer = Convolution(8, **CONV1, padding=PADDING, activation="relu", dtype="mixed_bfloat16")

    @tf.function(input_signature=[tf.TensorSpec([None, 35, 38, 3])])
    def convolve(x):
        return layer(x, training=training)

    graph = convolve.get_concrete_function().graph
    (made,) = (one for one in graph.get_operations() if one.type == "Conv2D")
    assert made.get_attr("strides") == [1, steps, steps, 1]
    assert tuple(made.outputs[0].shape) == layer.compute_output_shape((None, 35, 38, 3))


def test_the_layer_trains_as_it_infers():
    layer = Convolution(8, **CONV1, padding=PADDING, activation="relu", dtype="mixed_bfloat16")
    x = tf.random.stateless_normal([2, 35, 38, 3], [0, 1])
    layer.build(x.shape)
    layer.kernel.assign(tf.random.stateless_normal(layer.kernel.shape, [0, 2]))
    found = []
    for training in (True, False):
        with tf.GradientTape() as tape:
            y = layer(x, training=training)
            total = tf.reduce_sum(tf.square(tf.cast(y, tf.float32)))
        found.append([y, *tape.gradient(total, layer.trainable_variables)])
    assert (errors(*found) < 0.01).all()
