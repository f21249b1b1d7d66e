"""Dropout by position and weights by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.layers.dropout import Dropout, DropPosition, drop_position
from alexnet_tf.networks.layers.initializers import NamedNormal


def mask(step=1, first_row=0, num_rows=8, name="drop6", seed=0, shape=(8, 500), rate=0.5):
    """Tells which of the outputs are kept, 1 or 0."""
    layer = Dropout(rate, name=name)
    with drop_position(DropPosition(seed, step, first_row, num_rows)):
        return layer(tf.ones(shape), training=True).numpy()


@pytest.mark.parametrize("num_replicas", [1, 2, 4, 8])
def test_replicas_take_their_rows_of_one_mask(num_replicas):
    rows = 8 // num_replicas
    parts = [mask(first_row=r * rows, shape=(rows, 500)) for r in range(num_replicas)]
    np.testing.assert_array_equal(np.concatenate(parts), mask())


@pytest.mark.parametrize("change", [{"step": 2}, {"seed": 1}, {"name": "drop7"}])
def test_steps_seeds_and_layers_draw_masks_of_their_own(change):
    agreement = np.mean(mask() == mask(**change))
    assert agreement == pytest.approx(0.5, abs=0.05)  # 4,000 draws: 6 standard deviations


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_the_rate_is_what_is_dropped(rate):
    assert np.mean(mask(rate=rate) == 0) == pytest.approx(rate, abs=0.05)


def test_program_halves_at_test_and_inverted_doubles_in_training():
    x = tf.ones([4, 100])
    with drop_position(DropPosition(0, 1, 0, 4)):
        assert set(np.unique(Dropout(0.5, "program")(x, training=True))) == {0, 1}
        assert set(np.unique(Dropout(0.5, "inverted")(x, training=True))) == {0, 2}
    assert set(np.unique(Dropout(0.5, "program")(x, training=False))) == {0.5}
    assert set(np.unique(Dropout(0.5, "inverted")(x, training=False))) == {1}


def test_without_a_position_a_generator_draws_as_fit_expects():
    layer = Dropout(0.5)
    one, other = (layer(tf.ones([8, 500]), training=True).numpy() for _ in range(2))
    assert np.mean(one == other) == pytest.approx(0.5, abs=0.05)


def test_the_position_ends_with_its_block_and_can_be_nested():
    with drop_position(DropPosition(0, 1, 0, 8)):
        inner = mask(step=5)
        again = Dropout(0.5, name="drop6")(tf.ones([8, 500]), training=True)
    np.testing.assert_array_equal(again, mask(step=1))
    np.testing.assert_array_equal(inner, mask(step=5))


@pytest.mark.parametrize("arguments", [{"rate": 1.0}, {"rate": -0.1}, {"mode": "alpha"}])
def test_a_dropout_that_means_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        Dropout(**arguments)


def test_named_normal_depends_on_seed_and_name_alone():
    def draw(seed=3, name="conv1", shape=(100, 100)):
        return NamedNormal(0.1, seed, name)(shape).numpy()

    np.testing.assert_array_equal(draw(), draw())
    assert np.std(draw()) == pytest.approx(0.1, rel=0.03)
    assert np.mean(draw()) == pytest.approx(0, abs=0.005)
    for other in (draw(seed=4), draw(name="conv2")):
        assert abs(np.corrcoef(draw().ravel(), other.ravel())[0, 1]) < 0.05


def test_the_initializer_round_trips():
    one = NamedNormal(0.1, 7, "fc6")
    again = keras.initializers.deserialize(keras.initializers.serialize(one))
    np.testing.assert_array_equal(one((3, 3)), again((3, 3)))


def test_dropout_round_trips():
    layer = Dropout(0.3, "inverted", name="drop9")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()
