"""A confusion matrix as a picture, text included. NumPy only: TensorFlow draws no text."""

import unicodedata

import numpy as np

SIDE_PIXELS = 960
"""About the side of the matrix; a class takes at least a pixel, at most `MAX_CELL_PIXELS`."""
MAX_CELL_PIXELS = 48
READABLE_PIXELS = 12
"""Room that a line of text needs: cells of this side or more have lines, counts and names."""
FULL = np.array([8, 48, 107])
"""Color of a class that was always taken for one; none is white, and shades go by the square root
of the share, so that the rare mistakes of a thousand classes are still seen."""
GRAY = 217
MAX_LETTERS = 24

# Each glyph is five rows of three pixels: an octal digit a row.
_GLYPHS = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_-. ?",
        "75557 26227 71747 71717 55711 74717 74757 71122 75757 75717 25755 65656 34443 65556 74647 "
        "74644 34553 55755 72227 11152 55655 44447 57755 65555 25552 65644 25563 65655 34216 72222 "
        "55557 55552 55775 55255 55222 71247 00007 00700 00002 00000 71202".split(),
        strict=True,
    )
)


def heat_map(confusion: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Draws a confusion matrix.

    Args:
      confusion: int64 [K, K]; rows are the true classes.
      classes: their names.

    Returns:
      uint8 [H, W, 3]: the shade of a cell is its share of the row's examples; counts are written
      where they fit, and rows and columns have their numbers, from 0, and names.
    """
    num = len(confusion)
    cell = int(np.clip(SIDE_PIXELS // num, 1, MAX_CELL_PIXELS))
    matrix = _matrix(confusion, cell)
    if cell >= READABLE_PIXELS:
        labels = {i: _text(f"{i} {name}"[:MAX_LETTERS]) for i, name in enumerate(classes)}
    else:
        every = next(n for n in (1, 2, 5, 10, 20) if n * cell >= READABLE_PIXELS)
        labels = {i: _text(str(i)) for i in range(0, num, every)}
    margin = max(label.shape[1] for label in labels.values()) + 8
    picture = np.pad(matrix, ((margin, 1), (margin, 1), (0, 0)), constant_values=255)
    for i, label in labels.items():
        middle, end = margin + (i + 0.5) * cell, margin - 4  # labels end at the matrix
        _draw(picture, label, (middle, end - label.shape[1] / 2))
        _draw(picture, np.rot90(label), (end - label.shape[1] / 2, middle))
    return picture


def _matrix(confusion: np.ndarray, cell: int) -> np.ndarray:
    """Draws shades, lines and counts: uint8 [K * cell, K * cell, 3]."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    depth = np.sqrt(shares)[..., None]
    matrix = np.rint(255 + depth * (FULL - 255)).astype(np.uint8)
    matrix = matrix.repeat(cell, axis=0).repeat(cell, axis=1)
    if cell < READABLE_PIXELS:
        return matrix
    matrix[::cell], matrix[:, ::cell] = GRAY, GRAY
    for row, column in zip(*np.nonzero(confusion), strict=True):
        text = str(confusion[row, column])
        scale = min(3, (cell - 4) // _text(text, 1).shape[1])
        if scale:
            level = 255 if depth[row, column, 0] > 0.6 else 0
            _draw(matrix, _text(text, scale), ((row + 0.5) * cell, (column + 0.5) * cell), level)
    return matrix


def _text(text: str, scale: int = 2) -> np.ndarray:
    """Draws a line of text in capitals, bool [5 * scale, (4 * letters - 1) * scale]."""
    plain = unicodedata.normalize("NFKD", text).upper()
    letters = [x for x in plain if not unicodedata.combining(x)]
    rows = np.array([[int(row) for row in _GLYPHS.get(x, _GLYPHS["?"])] for x in letters])
    pixels = rows[..., None] >> np.array([2, 1, 0]) & 1  # [letters, 5, 3]
    line = np.pad(pixels, ((0, 0), (0, 0), (0, 1))).transpose(1, 0, 2).reshape(5, -1)[:, :-1]
    return line.astype(bool).repeat(scale, axis=0).repeat(scale, axis=1)


def _draw(picture: np.ndarray, mask: np.ndarray, center: tuple, level: int = 0) -> None:
    """Sets the pixels of a mask around a center, moved to stay inside the picture."""
    top, left = (
        int(np.clip(round(middle - side / 2), 0, whole - side))
        for middle, side, whole in zip(center, mask.shape, picture.shape, strict=False)
    )
    picture[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = level
