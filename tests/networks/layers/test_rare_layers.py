"""The layers that few networks of the family have, against loops over NumPy arrays."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.networks.layers import lenet
from alexnet_tf.networks.layers.initializers import NamedUniform
from alexnet_tf.networks.layers.locally_connected import LocallyConnected
from alexnet_tf.networks.layers.pooling import Pooling
from alexnet_tf.networks.layers.spatial_norm import SpatialResponseNorm
from alexnet_tf.networks.layers.spatial_pyramid import SpatialPyramid


def random(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_spatial_norm_divides_by_the_energy_of_the_square():
    x, expected = random(2, 6, 5, 3), np.zeros((2, 6, 5, 3), np.float32)
    for row in range(6):
        for column in range(5):
            square = x[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            energy = np.sum(square**2, axis=(1, 2))
            expected[:, row, column] = x[:, row, column] / (1.5 + 0.1 * energy) ** 0.6
    np.testing.assert_allclose(SpatialResponseNorm(3, 1.5, 0.1, 0.6)(x), expected, atol=1e-6)


def test_spatial_norms_gradient_is_that_of_finite_differences():
    layer, x, weights = (
        SpatialResponseNorm(3, 1.5, 0.1, 0.6),
        random(1, 4, 4, 2),
        random(1, 4, 4, 2),
    )
    with tf.GradientTape() as tape:
        variable = tf.constant(x)
        tape.watch(variable)
        total = tf.reduce_sum(layer(variable) * weights)
    gradient = tape.gradient(total, variable).numpy()
    for place in ((0, 0, 0, 0), (0, 1, 2, 1), (0, 3, 3, 0)):
        moved = [x.copy(), x.copy()]
        moved[0][place] += 1e-2
        moved[1][place] -= 1e-2
        up, down = (np.sum(layer(each).numpy() * weights, dtype=np.float64) for each in moved)
        # Differences of float32 values over 0.02.
        np.testing.assert_allclose(gradient[place], (up - down) / 2e-2, atol=1e-3)


@pytest.mark.parametrize("is_mean", [False, True])
@pytest.mark.parametrize("size, stride, sides", [(3, 2, (5, 3)), (2, 2, (5, 4)), (2, 3, (4, 3))])
def test_windows_that_hang_over_see_what_is_inside(is_mean, size, stride, sides):
    x = random(2, 10, 7, 3) - 5
    expected = np.zeros((2, *sides, 3), np.float32)
    for row in range(sides[0]):
        for column in range(sides[1]):
            top, left = row * stride, column * stride
            window = x[:, top : top + size, left : left + size]
            expected[:, row, column] = (np.mean if is_mean else np.max)(window, axis=(1, 2))
    y = Pooling(size, stride, is_mean, round_up=True)(x)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_a_local_layer_has_a_kernel_for_each_place():
    x, layer = random(2, 7, 6, 3), LocallyConnected(4, 3, stride=2, padding=((0, 1), (1, 1)))
    layer.build(x.shape)
    layer.bias.assign(random(3, 3, 4, seed=2))
    padded = np.pad(x, ((0, 0), (0, 1), (1, 1), (0, 0)))
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape) == (2, 3, 3, 4)
    for row in range(3):
        for column in range(3):
            patch = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3].reshape(2, -1)
            expected = patch @ layer.kernel.numpy()[row, column] + layer.bias.numpy()[row, column]
            np.testing.assert_allclose(y[:, row, column], expected, atol=1e-5)


def test_a_sparse_convolution_sees_its_channels_alone():
    x, layer = random(2, 5, 5, 3), lenet.SparseConvolution(3, ((0, 2), (1,)))
    y = layer(x).numpy()
    kernels = layer.kernel.numpy().reshape(3, 3, 3)
    for filter_, pairs in enumerate([((0, 0), (2, 1)), ((1, 2),)]):
        for row in range(3):
            for column in range(3):
                window = x[:, row : row + 3, column : column + 3]
                expected = sum((window[..., c] * kernels[..., k]).sum((1, 2)) for c, k in pairs)
                np.testing.assert_allclose(y[:, row, column, filter_], expected, atol=1e-5)


def test_subsampling_scales_means_of_four():
    x, layer = random(1, 4, 6, 2), lenet.Subsampling(lenet.scaled_tanh)
    layer.build(x.shape)
    layer.gain.assign([2.0, 3.0])
    layer.bias.assign([0.5, -0.5])
    mean = x.reshape(1, 2, 2, 3, 2, 2).mean((2, 4))
    expected = 1.7159 * np.tanh((mean * [2, 3] + [0.5, -0.5]) * 2 / 3)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_distances_are_to_ten_codes_of_plus_and_minus_one():
    codes, x = lenet.digit_codes(), random(3, 84)
    assert codes.shape == (10, 84) and set(np.unique(codes)) == {-1, 1}
    assert len(np.unique(codes, axis=0)) == 10
    expected = -np.sum((x[:, None] - codes) ** 2, axis=-1)
    np.testing.assert_allclose(lenet.DigitDistance()(x), expected, rtol=1e-5)


@pytest.mark.parametrize("height, width", [(6, 6), (7, 5)])
def test_a_pyramid_gives_one_length_for_any_size(height, width):
    x = random(2, height, width, 4)
    y = SpatialPyramid((2, 1))(x).numpy()
    middle, right = -(-height // 2), -(-width // 2)
    parts = [
        x[:, rows, columns].max((1, 2))
        for rows in (slice(middle), slice(height // 2, None))
        for columns in (slice(right), slice(width // 2, None))
    ]
    np.testing.assert_array_equal(y, np.concatenate([*parts, x.max((1, 2))], axis=-1))


def test_uniform_weights_are_a_function_of_seed_and_name():
    draw = NamedUniform(0.5, seed=1, layer_name="conv1")
    values = draw((100, 100)).numpy()
    assert 0.49 < values.max() <= 0.5 and -0.5 <= values.min() < -0.49
    np.testing.assert_array_equal(draw((100, 100)), values)
    assert np.any(NamedUniform(0.5, seed=1, layer_name="conv2")((100, 100)) != values)
