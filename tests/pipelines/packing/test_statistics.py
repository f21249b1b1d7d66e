"""Mean image and principal colors, against NumPy on the same squares."""

import base64

import numpy as np
import packed as p
import pytest

from pipelines.packing.statistics import Sums, products, statistics


@pytest.mark.parametrize("side", [1, 3, 16, 17, 64, 300])
def test_products_are_exact(side):
    square = np.random.default_rng(side).integers(0, 256, (side, side, 3)).astype(np.uint8)
    pixels = square.reshape(-1, 3).astype(np.int64)
    np.testing.assert_array_equal(products(square[None]), pixels.T @ pixels)


def test_the_largest_products_are_exact():
    white = np.full((512, 512, 3), 255, np.uint8)
    assert (products(white[None]) == 512 * 512 * 255 * 255).all()


def test_statistics_equal_those_of_numpy(pictures, tmp_path):
    p.packed(pictures, tmp_path / "set", format="raw", size=64, shard_examples=11)
    found = p.described(tmp_path / "set").statistics
    stored = [x["image/encoded"] for x in p.examples(tmp_path / "set", "train")]
    squares = np.stack([np.frombuffer(x, np.uint8).reshape(64, 64, 3) for x in stored])
    pixels = squares.reshape(-1, 3).astype(np.float64)
    assert (found.num_examples, found.side) == (30, 64)
    np.testing.assert_allclose(found.rgb_mean, pixels.mean(axis=0), rtol=1e-12)
    covariance = np.cov(pixels.T, bias=True)
    axes, stdevs = np.array(found.color_axes), np.array(found.color_stdevs)
    np.testing.assert_allclose(axes.T @ np.diag(stdevs**2) @ axes, covariance, rtol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert (np.diff(stdevs) <= 0).all()
    mean = np.frombuffer(base64.b64decode(found.mean_image), "<f4").reshape(64, 64, 3)
    np.testing.assert_array_equal(mean, squares.mean(axis=0).astype(np.float32))


def test_statistics_of_originals_are_those_of_squares_of_256(pictures, tmp_path):
    originals = p.packed(pictures, tmp_path / "originals", size="original")
    squares = p.packed(pictures, tmp_path / "squares", size=256)
    assert originals.statistics == squares.statistics
    assert originals.size is None and originals.squares["resize"] == 256


def test_of_no_square_there_are_no_statistics():
    assert statistics(Sums(4)) is None


def test_of_equal_pixels_the_deviation_is_zero():
    sums, square = Sums(8), np.full((3, 8, 8, 3), 7, np.uint8)
    sums.add_squares(square, 3)
    found = statistics(sums)
    assert found.rgb_mean == (7.0, 7.0, 7.0)
    assert found.color_stdevs == (0.0, 0.0, 0.0)
