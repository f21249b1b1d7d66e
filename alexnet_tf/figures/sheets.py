"""Batches and filters as sheets of many pictures. NumPy only."""

import math
from collections.abc import Sequence

import numpy as np

GAP_PIXELS = 2
FILTER_PIXELS = 44
"""About the side of a filter in the picture; pixels are repeated, never blended."""
MAX_COLUMNS = 16
"""The paper's figure 3 has 6 rows of 16: the upper three are one tower's, the lower the other's."""


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Places images in rows on white.

    Args:
      images: uint8 [N, H, W, 3], N at least 1.
      columns: images in a row.

    Returns:
      uint8 [rows * (H + gap) + gap, columns * (W + gap) + gap, 3].
    """
    num, height, width, channels = images.shape
    rows = math.ceil(num / columns)
    missing = rows * columns - num
    cells = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=255)
    cells = np.pad(cells, ((0, 0), (0, GAP_PIXELS), (0, GAP_PIXELS), (0, 0)), constant_values=255)
    cells = cells.reshape(rows, columns, *cells.shape[1:])
    sheet = cells.transpose(0, 2, 1, 3, 4).reshape(rows * cells.shape[2], -1, channels)
    return np.pad(sheet, ((GAP_PIXELS, 0), (GAP_PIXELS, 0), (0, 0)), constant_values=255)


def stacked(*pictures: np.ndarray) -> np.ndarray:
    """Places pictures below each other on white, at the left: uint8 [H, W, 3] each, and so all."""
    width = max(picture.shape[1] for picture in pictures)
    pads = [((0, 0), (0, width - picture.shape[1]), (0, 0)) for picture in pictures]
    wide = [np.pad(x, pad, constant_values=255) for x, pad in zip(pictures, pads, strict=True)]
    return np.concatenate(wide)


def are_filters(shape: Sequence[int]) -> bool:
    """Tells whether a kernel of this shape sees a picture: [k, k, 3 or 1, N]."""
    return len(shape) == 4 and shape[2] in (1, 3)


def filters(kernel: np.ndarray) -> np.ndarray:
    """Draws the first layer's filters as the paper's figure 3 does.

    Each filter is stretched to the full range on its own, its three colors together: a gray
    filter stays gray. A constant one is black.

    Args:
      kernel: float [k, k, 3, N], colors in RGB order, or [k, k, 1, N].

    Returns:
      uint8 [H, W, 3], in equally full rows of at most 16 filters, channel 0 at the top left.
    """
    if not are_filters(kernel.shape):
        raise ValueError(
            f"kernel.shape={kernel.shape}: expected [k, k, 3 or 1, N], the first layer's kernel."
        )
    images = np.moveaxis(kernel.astype(np.float32), 3, 0)
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    low = images.min(axis=(1, 2, 3), keepdims=True)
    spread = images.max(axis=(1, 2, 3), keepdims=True) - low
    images = (images - low) / np.where(spread > 0, spread, 1)
    repeats = max(1, FILTER_PIXELS // kernel.shape[0])
    images = np.rint(255 * images).astype(np.uint8).repeat(repeats, axis=1).repeat(repeats, axis=2)
    rows = math.ceil(len(images) / MAX_COLUMNS)
    return grid(images, math.ceil(len(images) / rows))
