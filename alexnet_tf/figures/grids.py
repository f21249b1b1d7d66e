"""Pictures of any sizes in rows and columns, pixel for pixel, with words around them."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from alexnet_tf.figures.canvas import COLORS, figure, fitted, pixels, width_of

RIGHT, WRONG = COLORS[:2]
"""Colors of frames."""
GAP_PIXELS, FRAME_PIXELS, LINE_PIXELS = 12, 4, 16
MOST_ROW_TITLE_PIXELS = 240
ROOM_PIXELS = 130
"""That words under a picture get where they need it, however small it is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with words under it."""

    image: np.ndarray
    """uint8 [H, W, 3]."""
    title: str = ""
    """Lines of it are cut where the column ends."""
    frame: str = ""
    """A color; empty for no frame."""


def image_grid(
    rows: Sequence[Sequence[Picture | None]],
    row_titles: Sequence[str] = (),
    column_titles: Sequence[str] = (),
    heading: str = "",
) -> np.ndarray:
    """Places pictures on white, none of them scaled.

    A column is as wide as its widest picture, or wider where there are words under a small one,
    which never reach into the next one.

    Args:
      rows: pictures from the left; None leaves a place empty, and rows may differ in length.
      row_titles: words at the left of each row, or none; of one or several lines.
      column_titles: words above each column, or none.
      heading: a line above all.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    columns = max(map(len, rows))
    cells = [[*row, *[None] * (columns - len(row))] for row in rows]
    widths = [_widest(column) for column in zip(*cells, strict=True)]
    heights = [max((x.image.shape[0] for x in row if x), default=0) for row in cells]
    lines = [max((len(_lines(x.title)) for x in row if x), default=0) for row in cells]
    lefts = _edges(_left(row_titles), widths, 2 * FRAME_PIXELS + GAP_PIXELS)
    top = GAP_PIXELS + LINE_PIXELS * (bool(heading) + bool(column_titles))
    rooms = [high + num * LINE_PIXELS for high, num in zip(heights, lines, strict=True)]
    tops = _edges(top, rooms, 2 * FRAME_PIXELS + GAP_PIXELS)
    page = np.full((tops[-1], lefts[-1], 3), 255, np.uint8)
    words = [(GAP_PIXELS, GAP_PIXELS // 2, fitted(heading, page.shape[1] - 2 * GAP_PIXELS))]
    for x, width, title in zip(lefts, widths, column_titles, strict=False):
        words.append((x + FRAME_PIXELS, tops[0] - LINE_PIXELS, fitted(title, width)))
    for y, title in zip(tops, row_titles, strict=False):
        for number, line in enumerate(_lines(title)):
            text = fitted(line, MOST_ROW_TITLE_PIXELS)
            words.append((GAP_PIXELS, y + FRAME_PIXELS + number * LINE_PIXELS, text))
    for row, y, room in zip(cells, tops, heights, strict=False):
        for cell, x, width in zip(row, lefts, widths, strict=False):
            if cell:
                _place(page, cell, x, y)
                below = y + room + 2 * FRAME_PIXELS + GAP_PIXELS // 4
                for number, line in enumerate(_lines(cell.title)):
                    place = x + FRAME_PIXELS, below + number * LINE_PIXELS
                    words.append((*place, fitted(line, width)))
    return written(page, words)


def written(page: np.ndarray, words: Sequence[tuple[float, float, str]]) -> np.ndarray:
    """Writes on a picture.

    Args:
      page: uint8 [H, W, 3].
      words: left and upper edge in pixels, and a line of text.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    height, width = page.shape[:2]
    with figure(width, height) as drawn:
        drawn.set_layout_engine("none")
        drawn.figimage(page, origin="upper")
        for x, y, text in words:
            drawn.text(x / width, 1 - y / height, text, va="top")
        return pixels(drawn)


def _lines(title: str) -> list[str]:
    return title.split("\n") if title else []


def _widest(column: Sequence[Picture | None]) -> int:
    """Returns the width of the widest picture of a column, or some room for words under it."""
    there = [x for x in column if x]
    words = max((width_of(line) for x in there for line in _lines(x.title)), default=1)
    return max(math.ceil(min(words, ROOM_PIXELS)), *(x.image.shape[1] for x in there), 1)


def _left(row_titles: Sequence[str]) -> int:
    """Computes where the first column begins."""
    wide = max(
        (width_of(fitted(x, MOST_ROW_TITLE_PIXELS)) for t in row_titles for x in _lines(t)),
        default=0,
    )
    return GAP_PIXELS + round(wide) + GAP_PIXELS * bool(wide)


def _edges(first: int, sizes: Sequence[int], between: int) -> list[int]:
    """Returns where each of several things begins, and where the last one's room ends."""
    return [int(x) for x in np.cumsum([first, *(size + between for size in sizes)])]


def _place(page: np.ndarray, cell: Picture, x: int, y: int) -> None:
    """Draws a picture with its frame; x and y are those of the frame."""
    height, width = cell.image.shape[:2]
    if cell.frame:
        color = np.frombuffer(bytes.fromhex(cell.frame[1:]), np.uint8)
        page[y : y + height + 2 * FRAME_PIXELS, x : x + width + 2 * FRAME_PIXELS] = color
    y, x = y + FRAME_PIXELS, x + FRAME_PIXELS
    page[y : y + height, x : x + width] = cell.image
