"""Two replicas train like one device: up to rounding, and nearly where rounding decides."""

import dataclasses

import numpy as np
import pytest
import tiny

from alexnet_tf.config.layer_rows import PAPER_LAYERS
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run

SMOOTH = {
    "activation": "tanh",
    "layers": tuple(
        dataclasses.replace(row, is_mean=True) if row.kind == "pool" else row
        for row in PAPER_LAYERS
    ),
}
"""The paper's network without kinks: rounding decides about no window and no unit."""


def largest_difference(pictures, folder, **network) -> float:
    """Finds the largest in weights and metrics, after 20 steps on two replicas and on one."""
    ends = []
    for strategy, devices in (("single", ("cpu:0",)), ("mirrored", ("cpu:0", "cpu:1"))):
        config = tiny.config(
            pictures, folder / strategy, steps=20, seed=1, strategy=strategy, devices=devices
        )
        run(tiny.with_network(config, **network))
        lines = [list(line.values()) for line in tiny.metrics(folder / strategy)]
        numbers = {"metrics": np.array([x for line in lines for x in line if x is not None])}
        ends.append(checkpoint.load(folder / strategy, "last").weights() | numbers)
    return max(np.abs(ends[0][name] - ends[1][name]).max() for name in ends[0])


@pytest.mark.long
def test_two_replicas_end_20_steps_like_one_device_with_dropout_on(pictures, tmp_path):
    assert largest_difference(pictures, tmp_path, **SMOOTH) <= 1e-6


@pytest.mark.slow
def test_two_replicas_of_the_papers_network_end_nearly_like_one_device(pictures, tmp_path):
    # Usually 1e-6 as well. Of a million pooling windows, though, one may hold two values that are
    # equal up to rounding; the gradient then goes to another pixel, and some weights by 1e-4.
    assert largest_difference(pictures, tmp_path) < 1e-3


@pytest.mark.slow
def test_dropout_is_on_in_that_comparison(pictures, tmp_path):
    on = tiny.with_network(tiny.config(pictures, tmp_path / "on", steps=2), **SMOOTH)
    off = tiny.with_network(tiny.config(pictures, tmp_path / "off", steps=2), dropout="none")
    off = tiny.with_network(off, **SMOOTH)
    run(on), run(off)
    one, other = (checkpoint.load(tmp_path / x, "last").arrays() for x in ("on", "off"))
    assert np.abs(one["fc7/kernel"] - other["fc7/kernel"]).max() > 1e-4
