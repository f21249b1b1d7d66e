"""Eager, in a graph that does not know the number of examples, and inside `Dataset.map`."""

import pytest
import tensorflow as tf
from cases import LAYERS, ROWS, assert_near, case_with, model_of, names, step_with

PART = 1e-5  # sums of some hundred products in another order


def unknown_rows(case) -> tf.TensorSpec:
    return tf.TensorSpec([None, *case.input_shape], tf.float32)


@pytest.mark.parametrize("name", names())
def test_graph(name):
    case, model = case_with(name, "graph"), model_of(name)
    x = case.input()
    expected = {"output": model(x, training=False)}
    graph = tf.function(lambda x: model(x, training=False), input_signature=[unknown_rows(case)])
    assert_near({"output": graph(x)}, expected, PART)


@pytest.mark.parametrize("name", names())
def test_dataset_map(name):
    case, model = case_with(name, "graph"), model_of(name)
    x = case.input()
    ds = tf.data.Dataset.from_tensor_slices(x).batch(ROWS)
    (y,) = ds.map(lambda x: model(x, training=False), num_parallel_calls=2)
    assert_near({"output": y}, {"output": model(x, training=False)}, PART)


@pytest.mark.parametrize("name", names(LAYERS))
def test_graph_in_training(name):
    case, model = case_with(name, "graph"), model_of(name)
    x = case.input()
    graph = tf.function(lambda x: step_with(model, x), input_signature=[unknown_rows(case)])
    assert_near(graph(x), step_with(model, x), PART)
