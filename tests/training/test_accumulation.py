"""Gradients summed over parts of a batch, over replicas or both, and clipped when whole."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_replicas import SMOOTH

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError
from alexnet_tf.training import checkpoint, parts
from alexnet_tf.training.optimizer import PaperSGD
from alexnet_tf.training.run import run

STEPS = 8
CLIPPED = 0.5
"""Below the length of each step's gradient, which the tests see."""


def ended(
    pictures, run_dir, parts=1, replicas=1, network=SMOOTH, clip_norm=CLIPPED, data=None, **settings
):
    """Runs some steps, dropout on; returns weights, momenta and metrics at the end."""
    spread = {"strategy": "mirrored", "devices": ("cpu:0", "cpu:1")} if replicas == 2 else {}
    settings = {"steps": STEPS, "seed": 1, "accumulate_steps": parts} | spread | settings
    config = tiny.with_network(tiny.config(pictures, run_dir, **settings), **network)
    rule = OptimizerConfig(learning_rate=0.02, schedule="constant", clip_norm=clip_norm)
    data = dataclasses.replace(config.data, **data or {})
    run(dataclasses.replace(config, optimizer=rule, data=data))
    lines = [list(line.values()) for line in tiny.metrics(run_dir)]
    numbers = {"metrics": np.array([x for line in lines for x in line if x is not None])}
    return checkpoint.load(run_dir, "last").arrays() | numbers


@pytest.fixture(scope="module")
def whole(pictures, tmp_path_factory):
    """A run whose batches are computed at once."""
    return ended(pictures, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    "parts, replicas",
    [(2, 2), *(pytest.param(*x, marks=pytest.mark.slow) for x in ((4, 1), (1, 2)))],
)
@pytest.mark.long
def test_parts_and_replicas_change_nothing(pictures, tmp_path, whole, parts, replicas):
    tiny.assert_equal(ended(pictures, tmp_path, parts, replicas), whole, atol=1e-6)


@pytest.mark.slow
def test_two_towers_add_parts_too(pictures, tmp_path, whole):
    found = ended(pictures, tmp_path, 4, towers=2, devices=("cpu:0", "cpu:1"))
    tiny.assert_equal(found, whole, atol=1e-5)


@pytest.mark.slow
def test_that_comparison_was_one_of_clipped_gradients(pictures, tmp_path, whole):
    free = ended(pictures, tmp_path, clip_norm=0.0)
    assert np.abs(free["fc8/kernel"] - whole["fc8/kernel"]).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("precision", [pytest.param("bfloat16", marks=pytest.mark.slow), "float16"])
def test_parts_of_16_bits_are_added_in_32(pictures, tmp_path, whole, precision):
    found = ended(pictures, tmp_path, 4, precision=precision)
    assert found["fc8/kernel"].dtype == np.float32
    assert 0 < np.abs(found["fc8/kernel"] - whole["fc8/kernel"]).max() < 0.01


