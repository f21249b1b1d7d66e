"""bfloat16 and float16: outputs are of that dtype, weights are not, both are near float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import LAYERS, assert_near, case_with, model_of, names, step_with

PART = {"bfloat16": 2.0**-5, "float16": 2.0**-8}
"""Four units in the last place of 8 and 11 bits: what a few sums and products lose."""


@pytest.mark.parametrize("precision", PART)
@pytest.mark.parametrize("name", names())
def test_half_precision(name, precision):
    case, model = case_with(name, "half_precision"), model_of(name)
    half = case.make(precision)
    for weight, exact in zip(half.weights, model.weights, strict=True):
        assert weight.dtype == exact.dtype
        weight.assign(exact)
    y, exact = (each(case.input(), training=False) for each in (half, model))
    assert y.dtype == (precision if name in LAYERS else tf.float32)  # logits always
    assert all(np.isfinite(y).flat)
    assert_near({"output": y}, {"output": exact}, PART[precision])


@pytest.mark.parametrize("precision", PART)
@pytest.mark.parametrize("name", names(LAYERS))
def test_half_precision_in_training(name, precision):
    case, model = case_with(name, "half_precision"), model_of(name)
    half = case.make(precision)
    for weight, exact in zip(half.weights, model.weights, strict=True):
        weight.assign(exact)
    assert_near(step_with(half, case.input()), step_with(model, case.input()), PART[precision])


@pytest.mark.parametrize("precision", PART)
@pytest.mark.parametrize("name", names(LAYERS))
def test_gradients_of_many_rows_add_up_in_float32(name, precision):
    case, model = case_with(name, "half_precision"), model_of(name)
    if not model.trainable_variables or type(model.layers[-1]) is keras.layers.Dense:
        pytest.skip("no weights, or Keras' own layer")
    half = case.make(precision)
    for weight, exact in zip(half.weights, model.weights, strict=True):
        weight.assign(exact)
    # In bfloat16, 256 + 1 is 256. Where a processor lacks it, TensorFlow's own convolution adds so.
    left_out = "kernel" * ("Convolution" in name)
    checked = [i for i, w in enumerate(model.trainable_variables) if w.name != left_out]
    x = tf.repeat(tf.constant(case.input()), 300, axis=0)
    found = []
    for each in (half, model):
        with tf.GradientTape() as tape:
            y = tf.cast(each(x, training=True), tf.float32)
            loss = tf.reduce_sum(0.3 * y + 0.1 * tf.square(y)) / 64  # below 65,504
        gradients = tape.gradient(loss, [weight.value for weight in each.trainable_variables])
        found.append({each.trainable_variables[i].name: gradients[i] for i in checked})
    assert_near(*found, PART[precision])
