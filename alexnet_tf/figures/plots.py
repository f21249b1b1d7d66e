"""Curves, bars, intervals and heat maps as pixels. The extra `lab` brings matplotlib."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from alexnet_tf.figures.canvas import COLORS, GRAY, figure, fitted, pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_PIXELS, HEIGHT_PIXELS = 860, 480
LINE_PIXELS = 26
"""Height of a line of a plot that has names at its left."""
NAME_PIXELS, LABEL_PIXELS = 260, 200
TITLE_ROWS_PIXELS = 110
"""Room above and below such a plot."""
MOST_TIMES = 6
"""What lies further out than so many times the middle one's reach would make dots of all
others: a value or a mark stands at the edge, with its number, and an interval is cut there."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A line through points."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    """In the legend; curves without one have the color of the last that has one."""
    is_dashed: bool = False
    error: Sequence[float] = ()
    """Half the length of a whisker at each point."""


def curves(
    drawn: Sequence[Curve],
    title: str,
    x_label: str,
    y_label: str,
    is_log_x: bool = False,
    level: float | None = None,
    ranges: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None),
    has_marks: bool = False,
) -> np.ndarray:
    """Draws lines.

    Args:
      drawn: the curves.
      title: above all; cut where it does not fit.
      x_label: below.
      y_label: at the left.
      is_log_x: whether x is logarithmic, with a tick at each x that occurs.
      level: where a dotted line is drawn across.
      ranges: of x and y; None leaves the choice to matplotlib.
      has_marks: whether points are marked.

    Returns:
      uint8 [480, 860, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    with figure(WIDTH_PIXELS, HEIGHT_PIXELS) as page:
        axes = _axes(page, title, x_label)
        axes.set_ylabel(y_label)
        axes.grid(color="#eeeeee")
        number = -1
        for curve in drawn:
            number += bool(curve.label) or number < 0
            color = COLORS[number % len(COLORS)]
            style = {"color": color, "linestyle": "--" if curve.is_dashed else "-"}
            style |= {"marker": "o" if has_marks else "", "linewidth": 1.2}
            axes.errorbar(curve.x, curve.y, curve.error or None, capsize=3, **style)
            if curve.label:
                axes.plot([], [], label=fitted(curve.label, LABEL_PIXELS), **style)
        if level is not None:
            axes.axhline(level, color=GRAY, linestyle=":")
        if is_log_x:
            axes.set_xscale("log")
            ticks = sorted({x for curve in drawn for x in curve.x})
            axes.set_xticks(ticks, [f"{x:,.10g}" for x in ticks])
            axes.minorticks_off()
        axes.set(xlim=ranges[0], ylim=ranges[1])
        _legend(page, axes)
        return pixels(page)


def bars(
    names: Sequence[str],
    values: Mapping[str, Sequence[float]],
    title: str,
    label: str,
    errors: Mapping[str, Sequence[float]] | None = None,
) -> np.ndarray:
    """Draws lying bars, one of each kind for each name, the first name at the top.

    Args:
      names: at the left; cut where they are too long.
      values: kinds of bars, each with a number for each name; NaN draws none.
      title: above all.
      label: of the numbers.
      errors: half the lengths of whiskers, of the same kinds.

    Returns:
      uint8 [H, 860, 3]; H grows with the names.

    Raises:
      UserError: matplotlib is not installed.
    """
    lines = len(names) * max(1.0, 0.6 * len(values))
    with figure(WIDTH_PIXELS, round(TITLE_ROWS_PIXELS + lines * LINE_PIXELS)) as page:
        axes = _axes(page, title, label)
        places, height = np.arange(len(names)), 0.8 / len(values)
        for number, (kind, lengths) in enumerate(values.items()):
            axes.barh(
                places + (number - (len(values) - 1) / 2) * height,
                lengths,
                height,
                xerr=errors[kind] if errors else None,
                color=COLORS[number % len(COLORS)],
                ecolor="black",
                label=fitted(kind, LABEL_PIXELS),
            )
        _names(axes, names)
        if len(values) > 1:
            _legend(page, axes)
        return pixels(page)


def intervals(
    names: Sequence[str],
    centers: Sequence[float],
    halves: Sequence[float],
    marks: Sequence[float],
    title: str,
    label: str,
    labels: tuple[str, str],
) -> np.ndarray:
    """Draws values with intervals, and open marks beside them; zero is a line.

    The first name stands at the top. An arrow at the edge and a number stand for a value or a mark
    that lies far outside of the others (MOST_TIMES); an interval that ends there is cut.

    Args:
      names: at the left; cut where they are too long.
      centers: values; NaN draws none.
      halves: [N] or [2, N], how far each interval reaches down and up; NaN draws none.
      marks: what is compared with; NaN draws none.
      title: above all.
      label: of the numbers.
      labels: what the legend calls values and marks.

    Returns:
      uint8 [H, 860, 3]; H grows with the names.

    Raises:
      UserError: matplotlib is not installed.
    """
    height = TITLE_ROWS_PIXELS + len(names) * LINE_PIXELS
    with figure(WIDTH_PIXELS, height) as page:
        axes = _axes(page, title, label)
        places, marks = np.arange(len(names)), np.asarray(marks, float)
        centers, halves = np.asarray(centers, float), np.broadcast_to(halves, (2, len(names)))
        axes.axvline(0, color=GRAY, linewidth=1)
        limit = _limit(centers, halves, marks)
        near, near_marks = (np.where(np.abs(x) > limit, np.nan, x) for x in (centers, marks))
        style = {"color": COLORS[0], "linestyle": "", "marker": "o"}
        axes.errorbar(near, places, xerr=halves, capsize=4, label=labels[0], **style)
        if np.isfinite(marks).any():
            style = {"color": COLORS[1], "linestyle": "", "marker": "D", "fillstyle": "none"}
            axes.plot(near_marks, places, label=labels[1], **style)
        ends = np.concatenate([near, near - halves[0], near + halves[1], near_marks, [0]])
        if (np.abs(ends) > limit).any():
            shown = ends[np.abs(ends) <= limit]
            room = 0.05 * np.ptp(shown)
            axes.set_xlim(shown.min() - room, shown.max() + room)
        for place in np.flatnonzero(np.abs(centers) > limit):
            _at_the_edge(axes, place, centers[place])
        for place in np.flatnonzero(np.abs(marks) > limit):
            _at_the_edge(axes, place, marks[place], True, np.abs(centers[place]) > limit)
        _names(axes, names)
        _legend(page, axes)
        return pixels(page)


def _limit(centers: np.ndarray, halves: np.ndarray, marks: np.ndarray) -> float:
    """Tells how far from 0 an end may lie that does not make dots of the others."""
    halves = np.nan_to_num(halves)
    reaches = np.maximum(np.abs(centers - halves[0]), np.abs(centers + halves[1]))
    drawn = [one[one > 0] for one in (reaches, np.abs(marks))]  # NaN is not
    return MOST_TIMES * max((float(np.median(one)) for one in drawn if len(one)), default=np.inf)


def _at_the_edge(
    axes: "Axes", place: int, value: float, is_mark: bool = False, is_second: bool = False
) -> None:
    """Draws an arrow that points to where a value or a mark lies, and its number."""
    edge, arrow, side = (1, ">", "right") if value > 0 else (0, "<", "left")
    at = axes.get_yaxis_transform()  # x as a part of the width
    style = {"color": COLORS[is_mark], "marker": arrow, "clip_on": False, "in_layout": False}
    axes.plot([edge], [place], transform=at, fillstyle="none" if is_mark else "full", **style)
    inside = abs(edge - (0.1 if is_second else 0.015))
    axes.text(inside, place, f"{value:.3g}", transform=at, va="center", ha=side)


def _axes(page: "Figure", title: str, x_label: str) -> "Axes":
    """Makes the axes of a figure; the title begins at its left edge, where it has most room."""
    page.suptitle(fitted(title, WIDTH_PIXELS - 20, 11), x=0.01, ha="left", size=11)
    axes = page.add_subplot()
    axes.set_xlabel(x_label)
    return axes


def _names(axes: "Axes", names: Sequence[str]) -> None:
    """Writes names at the left, the first at the top."""
    axes.set_yticks(np.arange(len(names)), [fitted(name, NAME_PIXELS) for name in names])
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)


def _legend(page: "Figure", axes: "Axes") -> None:
    """Puts the legend, if there is one, at the right, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        page.legend(handles, labels, loc="outside right upper", ncols=1 + len(labels) // 24)
