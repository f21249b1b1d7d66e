"""Pictures placed in a plane, each in a cell of a grid so that none lies over another."""

from collections.abc import Sequence

import numpy as np

from alexnet_tf.figures.canvas import fitted
from alexnet_tf.figures.grids import written

CELLS = 44
"""Along the longer side."""
EDGE_PERCENT = 0.5
"""Of the pictures lie beyond each edge, and are drawn at it: a few that lie far away would leave no
room for all others."""
FRAME_PIXELS, MARGIN_PIXELS, LINE_PIXELS, ENTRY_PIXELS = 3, 12, 22, 200
COLORS = np.array(
    [
        *([0, 114, 178], [230, 159, 0], [0, 158, 115], [213, 94, 0], [204, 121, 167]),
        *([86, 180, 233], [184, 172, 0], [127, 60, 141], [140, 86, 75], [127, 127, 127]),
    ],
    np.uint8,
)
"""Those of the frames; sets of more classes have none."""


def scatter(
    points: np.ndarray, images: np.ndarray, group: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Draws pictures at their places; of those that share a cell, the one nearest its middle.

    Args:
      points: float [N, 2], right and up, in the same unit.
      images: uint8 [N, side, side, 3].
      group: int [N], places in `names`.
      names: of the groups; up to ten have frames of their colors.

    Returns:
      uint8 [H, W, 3] and the indices of the pictures that it shows, int64 in rising order.
    """
    edges = np.percentile(points, [EDGE_PERCENT, 100 - EDGE_PERCENT], axis=0)
    spans = np.maximum(edges[1] - edges[0], 1e-12)
    cell = spans.max() / CELLS
    columns, rows = np.maximum(np.ceil(spans / cell - 1e-9), 1).astype(int)
    places = (points - edges[0]) / cell
    cells = np.clip(np.floor(places), 0, [columns - 1, rows - 1]).astype(np.int64)
    away = np.square(places - cells - 0.5).sum(axis=1)
    numbers = cells[:, 1] * columns + cells[:, 0]
    order = np.lexsort((away, numbers))
    shown = np.sort(order[np.unique(numbers[order], return_index=True)[1]])
    side, has_frames = images.shape[1], len(names) <= len(COLORS)
    page = np.full((rows * side, columns * side, 3), 255, np.uint8)
    for i in shown:
        x, y = cells[i, 0] * side, (rows - 1 - cells[i, 1]) * side
        image = images[i]
        if has_frames:
            image = np.full_like(image, COLORS[group[i]])
            inside = slice(FRAME_PIXELS, side - FRAME_PIXELS)
            image[inside, inside] = images[i][inside, inside]
        page[y : y + side, x : x + side] = image
    margins = ((MARGIN_PIXELS, MARGIN_PIXELS), (MARGIN_PIXELS, MARGIN_PIXELS), (0, 0))
    page = np.pad(page, margins, constant_values=255)
    return (_with_legend(page, names) if has_frames else page), shown


def _with_legend(page: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Names the colors above a picture."""
    across = max(1, page.shape[1] // ENTRY_PIXELS)
    height = LINE_PIXELS * -(-len(names) // across) + MARGIN_PIXELS
    page, texts = np.pad(page, ((height, 0), (0, 0), (0, 0)), constant_values=255), []
    for i, name in enumerate(names):
        x = MARGIN_PIXELS + i % across * ENTRY_PIXELS
        y = MARGIN_PIXELS + i // across * LINE_PIXELS
        page[y : y + 14, x : x + 14] = COLORS[i]
        texts.append((x + 20, y, fitted(name, ENTRY_PIXELS - 32)))
    return written(page, texts)
