"""A matplotlib figure as pixels, and text that fits. Without pyplot, so nothing opens a window."""

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from alexnet_tf.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
FONT_POINTS = 9
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""In this order; people with any kind of color blindness tell them apart (Okabe and Ito 2008)."""
GRAY = "#777777"
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: equal pixels on all machines
    "font.size": FONT_POINTS,
    "axes.titlesize": FONT_POINTS + 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called $
}


def need_matplotlib() -> None:
    """Says what to install.

    Raises:
      UserError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"Plots need matplotlib, which cannot be imported ({error}). Install it: "
            'pip install "alexnet-tf[lab]".'
        ) from error


@contextlib.contextmanager
def figure(width: int, height: int) -> Iterator["Figure"]:
    """Makes an empty figure to draw in, whatever matplotlibrc says; axes share the room.

    with figure(640, 480) as page:
        page.add_subplot().plot(x, y)
        return pixels(page)

    Args:
      width: in pixels.
      height: in pixels.

    Raises:
      UserError: matplotlib is not installed.
    """
    need_matplotlib()
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # an empty box stands there
        page = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
        FigureCanvasAgg(page)
        yield page


def pixels(page: "Figure") -> np.ndarray:
    """Draws a figure: uint8 [H, W, 3]."""
    page.canvas.draw()
    return np.array(page.canvas.buffer_rgba())[..., :3]


def png(picture: np.ndarray) -> bytes:
    """Encodes uint8 [H, W, 3]; equal pixels give equal bytes with the same matplotlib."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, picture, format="png", metadata={"Software": None})
    return file.getvalue()


@functools.lru_cache(maxsize=10_000)
def width_of(text: str, points: float = FONT_POINTS) -> float:
    """Measures a line of text in pixels."""
    with figure(1, 1) as page:
        return _measured(page, text, points)


@functools.lru_cache(maxsize=10_000)
def fitted(text: str, width: float, points: float = FONT_POINTS) -> str:
    """Shortens a line of text to a width in pixels; dots stand for what is left out."""
    text = text.encode("utf-8", "replace").decode()  # names of files may be no text
    with figure(1, 1) as page:
        if _measured(page, text, points) <= width:
            return text
        fits, longer = 0, len(text)
        while longer - fits > 1:
            middle = (fits + longer) // 2
            if _measured(page, f"{text[:middle].rstrip()}…", points) <= width:
                fits = middle
            else:
                longer = middle
    return f"{text[:fits].rstrip()}…"


def _measured(page: "Figure", text: str, points: float) -> float:
    """Measures a line of text in pixels."""
    return page.text(0, 0, text, size=points).get_window_extent().width
