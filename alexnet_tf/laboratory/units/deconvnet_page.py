"""Projections of units beside what the units see, as figure 2 of Zeiler and Fergus has them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from alexnet_tf.figures import grids, sheets
from alexnet_tf.laboratory.maps import window
from alexnet_tf.networks.tables.shapes import Row

FEW_MAPS, FEW_COLUMNS, LARGE_PIXELS = 16, 3, 96
"""Of a layer: up to so many maps have large cells, in so many columns."""
MANY_COLUMNS, SMALL_PIXELS = 8, 40
STRONG_PERCENTILE = 99.5
"""Of the magnitudes of a projection; what is stronger is black or white."""
COLUMNS = 3
"""Of the nine projections of a map, and of the nine parts of pictures beside them."""
GAP_PIXELS = 6
"""Between the two."""


ROWS_AT_ONCE = 16
"""That words are written on: matplotlib takes some hundred bytes for each pixel."""


class Part(NamedTuple):
    """The part of a picture that a unit sees, and where it lies on a square canvas.

    Canvases of a layer are of one size, so that units at an edge keep their scale.
    """

    window: tuple[int, int, int, int]
    """Top, left, bottom, right in the picture."""
    corner: tuple[int, int]
    """Top and left on the canvas."""
    side: int
    """Of the canvas."""


def part(rows: Sequence[Row], layer: str, place: tuple[int, int]) -> Part:
    """Finds the part of a unit: a row, and its place in the map."""
    size = rows[0].input_shape[0]
    top, left, bottom, right = window(rows, layer, place)
    uncut = window(rows, layer, place, is_cut=False)
    side = uncut[2] - uncut[0]
    if side >= size:
        return Part((top, left, bottom, right), (top, left), size)
    return Part((top, left, bottom, right), (top - uncut[0], left - uncut[1]), side)


def cut(images: np.ndarray, parts: Sequence[Part]) -> np.ndarray:
    """Cuts parts of images: [N, H, W, C] -> [N, side, side, C], 0 outside of the parts."""
    found = np.zeros((len(images), *[parts[0].side] * 2, images.shape[3]), images.dtype)
    for canvas, image, one in zip(found, images, parts, strict=True):
        top, left, bottom, right = one.window
        _inside(canvas, one)[...] = image[top:bottom, left:right]
    return found


def _inside(canvas: np.ndarray, one: Part) -> np.ndarray:
    """Views what lies inside of a part."""
    (top, left, bottom, right), (y, x) = one.window, one.corner
    return canvas[y : y + bottom - top, x : x + right - left]


def cells(down: np.ndarray, seen: np.ndarray, parts: Sequence[Part], side: int) -> np.ndarray:
    """Draws projections and what the units see.

    Args:
      down: float32 [N, H, W, 3]; 0 becomes gray.
      seen: uint8 [N, H, W, 3].
      parts: of both; what lies outside of them becomes white.
      side: of a cell in pixels; smaller parts have their pixels repeated, never blended.

    Returns:
      uint8 [N, 2, side, side, 3].
    """
    strong = np.percentile(np.abs(down), STRONG_PERCENTILE, axis=(1, 2, 3), keepdims=True)
    drawn = 127.5 + 127.5 * np.clip(down / np.where(strong > 0, strong, 1), -1, 1)
    both = np.stack([drawn, seen], axis=1).astype(np.float32)
    for pair, one in zip(both, parts, strict=True):
        for canvas in pair:
            inside = _inside(canvas, one).copy()
            canvas[...] = 255
            _inside(canvas, one)[...] = inside
    method = "nearest" if parts[0].side < side else "area"
    flat = tf.image.resize(both.reshape(-1, *both.shape[2:]), (side, side), method).numpy()
    return np.rint(flat).astype(np.uint8).reshape(len(down), 2, side, side, 3)


def cell_side(num_maps: int) -> int:
    """Returns the side of a cell in pixels, so that a page of many maps stays a picture."""
    return LARGE_PIXELS if num_maps <= FEW_MAPS else SMALL_PIXELS


def page(
    layers: Mapping[str, tuple[np.ndarray, np.ndarray]], has_patches: bool = True
) -> np.ndarray:
    """Places the maps of layers below each other.

    Args:
      layers: by name, the numbers of M maps, and their cells, uint8 [M, 9, 2, side, side, 3].
      has_patches: draw what the units see beside the projections.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    rows = []
    for name, (maps, drawn) in layers.items():
        columns = FEW_COLUMNS if len(maps) <= FEW_MAPS else MANY_COLUMNS
        blocks = [
            grids.Picture(
                image=_beside(*(sheets.grid(x[:, n], COLUMNS) for n in range(1 + has_patches))),
                title=f"{name}, map {number}",
            )
            for number, x in zip(maps, drawn, strict=True)
        ]
        rows += [blocks[n : n + columns] for n in range(0, len(blocks), columns)]
    parts = [rows[n : n + ROWS_AT_ONCE] for n in range(0, len(rows), ROWS_AT_ONCE)]
    return sheets.stacked(*map(grids.image_grid, parts))


def _beside(left: np.ndarray, *right: np.ndarray) -> np.ndarray:
    """Places sheets of one height side by side."""
    for sheet in right:
        gap = np.full((len(left), GAP_PIXELS, 3), 255, np.uint8)
        left = np.concatenate([left, gap, sheet], axis=1)
    return left
