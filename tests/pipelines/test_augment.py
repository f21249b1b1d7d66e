"""Windows, mirrors, color noise, views; each alone and inside of a dataset."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines import augment, preprocess
from pipelines.augment import Stream, example_seed
from pipelines.config import InputConfig


def seed_of(stream, seed=0, epoch=0, example=0):
    return example_seed(stream, seed, tf.constant(epoch, tf.int64), tf.constant(example, tf.int64))


@pytest.fixture(scope="module")
def places():
    """A picture whose levels say where they come from: [y, x, 0]."""
    y, x = np.mgrid[0:40, 0:40]
    return tf.constant(np.stack([y, x, 0 * x], -1), tf.uint8)


OPS = {
    "random_crop": lambda image, seed: augment.random_crop(image, 32, seed),
    "random_mirror": augment.random_mirror,
    "center_crop": lambda image, seed: augment.center_crop(image, 32),
    "color_shift": lambda image, seed: augment.color_shift(0.1, seed),
}


@pytest.mark.parametrize("name", OPS)
def test_an_operation_alone_equals_itself_inside_of_a_dataset(name, places):
    seeds = tf.stack([seed_of(Stream.CROP, example=i) for i in range(8)])
    ds = tf.data.Dataset.from_tensor_slices(seeds)
    for seed, mapped in zip(seeds, ds.map(lambda seed: OPS[name](places, seed)), strict=True):
        np.testing.assert_array_equal(OPS[name](places, seed), mapped)


def test_windows_come_from_every_place_equally_often(places):
    ds = tf.data.Dataset.range(8100)
    ds = ds.map(lambda i: example_seed(Stream.CROP, 0, tf.constant(3, tf.int64), i))
    ds = ds.map(lambda seed: augment.random_crop(places, 32, seed)[0, 0, :2])
    corners = np.stack(list(ds.batch(8100).as_numpy_iterator()))[0].astype(int)
    counts = np.bincount(corners[:, 0] * 9 + corners[:, 1], minlength=81)
    assert counts.size == 81  # 0 to 8 on each axis
    chi_square = ((counts - 100) ** 2 / 100).sum()
    assert chi_square < 80 + 5 * np.sqrt(160)


def test_half_of_the_pictures_are_mirrored(places):
    ds = tf.data.Dataset.range(2000)
    ds = ds.map(lambda i: example_seed(Stream.MIRROR, 0, tf.constant(0, tf.int64), i))
    ds = ds.map(lambda seed: augment.random_mirror(places, seed)[0, 0, 1])
    left = np.array(list(ds.as_numpy_iterator()))
    assert set(left) == {0, 39}
    assert abs(np.mean(left == 39) - 0.5) < 5 * 0.5 / np.sqrt(2000)


def test_color_noise_has_the_standard_deviations_of_the_principal_axes():
    ds = tf.data.Dataset.range(4000)
    ds = ds.map(lambda i: example_seed(Stream.COLOR, 0, tf.constant(0, tf.int64), i))
    ds = ds.map(lambda seed: augment.color_shift(0.1, seed)).batch(4000)
    shifts = ds.get_single_element()
    along = shifts.numpy() @ np.array(augment.COLOR_AXES).T
    np.testing.assert_allclose(along.mean(0), 0, atol=5 * 12.2 / np.sqrt(4000))
    expected = 0.1 * np.array(augment.COLOR_STDEVS)  # not the eigenvalues: they would shift by 1483
    np.testing.assert_allclose(along.std(0), expected, rtol=5 / np.sqrt(2 * 4000))


def test_the_axes_are_orthonormal():
    axes = np.array(augment.COLOR_AXES)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-4)  # stored with five digits


def test_draws_differ_by_stream_seed_epoch_and_example():
    seeds = [
        tuple(seed_of(stream, seed, epoch, example).numpy())
        for stream in Stream
        for seed in (0, 1, 2**32 - 1)
        for epoch in (0, 1, 2**23 - 1)
        for example in (0, 1, 2**40 - 1)
    ]
    assert len(set(seeds)) == len(seeds)


def test_the_first_draws_of_seed_0_stay_what_they_are(places):
    image = tf.pad(places, [[0, 24], [0, 24], [0, 0]])  # 33 x 33 places for a window of 32
    found = []
    for epoch, example in ((0, 0), (0, 1), (1, 0)):
        crop = augment.random_crop(image, 32, seed_of(Stream.CROP, 0, epoch, example))
        mirror = augment.random_mirror(places, seed_of(Stream.MIRROR, 0, epoch, example))
        found.append((*crop[0, 0, :2].numpy().tolist(), bool(mirror[0, 0, 1] == 39)))
    assert found == [(20, 20, False), (26, 7, True), (2, 15, False)]
    shift = augment.color_shift(0.1, seed_of(Stream.COLOR))
    np.testing.assert_allclose(shift, [0.86016, 1.36069, -2.57394], atol=1e-5)


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
