"""Windows, mirrors, color noise, views; each alone and inside of a dataset."""

import functools

import foreign
import numpy as np
import pytest
import tensorflow as tf

from pipelines import augment, colors, preprocess
from pipelines.augment_version_1 import example_seed
from pipelines.config import DataConfig, InputConfig
from pipelines.seeds import Stream

INPUTS = InputConfig(size=32, resize=40)  # 9 x 9 places
VERSIONS = (1, 2)


@functools.cache
def graph(data, inputs, seed, version):
    spec = tf.TensorSpec([None], tf.int64)
    draws = augment.draws(data, inputs, seed, version)

    def inside(epochs, examples):  # of a data set, where TensorFlow changes no arithmetic
        return tf.data.Dataset.from_tensors((epochs, examples)).map(draws).get_single_element()

    return tf.function(inside, input_signature=[spec, spec], autograph=False)


def drawn(epochs, examples, seed=0, version=augment.AUGMENTATION_VERSION, data=None, inputs=INPUTS):
    """Draws as a run does; NumPy arrays."""
    draws = graph(data or DataConfig(), inputs, seed, version)
    epochs, examples = np.broadcast_arrays(np.int64(epochs), np.int64(examples))
    found = draws(tf.constant(np.atleast_1d(epochs)), tf.constant(np.atleast_1d(examples)))
    return augment.Draws(*(column.numpy() for column in found))


@pytest.fixture(scope="module")
def places():
    """A picture whose levels say where they come from: [y, x, 0]."""
    y, x = np.mgrid[0:40, 0:40]
    return tf.constant(np.stack([y, x, 0 * x], -1), tf.uint8)


@pytest.mark.parametrize("version", VERSIONS)
def test_draws_depend_on_nothing_that_is_drawn_beside_them(version):
    whole = drawn(3, np.arange(300), version=version)
    draws = augment.draws(DataConfig(), INPUTS, 0, version)
    ds = tf.data.Dataset.range(100, 200).batch(7)
    ds = ds.map(lambda examples: draws(tf.zeros_like(examples) + 3, examples)).unbatch().batch(100)
    for column, part in zip(whole, ds.get_single_element(), strict=True):
        np.testing.assert_array_equal(column[100:200], part)
    for place in (0, 64, 299):
        for column, one in zip(whole, drawn(3, place, version=version), strict=True):
            np.testing.assert_array_equal(column[place : place + 1], one)


@pytest.mark.parametrize("version", VERSIONS)
def test_windows_come_from_every_place_equally_often(version):
    corner = drawn(3, np.arange(8100), version=version).corner
    counts = np.bincount(corner[:, 0] * 9 + corner[:, 1], minlength=81)
    assert counts.size == 81  # 0 to 8 on each axis
    chi_square = ((counts - 100) ** 2 / 100).sum()
    assert chi_square < 80 + 5 * np.sqrt(160)


@pytest.mark.parametrize("version", VERSIONS)
def test_half_of_the_pictures_are_mirrored(version):
    is_mirrored = drawn(0, np.arange(2000), version=version).is_mirrored
    assert abs(np.mean(is_mirrored) - 0.5) < 5 * 0.5 / np.sqrt(2000)


@pytest.mark.parametrize("version", VERSIONS)
def test_color_noise_has_the_standard_deviations_of_the_principal_axes(version):
    along = drawn(0, np.arange(4000), version=version).shift @ np.array(colors.COLOR_AXES).T
    np.testing.assert_allclose(along.mean(0), 0, atol=5 * 12.2 / np.sqrt(4000))
    expected = 0.1 * np.array(colors.COLOR_STDEVS)  # not the eigenvalues: those would shift by 1483
    np.testing.assert_allclose(along.std(0), expected, rtol=5 / np.sqrt(2 * 4000))
    np.testing.assert_allclose(np.corrcoef(along.T), np.eye(3), atol=5 / np.sqrt(4000))


