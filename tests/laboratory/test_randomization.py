"""Rank correlation, and layers drawn anew from the top downwards."""

import dataclasses
import types

import numpy as np
import pytest
import tiny_run

from alexnet_tf.config.run import Config
from alexnet_tf.laboratory import randomization
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.networks.tables.resolved import table

NETWORK = dataclasses.replace(tiny_run.NETWORK, normalization="batch")


@pytest.fixture
def subject():
    """What the check reads of a Subject; all its weights are far from the initial ones."""
    model = alexnet(NETWORK)
    for name, variable in named_weights(model).items():
        variable.assign(np.full(variable.shape, 3.0 + len(name)))
    rows, config = tuple(table(NETWORK)), Config(network=NETWORK)
    return types.SimpleNamespace(model=model, rows=rows, config=config)


def values(model) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in named_weights(model).items()}


def test_layers_are_drawn_one_more_each_time_and_are_back_in_the_end(subject):
    before, fresh = values(subject.model), values(alexnet(NETWORK, seed=1))
    seen = []
    for layer in randomization.cascade(subject, "relu5"):
        seen.append(layer)
        drawn = {f"norm{name[-1]}" for name in seen} | set(seen)
        for name, now in values(subject.model).items():
            expected = fresh if name.partition("/")[0] in drawn else before
            np.testing.assert_array_equal(now, expected[name], err_msg=f"{layer}: {name}")
    assert seen == ["conv5", "conv4", "conv3", "conv2", "conv1"]
    for name, now in values(subject.model).items():
        np.testing.assert_array_equal(now, before[name])
    assert np.all(fresh["norm5/gamma"] == 1) and np.all(fresh["norm5/moving_variance"] == 1)


def test_weights_are_back_after_an_error_too(subject):
    before = values(subject.model)

    def maps():
        if np.any(subject.model.get_layer("fc7").kernel.numpy() != before["fc7/kernel"]):
            raise KeyboardInterrupt
        return {"any": [np.arange(3.0)]}

    with pytest.raises(KeyboardInterrupt):
        randomization.check(subject, "fc8", maps)
    for name, now in values(subject.model).items():
        np.testing.assert_array_equal(now, before[name])


def test_a_map_of_the_picture_alone_is_called_hardly_dependent(subject):
    draw = np.random.default_rng(0)
    picture = draw.normal(size=(4, 9, 9))

    def maps():
        weight = float(subject.model.get_layer("conv5").kernel.numpy().ravel()[0])
        other = np.random.default_rng(int(1e6 * abs(weight))).normal(size=(4, 9, 9))
        return {"edges": picture, "weights": other}

    check = randomization.check(subject, "conv5", maps)
    assert check.layers == ("conv5", "conv4", "conv3", "conv2", "conv1")
    np.testing.assert_allclose(check.correlation["edges"], 1)
    assert np.abs(check.correlation["weights"]).max() < 0.3
    pytest.importorskip("matplotlib")
    about = About(title="t", method="m.", source="s", limits="l")
    blank = np.zeros((5, 900, 3), np.uint8)
    exhibit = Exhibit(name="n", about=about, seen="Maps.", picture=blank, numbers={"a": 1})
    added = randomization.added(exhibit, {"n": check}, "of 4 maps")
    assert " Check (of 4 maps): with the upper half" in added.seen
    assert "hardly depends on what that has learned: edges." in added.seen
    assert added.numbers["a"] == 1 and added.numbers["check"]["n"]["layers"] == check.layers
    assert added.picture.shape == (485, 900, 3) and added.about.method.startswith("m. The check")


def test_one_layer_has_no_upper_half():
    pytest.importorskip("matplotlib")
    about = About(title="t", method="m.", source="s", limits="l")
    blank = np.zeros((5, 900, 3), np.uint8)
    exhibit = Exhibit(name="n", about=about, seen="Maps.", picture=blank, numbers={})
    check = randomization.Check(("conv1",), {"edges": [0.95]})
    seen = randomization.added(exhibit, {"conv1": check}, "of 4 maps").seen
    assert "edges 0.95 (one layer)" in seen and seen.endswith("has learned: none here.")


@pytest.mark.parametrize("levels", [0, 3])
def test_the_rank_correlation_is_spearmans(levels):
    stats = pytest.importorskip("scipy.stats")
    one, other = np.random.default_rng(0).normal(size=(2, 11, 13))
    other = other + one
    if levels:  # ties
        one, other = np.round(one * levels), np.maximum(np.round(other * levels), 0)
    expected = stats.spearmanr(one.ravel(), other.ravel()).statistic
    assert randomization.rank_correlation(one, other) == pytest.approx(expected, abs=1e-12)
    assert 0.3 < expected < 0.9


def test_a_map_of_equal_values_has_no_correlation():
    assert randomization.rank_correlation(np.zeros(5), np.arange(5)) == 0
