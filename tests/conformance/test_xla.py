"""Compiled by XLA: the same, forward and backward."""

import pytest
import tensorflow as tf
from cases import assert_near, assert_same_step, case_with, model_of, names, step_with

PART = 1e-4  # XLA adds in another order, and divides by multiplying


@pytest.mark.parametrize("name", names(is_slow=True))
def test_xla(name):
    case, model = case_with(name, "xla"), model_of(name)
    x = tf.constant(case.input())
    compiled = tf.function(lambda x: model(x, training=False), jit_compile=True)
    assert_near({"output": compiled(x)}, {"output": model(x, training=False)}, PART)
    compiled = tf.function(lambda x: step_with(model, x), jit_compile=True)
    assert_same_step(name, compiled(x), step_with(model, x), PART)