@pytest.mark.parametrize("version", VERSIONS)
def test_color_noise_is_normal(version):
    statistics = pytest.importorskip("scipy.stats")
    along = drawn(0, np.arange(20000), version=version).shift @ np.array(colors.COLOR_AXES).T
    for component, stdev in enumerate(colors.COLOR_STDEVS):
        found = statistics.kstest(along[:, component] / (0.1 * stdev), "norm")
        assert found.pvalue > 1e-6


def test_draws_of_an_example_are_independent():
    found = drawn(0, np.arange(10000))
    along = found.shift @ np.array(colors.COLOR_AXES).T
    columns = np.column_stack([found.corner, found.is_mirrored, along])
    np.testing.assert_allclose(np.corrcoef(columns.T), np.eye(6), atol=5 / np.sqrt(10000))


def test_what_is_switched_off_is_the_central_window_as_it_is():
    off = DataConfig(random_crop=False, mirror=False, color_noise=0.0)
    found = drawn(0, np.arange(3), data=off)
    np.testing.assert_array_equal(found.corner, [[4, 4]] * 3)
    assert not found.is_mirrored.any()
    assert not found.shift.any()
    odd = drawn(0, 0, data=off, inputs=InputConfig(size=32, resize=41))  # as `center_crop`
    np.testing.assert_array_equal(odd.corner, [[4, 4]])


def test_the_axes_are_orthonormal():
    axes = np.array(colors.COLOR_AXES)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-4)  # stored with five digits


def test_a_window_is_cut_at_its_corner_and_mirrored(places):
    for is_mirrored in (False, tf.constant(False), tf.constant(True)):
        window = augment.window(places, 32, tf.constant([3, 8]), is_mirrored).numpy()
        expected = places.numpy()[3:35, 8:40]
        np.testing.assert_array_equal(window, expected[:, ::-1] if is_mirrored else expected)


