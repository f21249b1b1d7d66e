"""Moves take pixels from where they should, to the pixel."""

import math

import numpy as np
import pytest

from pipelines.moves import enlargement, moved, shift, turn

DRAW = np.random.default_rng(0)
BYTES = DRAW.integers(0, 256, (8, 8, 3), np.uint8)
LEVELS = DRAW.normal(size=(9, 9, 3)).astype(np.float32)


@pytest.mark.parametrize("move", [shift(0, 0), turn(1.0, 0.0, 9), enlargement(1, 9)])
def test_no_move_changes_nothing(move):
    np.testing.assert_array_equal(moved(LEVELS, move, "BILINEAR"), LEVELS)


@pytest.mark.parametrize("image, method", [(BYTES, "NEAREST"), (LEVELS, "BILINEAR")])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarters_of_a_turn_are_those_of_numpy(image, method, quarters):
    angle = math.radians(90 * quarters)
    turned = moved(image, turn(math.cos(angle), math.sin(angle), len(image)), method)
    np.testing.assert_allclose(turned, np.rot90(image, quarters), atol=1e-4)  # of cosines


def test_a_shift_moves_right_and_down_and_leaves_0_behind():
    found = moved(LEVELS, shift(2, 1), "BILINEAR").numpy()
    np.testing.assert_array_equal(found[1:, 2:], LEVELS[:-1, :-2])
    assert not found[0].any() and not found[:, :2].any()


def test_twice_as_large_is_the_middle_with_pixels_doubled():
    found = moved(BYTES, enlargement(2, 8))
    np.testing.assert_array_equal(found, BYTES[2:6, 2:6].repeat(2, 0).repeat(2, 1))
