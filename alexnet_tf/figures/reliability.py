"""Reliability diagrams: how often answers are right, by how sure they are."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from alexnet_tf.figures.canvas import COLORS, GRAY, figure, pixels

WIDTH_PIXELS, HEIGHT_PIXELS = 440, 600
"""Of a diagram."""


class Bins(Protocol):
    """Answers sorted by confidence, [B] each."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(diagrams: Sequence[tuple[str, Bins]]) -> np.ndarray:
    """Draws diagrams side by side, under each how many answers are in each bin.

    Args:
      diagrams: titles, and bins of equal width from 0 to 1.

    Returns:
      uint8 [600, 440 * D, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    with figure(WIDTH_PIXELS * len(diagrams), HEIGHT_PIXELS) as page:
        ratios = {"height_ratios": (3, 1)}
        axes = page.subplots(
            2, len(diagrams), sharex=True, sharey="row", squeeze=False, gridspec_kw=ratios
        )
        for (title, bins), (upper, lower) in zip(diagrams, axes.T, strict=True):
            used = np.flatnonzero(bins.count)
            width = 1 / len(bins.count)
            count, accuracy, sure = (x[used] for x in (bins.count, bins.accuracy, bins.confidence))
            shape = {"width": width, "align": "edge", "linewidth": 0.5}
            error = np.sqrt(accuracy * (1 - accuracy) / count)
            label = "right answers, with the standard error"
            upper.bar(used * width, accuracy, color=COLORS[5], label=label, edgecolor="w", **shape)
            upper.errorbar((used + 0.5) * width, accuracy, error, fmt="none", ecolor=GRAY)
            upper.bar(
                used * width,
                sure - accuracy,
                bottom=accuracy,
                fill=False,
                edgecolor=COLORS[1],
                hatch="///",
                label="gap to the mean probability",
                **shape,
            )
            upper.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
            upper.set(title=title, xlim=(0, 1), ylim=(0, 1))
            lower.bar(np.arange(len(bins.count)) * width, bins.count, color=GRAY, **shape)
            lower.set_xlabel("probability of the answer")
        axes[0, 0].set_ylabel("share of right answers")
        axes[1, 0].set_ylabel("answers")
        axes[0, 0].legend(loc="upper left")
        return pixels(page)
