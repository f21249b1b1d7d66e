"""Local response normalization: against NumPy, PyTorch and itself compiled by XLA."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.layers.response_norm import LocalResponseNorm

# Of the dtype's resolution: inputs and outputs are rounded, all else is float32.
ATOL = {"float32": 1e-5, "bfloat16": 0.05, "float16": 5e-3}
STRONG = {"bias": 2.0, "alpha": 0.05, "beta": 0.75}
"""Constants at which the neighbors matter; with the paper's, outputs are almost x / 1.68."""


def inputs(channels=12, seed=0):
    return np.random.default_rng(seed).normal(size=(2, 3, 4, channels)).astype(np.float32) * 3


def by_numpy(x, radius=2, bias=2.0, alpha=1e-4, beta=0.75, groups=1):
    """Computes the paper's formula, section 3.3, neuron by neuron."""
    y, depth = np.empty_like(x, np.float64), x.shape[-1] // groups
    for c in range(x.shape[-1]):
        tower = c // depth * depth
        first, last = max(tower, c - radius), min(tower + depth - 1, c + radius)
        energy = np.sum(np.square(x[..., first : last + 1], dtype=np.float64), axis=-1)
        y[..., c] = x[..., c] / (bias + alpha * energy) ** beta
    return y


@pytest.mark.parametrize("dtype", ATOL)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("constants", [{}, STRONG, STRONG | {"beta": 0.5, "radius": 1}])
@pytest.mark.parametrize("training", [False, True])
def test_forward_is_the_papers_formula(dtype, groups, constants, training):
    x = inputs()
    layer = LocalResponseNorm(groups=groups, dtype=dtype, **constants)
    y = layer(tf.cast(x, dtype), training=training)
    assert y.dtype == dtype
    expected = by_numpy(x, groups=groups, **constants)
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, atol=ATOL[dtype])


@pytest.mark.parametrize("groups, channels", [(1, 12), (2, 12), (1, 5), (1, 2), (2, 6)])
def test_the_gradient_is_that_of_finite_differences(groups, channels):
    x, dy = inputs(channels).astype(np.float64), inputs(channels, seed=1).astype(np.float64)
    layer = LocalResponseNorm(groups=groups, **STRONG)
    with tf.GradientTape() as tape:
        given = tf.constant(x, tf.float32)
        tape.watch(given)
        y = layer(given, training=True)
    dx = tape.gradient(y, given, tf.constant(dy, tf.float32))
    expected, step = np.empty_like(x), 1e-5
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        change = by_numpy(up, groups=groups, **STRONG) - by_numpy(down, groups=groups, **STRONG)
        expected[place] = np.sum(change * dy) / (2 * step)
    np.testing.assert_allclose(dx, expected, atol=1e-4)  # float32 against float64


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_equals_tensorflows_own(groups, training):
    x, dy = tf.constant(inputs()), tf.constant(inputs(seed=1))

    def stock(x):
        parts = tf.split(x, groups, axis=-1)
        return tf.concat(
            [tf.nn.local_response_normalization(part, 2, 2.0, 0.05, 0.75) for part in parts], -1
        )

    def gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x, dy)

    layer = LocalResponseNorm(groups=groups, **STRONG)
    ours = gradient(lambda x: layer(x, training=training))
    np.testing.assert_allclose(ours, gradient(stock), atol=1e-5)


@pytest.mark.parametrize("constants", [{}, STRONG])
def test_forward_and_gradient_equal_pytorchs(constants):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    bias, alpha = constants.get("bias", 2.0), constants.get("alpha", 1e-4)
    other = torch.nn.LocalResponseNorm(5, alpha=5 * alpha, beta=0.75, k=bias)  # theirs is a mean
    x, dy = inputs(), inputs(seed=1)
    given = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    expected = other(given)
    expected.backward(torch.tensor(np.moveaxis(dy, -1, 1)))
    with tf.GradientTape() as tape:
        ours = tf.constant(x)
        tape.watch(ours)
        y = LocalResponseNorm(**constants)(ours, training=True)
    dx = tape.gradient(y, ours, tf.constant(dy))
    np.testing.assert_allclose(y, np.moveaxis(expected.detach().numpy(), 1, -1), atol=1e-5)
    np.testing.assert_allclose(dx, np.moveaxis(given.grad.numpy(), 1, -1), atol=1e-5)


@pytest.mark.parametrize("dtype", ATOL)
@pytest.mark.parametrize("training", [False, True])
def test_xla_compiles_it_forward_and_backward(dtype, training):
    layer, x = LocalResponseNorm(groups=2, dtype=dtype, **STRONG), tf.cast(inputs(), dtype)

    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
        return y, tape.gradient(y, x)

    compiled = tf.function(both, jit_compile=True)(x)
    for one, other in zip(compiled, both(x), strict=True):
        one, other = tf.cast(one, tf.float32), tf.cast(other, tf.float32)
        np.testing.assert_allclose(one, other, atol=ATOL[dtype])


def test_large_float16_activations_do_not_overflow():
    y = LocalResponseNorm(dtype="float16")(tf.fill([1, 1, 1, 5], tf.constant(2000, tf.float16)))
    expected = by_numpy(np.full((1, 1, 1, 5), 2000.0))
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, rtol=1e-3)  # float16's


def test_what_is_exported_is_tensorflows_own_operation_and_needs_no_compiler():
    layer = LocalResponseNorm(groups=2)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec([None, 3, 4, 12])).graph
    types = {operation.type for operation in graph.get_operations()}
    assert "LRN" in types and not types & {"PartitionedCall", "StatefulPartitionedCall"}


def test_a_window_is_cut_at_the_edge_of_a_tower_and_not_renormalized():
    x = np.zeros((1, 1, 1, 8), np.float32)
    x[..., 3] = 10.0
    y = LocalResponseNorm(groups=2, bias=1.0, alpha=1.0, beta=1.0)(x + 1)[0, 0, 0].numpy()
    np.testing.assert_allclose(y[[3, 4, 1]], [11 / 124, 1 / 4, 1 / 125], rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, channels, text",
    [
        ({"radius": 0}, 4, "^radius=0: expected at least 1"),
        ({"groups": 0}, 4, "^groups=0: expected at least 1"),
        ({"groups": 3}, 4, "groups=3: expected a divisor of channels=4"),
    ],
)
def test_what_it_cannot_do_is_refused(arguments, channels, text):
    with pytest.raises(ValueError, match=text):
        LocalResponseNorm(**arguments)(tf.zeros([1, 1, 1, channels]))


def test_it_round_trips():
    layer = LocalResponseNorm(1, 1.0, 2e-5, 0.5, groups=2, name="norm7")
    again = LocalResponseNorm.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
