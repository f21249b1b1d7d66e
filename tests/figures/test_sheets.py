"""Sheets of filters and of batches."""

import numpy as np
import pytest

from alexnet_tf.figures import sheets


def test_a_batch_stands_row_by_row_on_white():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 4, 6, 3), np.uint8)
    sheet = sheets.grid(images, columns=2)
    assert sheet.shape == (3 * 6 + 2, 2 * 8 + 2, 3) and sheet.dtype == np.uint8
    drawn = [sheet[2 + row : 6 + row, 2 + x : 8 + x] for row in (0, 6, 12) for x in (0, 8)]
    np.testing.assert_array_equal(drawn[:5], images)
    assert (sheet == 255).sum() == sheet.size - images.size


def test_filters_are_drawn_in_the_six_rows_of_the_papers_figure():
    kernel = np.random.default_rng(0).normal(size=(11, 11, 3, 96)).astype(np.float32)
    sheet = sheets.filters(kernel)
    cell = 11 * 4 + 2
    assert sheet.shape == (6 * cell + 2, 16 * cell + 2, 3) and sheet.dtype == np.uint8
    row, column = 2, 5
    drawn = sheet[2 + row * cell :, 2 + column * cell :][:44:4, :44:4]
    one = kernel[..., 16 * row + column]
    expected = np.rint(255 * (one - one.min()) / (one.max() - one.min()))
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize("num, rows, columns", [(24, 2, 12), (17, 2, 9), (5, 1, 5), (64, 4, 16)])
def test_rows_of_filters_are_equally_full(num, rows, columns):
    sheet = sheets.filters(np.random.default_rng(0).normal(size=(11, 11, 3, num)))
    assert sheet.shape == (rows * 46 + 2, columns * 46 + 2, 3)


def test_a_constant_filter_is_black_and_a_gray_one_stays_gray():
    kernel = np.zeros((3, 3, 3, 2))
    kernel[..., 1] = np.arange(9).reshape(3, 3, 1)
    sheet = sheets.filters(kernel)
    assert not sheet[2:44, 2:44].any()
    gray = sheet[2:44, 46:88]
    assert gray.max() == 255 and (gray == gray[..., :1]).all()


def test_another_kernel_than_the_first_layers_is_refused():
    with pytest.raises(
        ValueError, match=r"kernel.shape=\(5, 5, 48, 256\): expected \[k, k, 3 or 1, N\]"
    ):
        sheets.filters(np.zeros((5, 5, 48, 256)))


def test_images_of_any_sizes_are_stacked_on_white():
    narrow, wide = np.full((2, 3, 3), 7, np.uint8), np.full((1, 5, 3), 9, np.uint8)
    page = sheets.stacked(narrow, wide)
    assert page.shape == (3, 5, 3)
    np.testing.assert_array_equal(page[:2, :3], narrow)
    np.testing.assert_array_equal(page[2:], wide)
    assert np.all(page[:2, 3:] == 255)
