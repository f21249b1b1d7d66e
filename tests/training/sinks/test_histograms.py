"""Histograms of weights: what they count, and what they cost."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.training.sinks.histograms import buckets
from alexnet_tf.training.sinks.tensorboard import Events

MANY = 20_000_000
"""Values, half as many as fc6 has."""
ALLOWED_BYTES = 100 * 2**20


@pytest.mark.parametrize("num", [1, 2, 1000, 200_000])
def test_buckets_are_numpys(num):
    values = np.random.default_rng(num).normal(size=num).astype(np.float32)
    table = buckets(values.reshape(-1, 1))
    counts, edges = np.histogram(values.astype(np.float64), 30)
    assert table.dtype == np.float64 and table.shape == (30, 3)
    assert table[:, 2].sum() == num
    if num > 1:
        np.testing.assert_array_equal(table[:, 2], counts)
        np.testing.assert_allclose(table[:, 0], edges[:-1])
        np.testing.assert_allclose(table[:, 1], edges[1:])


def test_a_variable_a_tensor_and_an_array_give_the_same():
    values = np.random.default_rng(0).normal(size=(300, 500)).astype(np.float32)
    for form in (tf.Variable(values), tf.constant(values), values.T):
        np.testing.assert_array_equal(buckets(form), buckets(values))


def test_equal_values_stand_in_the_last_bucket():
    table = buckets(np.ones((3, 4), np.float32))
    assert (table[:, :2] == 1).all()
    assert table[-1, 2] == 12 and not table[:-1, 2].any()


def test_what_is_not_finite_is_not_counted():
    table = buckets(np.array([1, 2, np.nan, np.inf, -np.inf, 4], np.float32))
    assert table[0, 0] == 1 and table[-1, 1] == 4 and table[:, 2].sum() == 3


@pytest.mark.parametrize("values", [np.zeros(0), np.array([np.nan])])
def test_without_values_all_is_zero(values):
    assert not buckets(values).any()


def test_tensorboard_is_told_that_it_is_a_histogram(tmp_path):
    values = np.random.default_rng(0).normal(size=1000)
    sink = Events(tmp_path, 0, 0)
    sink.histograms({"fc6/kernel": values, "fc6/bias": tf.Variable([1.0, 2.0])}, 5)
    sink.close()
    (path,) = (tmp_path / "events/train").glob("*")
    found = [
        tf.compat.v1.Event.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    summaries = [(event.step, value) for event in found for value in event.summary.value]
    assert [(step, value.tag) for step, value in summaries] == [(5, "fc6/kernel"), (5, "fc6/bias")]
    for _, value in summaries:
        assert value.metadata.plugin_data.plugin_name == "histograms"
    np.testing.assert_array_equal(tf.make_ndarray(summaries[0][1].tensor), buckets(values))


def test_many_values_of_an_array_take_little_memory():
    values = np.zeros(MANY, np.float32)
    values[1:] = 1
    tracemalloc.start()
    table = buckets(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table[-1, 2] == MANY - 1
    assert peak < ALLOWED_BYTES / 10


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_many_values_of_a_variable_take_little_memory():
    variable = tf.Variable(tf.random.stateless_uniform([MANY // 1000, 1000], [0, 0]))
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = status_bytes("VmRSS")
    table = buckets(variable)
    assert table[:, 2].sum() == MANY
    assert status_bytes("VmHWM") - before < ALLOWED_BYTES / 2


def status_bytes(name: str) -> int:
    """Reads the memory of this process as Linux counts it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise KeyError(name)
