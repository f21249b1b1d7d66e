"""Values as colors, over pictures or alone, pixel for pixel. Needs the extra `lab`."""

import numpy as np

from alexnet_tf.figures import canvas

OPACITY = 0.6
"""Of colors over a picture."""


def colored(values: np.ndarray, low: float, high: float, colors: str = "viridis") -> np.ndarray:
    """Colors values.

    Args:
      values: float [H, W].
      low: what has the first color.
      high: what has the last one.
      colors: a color map of matplotlib.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    with canvas.figure(1, 1):  # says what to install
        import matplotlib

        part = np.clip((values - low) / (high - low if high > low else 1), 0, 1)
        return matplotlib.colormaps[colors](part, bytes=True)[..., :3]


def over(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Lays values of 0 or more over a picture: uint8 and float [H, W] -> uint8 [H, W, 3]."""
    colors = colored(values, 0, float(values.max()))
    return np.rint(OPACITY * colors + (1 - OPACITY) * picture).astype(np.uint8)
