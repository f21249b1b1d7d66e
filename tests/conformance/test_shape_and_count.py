"""A layer or network gives the shape that it announces, and has the variables that it should."""

import keras
import numpy as np
import pytest
from cases import LAYERS, ROWS, case_with, model_of, names


@pytest.mark.parametrize("name", names())
def test_shape_and_count(name):
    case, model = case_with(name, "shape_and_count"), model_of(name)
    y = model(case.input(), training=False)
    assert model.compute_output_shape((ROWS, *case.input_shape)) == tuple(y.shape)
    optimizer = model.optimizer.variables if model.compiled else []
    assert len(model.variables) + len(optimizer) == case.num_variables
    assert all(np.isfinite(y).flat)
    assert keras.ops.any(y != y[0])  # examples differ


@pytest.mark.parametrize("name", names(LAYERS))
def test_shape_of_sides_that_are_not_known(name):
    shape = case_with(name, "unknown_sides").input_shape
    unknown = (None, *[None] * (len(shape) - 1), shape[-1])
    layer = model_of(name).layers[-1]
    expected = model_of(name).output_shape
    found = layer.compute_output_shape(unknown)
    assert len(found) == len(expected)
    assert all(one in (None, other) for one, other in zip(found, expected, strict=True))
