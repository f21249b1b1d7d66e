"""Draws by name and position: alike on every device, in every version, in every dtype."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.layers.dropout import Dropout, DropPosition, drop_position
from alexnet_tf.networks.layers.initializers import NamedNormal

ROWS, UNITS = 12, 256


def mask(seed=5, step=3, first_row=0, rows=ROWS):
    with drop_position(DropPosition(seed, step, first_row, ROWS)):
        return Dropout(0.5, name="drop6")(tf.ones((rows, UNITS)), training=True).numpy()


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "xla"])
def test_a_graph_draws_what_eager_draws(is_compiled):
    layer = Dropout(0.5, name="drop6")

    def draw(step, first_row):
        with drop_position(DropPosition(5, step, first_row, ROWS)):
            return layer(tf.ones((4, UNITS)), training=True)

    arguments = tf.constant(3, tf.int64), tf.constant(8, tf.int64)
    got = tf.function(draw, jit_compile=is_compiled)(*arguments)
    np.testing.assert_array_equal(got, mask(first_row=8, rows=4))


def test_mirrored_replicas_draw_what_one_device_draws(two_devices):
    strategy = tf.distribute.MirroredStrategy(two_devices)
    with strategy.scope():
        layer = Dropout(0.5, name="drop6")

    def replica():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        with drop_position(DropPosition(5, 3, number * (ROWS // 2), ROWS)):
            return layer(tf.ones((ROWS // 2, UNITS)), training=True)

    both = tf.function(lambda: strategy.run(replica))()
    pieces = strategy.experimental_local_results(both)
    np.testing.assert_array_equal(np.concatenate(pieces), mask())


def test_masks_and_initial_weights_are_those_of_the_first_version():
    first = "".join(str(int(is_kept)) for is_kept in mask(seed=0, step=1)[0, :32])
    assert first == "11001011110100010000111010101110"
    weights = [NamedNormal(0.03, 0, "conv1")((2,)), NamedNormal(0.03, 2**32 - 1, "fc8")((2,))]
    expected = [[-0.0191786438, 0.0246546511], [0.0319816992, 0.0221728813]]
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("mode, kept, test", [("program", 1, 0.75), ("inverted", 4 / 3, 1)])
def test_both_modes_keep_their_scale_in_every_dtype(mode, kept, test, dtype):
    layer = Dropout(0.25, mode, name="drop6", dtype=dtype)
    x = tf.ones((ROWS, UNITS), layer.compute_dtype)
    with drop_position(DropPosition(0, 1, 0, ROWS)):
        in_training = layer(x, training=True)
    at_test = layer(x, training=False)
    assert in_training.dtype == at_test.dtype == layer.compute_dtype
    rtol = 1e-6 if dtype == "float32" else 2.0**-8  # half a unit of bfloat16
    np.testing.assert_allclose(np.unique(tf.cast(in_training, tf.float64)), [0, kept], rtol=rtol)
    np.testing.assert_allclose(np.unique(tf.cast(at_test, tf.float64)), [test], rtol=rtol)


def test_the_highest_rate_below_one_drops_nearly_all():
    layer, x = Dropout(1 - 2.0**-53, name="drop6"), tf.ones((ROWS, UNITS))
    with drop_position(DropPosition(5, 3, 0, ROWS)):
        assert not tf.reduce_any(layer(x, training=True) != 0)


def test_the_gradient_passes_where_the_mask_lets_through():
    layer, x = Dropout(0.5, name="drop6"), tf.ones((ROWS, UNITS))
    with tf.GradientTape() as tape, drop_position(DropPosition(5, 3, 0, ROWS)):
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), mask())


@pytest.mark.parametrize("rate", [0.0, 0.9])
def test_rates_at_the_ends_are_kept(rate):
    with drop_position(DropPosition(0, 1, 0, ROWS)):
        y = Dropout(rate, name="drop6")(tf.ones((ROWS, UNITS)), training=True)
    allowed = 4 * np.sqrt(rate * (1 - rate) / (ROWS * UNITS))  # 4 standard deviations
    assert abs(np.mean(y) - (1 - rate)) <= allowed