@pytest.mark.parametrize("least", [0.08, 0.5])
def test_windows_of_random_size_have_areas_and_shapes_as_asked(least):
    data, inputs = DataConfig(least_crop=least), InputConfig(size=32, resize=1000)
    found = drawn(1, np.arange(8000), data=data, inputs=inputs)
    height, width = found.sides.T
    assert (found.sides >= 1).all() and (found.corner + found.sides <= 1000).all()
    assert (found.corner >= 0).all()
    shape = np.log(width / height) / np.log(4 / 3)
    whole = found.sides.max(axis=1) < 1000  # those longer than the square were cut
    assert np.abs(shape[whole]).max() < 1.01
    area = height * width / 1e6
    small = area < 0.7  # where nothing is cut: uniform, and independent of shape
    quantiles = np.quantile(area[small], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(quantiles, np.linspace(least, 0.7, 5), atol=0.02)
    assert abs(np.mean(shape[small])) < 0.05 and abs(np.var(shape[small]) - 1 / 3) < 0.02
    if least < 0.1:
        slack = 1000 - found.sides[small]
        where = found.corner[small] / np.maximum(slack, 1)
        assert (slack > 50).mean() > 0.99
        np.testing.assert_allclose(where.mean(axis=0), 0.5, atol=0.02)
        columns = np.column_stack([where, area[small], shape[small], found.is_mirrored[small]])
        np.testing.assert_allclose(np.corrcoef(columns.T), np.eye(5), atol=0.06)


def test_windows_of_random_size_are_the_same_whatever_is_drawn_beside_them():
    data = DataConfig(least_crop=0.08)
    whole = drawn(3, np.arange(300), data=data)
    for place in (0, 1, 64, 299):
        for column, one in zip(whole, drawn(3, place, data=data), strict=True):
            np.testing.assert_array_equal(column[place : place + 1], one)


def test_a_window_is_scaled_as_torchvision_does():
    foreign.torchvision()
    import torch
    from torchvision.transforms import functional

    draw = np.random.default_rng(0)
    square = np.repeat(np.repeat(draw.integers(0, 256, (16, 16, 3)), 5, 0), 5, 1).astype(np.uint8)
    for top, left, height, width in ((0, 0, 80, 80), (3, 7, 40, 21), (10, 0, 13, 80), (5, 5, 1, 1)):
        corner, sides = tf.constant([top, left]), tf.constant([height, width])
        found = augment.window(tf.constant(square), 32, corner, False, sides).numpy()
        box, planes = (top, left, height, width), torch.tensor(square).permute(2, 0, 1)
        expected = functional.resized_crop(planes, *box, [32, 32], antialias=True)
        difference = found.astype(int) - expected.permute(1, 2, 0).numpy()
        assert np.abs(difference).max() <= 1 and np.abs(difference).mean() < 0.1


FAR = [
    (seed, epoch, example)
    for seed in (0, 1, 256, 2**31, 2**32 - 1)
    for epoch in (0, 1, 256, 2**23 - 1)
    for example in (0, 1, 256, 2**40 - 1)
]


def test_draws_differ_by_seed_epoch_and_example():
    shifts = [tuple(drawn(epoch, example, seed).shift[0]) for seed, epoch, example in FAR]
    assert len(set(shifts)) == len(FAR)
    wide = InputConfig(size=32, resize=2**13)  # 2**26 places
    corners = [tuple(drawn(*rest, seed, inputs=wide).corner[0]) for seed, *rest in FAR]
    assert len(set(corners)) == len(FAR)


def test_the_seeds_of_version_1_differ_by_stream_seed_epoch_and_example():
    seeds = [
        tuple(example_seed(stream, seed, *(tf.constant(x, tf.int64) for x in rest)).numpy())
        for stream in Stream
        for seed, *rest in FAR
    ]
    assert len(set(seeds)) == len(seeds)


FIRST = {
    1: ([(20, 20, False), (26, 7, True), (2, 15, False)], [0.86016, 1.36069, -2.57394]),
    2: ([(17, 16, True), (3, 22, False), (17, 26, False)], [-4.55085, -5.010767, -7.094151]),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_draws_of_seed_0_stay_what_they_are(version):
    inputs = InputConfig(size=32, resize=64)  # 33 x 33 places
    found = drawn([0, 0, 1], [0, 1, 0], version=version, inputs=inputs)
    places = [(*corner, flag) for corner, flag in zip(found.corner, found.is_mirrored, strict=True)]
    assert (places, version) == (FIRST[version][0], version)
    np.testing.assert_allclose(found.shift[0], FIRST[version][1], atol=1e-5)


def test_the_first_windows_and_operations_of_seed_0_stay_what_they_are():
    data = DataConfig(least_crop=0.3, rand_augment=2)
    found = drawn([0, 0, 1], [0, 1, 0], data=data, inputs=InputConfig(size=32, resize=64))
    assert found.sides.tolist() == [[46, 35], [59, 48], [37, 39]]
    assert found.corner.tolist() == [[6, 4], [3, 9], [25, 9]]
    assert found.operations.tolist() == [[-10, 4], [-7, 11], [-11, 13]]


def test_ten_views_are_corners_center_and_their_reflections(places):
    views = preprocess.ten_views(tf.stack([places, places + 1]), 32).numpy()
    assert views.shape == (20, 32, 32, 3)
    corners = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
    assert [tuple(view[0, 0, :2]) for view in views[:5]] == corners
    np.testing.assert_array_equal(views[5:10], views[:5, :, ::-1])
    np.testing.assert_array_equal(views[10:, ..., :2], views[:10, ..., :2] + 1)


def test_preprocess_subtracts_adds_divides_and_scales_in_this_order():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    shift = np.array([[1, 2, 3], [-4, 5, -6]], np.float32)
    inputs = InputConfig(mean=(120, 110, 100), scale=0.5)
    expected = (images - np.array([120, 110, 100]) + shift[:, None, None]) / 1.1 * 0.5
    found = preprocess.preprocess(images, inputs, shift, divide_by=1.1)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    inputs = InputConfig(mean=(120, 110, 100), channel_order="bgr")
    expected = (images - np.array([120.0, 110, 100]))[..., ::-1]
    np.testing.assert_allclose(preprocess.preprocess(images, inputs), expected, atol=1e-5)


def test_preprocess_wants_the_mean_measured():
    with pytest.raises(ValueError, match="network.input.mean=dataset: expected three levels"):
        preprocess.preprocess(tf.zeros([1, 4, 4, 3], tf.uint8), InputConfig(mean="dataset"))