@pytest.mark.slow
def test_a_run_goes_on_with_other_parts(pictures, tmp_path, whole):
    ended(pictures, tmp_path, 1, steps=STEPS // 2)
    tiny.assert_equal(ended(pictures, tmp_path, 2), whole, atol=1e-6)


def test_a_gradient_is_clipped_as_a_whole():
    variables = [keras.Variable(np.zeros(n), dtype="float32") for n in (2, 1)]
    gradients = [tf.constant([3.0, 0.0]), tf.constant([4.0])]  # of length 5
    for clip_norm, factor in ((2.5, 0.5), (5.0, 1.0), (7.0, 1.0), (0.0, 1.0)):
        optimizer = PaperSGD(1.0, momentum=0.0, decay=0.0, clip_norm=clip_norm)
        for variable in variables:
            variable.assign(np.zeros(variable.shape))
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        np.testing.assert_allclose(variables[0].numpy(), [-3.0 * factor, 0.0], rtol=1e-6)
        np.testing.assert_allclose(variables[1].numpy(), [-4.0 * factor], rtol=1e-6)
    optimizer = PaperSGD(1.0, clip_norm=1.0)
    optimizer.apply_gradients(
        zip([tf.constant([3e38, 3e38]), gradients[1]], variables, strict=True)
    )
    assert np.isnan(variables[1].numpy()).all()  # a length that overflows is not 0
    assert PaperSGD.from_config(optimizer.get_config()).clip_norm == 1.0


BATCH_NORM = {"normalization": "batch"}


def test_a_batch_norm_of_vectors_makes_nothing_of_one_example(tmp_path):
    config = tiny.config(tmp_path, tmp_path, global_batch_size=1)
    parts.check(config, 1)
    with pytest.raises(UserError, match="global_batch_size=1: expected at least 2 with a batch n"):
        parts.check(tiny.with_network(config, **BATCH_NORM), 1)
    frozen = {"freeze": ("all_but_last",), "start_from": "a.npz"}
    parts.check(tiny.with_network(tiny.config(tmp_path, tmp_path, **frozen), **BATCH_NORM), 1)


@pytest.mark.slow
def test_statistics_of_parts_are_asked_for_or_refused(pictures, tmp_path):
    with pytest.raises(UserError, match="accumulate_steps=2: expected 1 for a network with batch"):
        ended(pictures, tmp_path / "one", 2, network=BATCH_NORM)
    with pytest.raises(UserError, match="accumulate_steps=2: expected 1 with 2 replicas and a bat"):
        ended(pictures, tmp_path / "two", 2, 2, BATCH_NORM, batch_norm_of_parts=True)
    with pytest.raises(UserError, match="accumulate_steps=8, .*: expected two examples in a part"):
        ended(pictures, tmp_path / "three", 8, network=BATCH_NORM, batch_norm_of_parts=True)
    asked = {"network": BATCH_NORM, "batch_norm_of_parts": True}
    found = ended(pictures, tmp_path / "four", 2, steps=2, **asked)
    assert np.isfinite(found["metrics"]).all()
    with pytest.raises(UserError, match="accumulate_steps=4: the run in .* was begun with 2, and"):
        ended(pictures, tmp_path / "four", 4, **asked)
    ended(pictures, tmp_path / "four", 2, steps=3, **asked)
    assert not any((tmp_path / x).exists() for x in ("one", "two", "three"))  # refused at once


@pytest.mark.parametrize(
    "parts, replicas, text",
    [
        (3, 1, "global_batch_size=8: expected a multiple of 3, 1 replica times 3 parts. Change it"),
        (8, 2, "global_batch_size=8: expected a multiple of 16, 2 replicas times 8 parts. Change"),
    ],
)
def test_a_batch_that_parts_cannot_share_is_refused(pictures, tmp_path, parts, replicas, text):
    with pytest.raises(UserError, match=text):
        ended(pictures, tmp_path, parts, replicas)


@pytest.mark.parametrize("scaling, factor", [("none", 1), ("linear", 2), ("sqrt", 2**0.5)])
def test_batches_are_compared_with_the_papers(scaling, factor):
    config = Config(
        run=RunConfig(global_batch_size=256), optimizer=OptimizerConfig(batch_scaling=scaling)
    )
    assert config.rate_factor == factor


@pytest.mark.parametrize(
    "scaling, rate", [pytest.param("none", 0.01, marks=pytest.mark.slow), ("linear", 0.02)]
)
@pytest.mark.long
def test_the_learning_rate_follows_the_batch(pictures, tmp_path, capsys, scaling, rate):
    config = tiny.config(pictures, tmp_path, steps=1, log_every_steps=1, global_batch_size=256)
    rule = OptimizerConfig(learning_rate=0.01, schedule="constant", batch_scaling=scaling)
    run(dataclasses.replace(config, optimizer=rule))
    assert tiny.metrics(tmp_path)[0]["train/learning_rate"] == pytest.approx(rate, rel=1e-5)
    said = f"batch_scaling={scaling}: a learning rate of {rate:.6g} for batches of 256, 0.01"
    assert (said in capsys.readouterr().err) == (scaling != "none")
