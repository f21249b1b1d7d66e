"""A confusion matrix as a picture. NumPy only, digits too: TensorFlow draws no text."""

import numpy as np

SIDE_PIXELS = 960
"""About the side of the matrix; a class takes at least a pixel, at most `MAX_CELL_PIXELS`."""
MAX_CELL_PIXELS = 48
GRID_FROM_PIXELS = 12
"""Cells of this side or more have a line around them."""
FULL = np.array([8, 48, 107])
"""Colour of a class that was always taken for one; none is white, and shades go by the square root
of the share, so that the rare mistakes of a thousand classes are still seen."""
GRAY = 217

_ROWS, _COLUMNS = 5, 3
_DIGITS = np.array(  # five rows of three pixels each
    [
        [0b111, 0b101, 0b101, 0b101, 0b111],
        [0b010, 0b110, 0b010, 0b010, 0b111],
        [0b111, 0b001, 0b111, 0b100, 0b111],
        [0b111, 0b001, 0b111, 0b001, 0b111],
        [0b101, 0b101, 0b111, 0b001, 0b001],
        [0b111, 0b100, 0b111, 0b001, 0b111],
        [0b111, 0b100, 0b111, 0b101, 0b111],
        [0b111, 0b001, 0b001, 0b010, 0b010],
        [0b111, 0b101, 0b111, 0b101, 0b111],
        [0b111, 0b101, 0b111, 0b001, 0b111],
    ]
)


def heat_map(confusion: np.ndarray) -> np.ndarray:
    """Draws a confusion matrix, its rows and columns numbered from 0.

    Args:
      confusion: int64 [K, K]; rows are the true classes.

    Returns:
      uint8 [H, W, 3]: a row's shades are shares of its examples; numbers are the counts, where
      they fit.
    """
    num = len(confusion)
    cell = int(np.clip(SIDE_PIXELS // num, 1, MAX_CELL_PIXELS))
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    depth = np.sqrt(shares)[..., None]
    matrix = np.rint(255 + depth * (FULL - 255)).astype(np.uint8)
    matrix = matrix.repeat(cell, axis=0).repeat(cell, axis=1)
    if cell >= GRID_FROM_PIXELS:
        matrix[::cell], matrix[:, ::cell] = GRAY, GRAY
        for row, column in zip(*np.nonzero(confusion), strict=True):
            level = 255 if depth[row, column, 0] > 0.6 else 0
            place = ((row + 0.5) * cell, (column + 0.5) * cell)
            _write(matrix, confusion[row, column], place, level, cell - 4)
    scale = 2
    margin = _number(num - 1).shape[1] * scale + 3 * scale
    picture = np.pad(matrix, ((margin, 1), (margin, 1), (0, 0)), constant_values=255)
    every = next(n for n in _round_numbers() if n * cell >= margin)  # labels do not touch
    for i in range(0, num, every):
        center = margin + (i + 0.5) * cell
        for place in ((center, margin / 2), (margin / 2, center)):
            _write(picture, i, place, 0, margin, scale)
    return picture


def _round_numbers():
    """Yields 1, 2, 5, 10, 20, 50 and so on."""
    unit = 1
    while True:
        yield from (unit, 2 * unit, 5 * unit)
        unit *= 10


def _number(value: int) -> np.ndarray:
    """Draws a number, bool [5, 4 * digits - 1]."""
    rows = [_DIGITS[int(digit)] for digit in str(value)]
    masks = [(row[:, None] >> np.arange(_COLUMNS)[::-1] & 1).astype(bool) for row in rows]
    return np.concatenate([np.pad(mask, ((0, 0), (0, 1))) for mask in masks], axis=1)[:, :-1]


def _write(picture, value, center, level, room, scale=3) -> None:
    """Writes a number around a place, as large as fits into `room` pixels; or not at all."""
    mask = _number(value)
    scale = min(scale, room // mask.shape[1])
    if scale < 1:
        return
    mask = mask.repeat(scale, axis=0).repeat(scale, axis=1)
    top, left = (
        int(np.clip(round(middle - side / 2), 0, whole - side))
        for middle, side, whole in zip(center, mask.shape, picture.shape, strict=False)
    )
    picture[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = level
