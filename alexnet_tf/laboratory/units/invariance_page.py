"""The picture of `invariance`: curves as in Zeiler and Fergus 2013, figure 5."""

from collections.abc import Mapping, Sequence

import numpy as np

from alexnet_tf.figures.canvas import COLORS, FONT_POINTS, figure, fitted, pixels
from alexnet_tf.laboratory.subject import Pictures, Subject
from pipelines.moves import moved

COLUMN_PIXELS, ROW_PIXELS, HEAD_PIXELS = 330, 250, 190


def page(
    subject: Subject,
    pictures: Pictures,
    names: Sequence[str],
    asked: np.ndarray | None,
    kinds: Mapping,
    arrays: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Draws the pictures in their colors, then a row for each kind of move.

    Args:
      subject: the network.
      pictures: what was moved.
      names: of the layers.
      asked: int64 [N], the class of each picture; None where there are no classes.
      kinds: the moves by name, `invariance.Kind` each.
      arrays: as the .npz has them.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    colors = [COLORS[i % len(COLORS)] for i in range(len(pictures.image))]
    columns = 1 + len(names) + (asked is not None)
    height = HEAD_PIXELS + ROW_PIXELS * len(kinds)
    with figure(COLUMN_PIXELS * columns, height) as drawn:
        head, body = drawn.subfigures(2, 1, height_ratios=[HEAD_PIXELS, height - HEAD_PIXELS])
        places = head.subplots(1, len(colors), squeeze=False)[0]
        for number, (axes, color) in enumerate(zip(places, colors, strict=True)):
            _thumbnail(axes, pictures.image[number], color)
            name = pictures.name[number].rpartition("/")[2]
            title = name if asked is None else subject.classes[asked[number]]
            room = COLUMN_PIXELS * columns / len(colors) - 10
            axes.set_title(fitted(title, room), size=FONT_POINTS)
        cells = body.subplots(len(kinds), columns, squeeze=False)
        for row, (name, kind) in zip(cells, kinds.items(), strict=True):
            _moved_first(row[0], subject, pictures.image[0], kind)
            relative = arrays[f"{name}/distance"] / arrays["length"][..., None]
            for axes, layer, change in zip(row[1:], names, relative, strict=False):
                _curves(axes, kind, change, colors, f"change of {layer}")
            if asked is not None:
                _curves(row[-1], kind, arrays[f"{name}/probability"], colors, "p(class)")
                row[-1].set_ylim(-0.03, 1.03)
        return pixels(drawn)


def _thumbnail(axes, image: np.ndarray, color: str) -> None:
    """Draws a picture in a frame of its color."""
    axes.imshow(image)
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(visible=True, color=color, linewidth=4)


def _moved_first(axes, subject: Subject, image: np.ndarray, kind) -> None:
    """Draws the first picture by the smallest, a middle and the largest value."""
    mean = np.array(subject.config.network.input.mean, np.float32)
    values = kind.values[[0, len(kind.values) // 3, -1]].tolist()
    side = len(image)
    for number, value in enumerate(values):
        extent = (number * 1.06 * side, number * 1.06 * side + side, side, 0)
        levels = mean + moved(image - mean, kind.move(value), "BILINEAR").numpy()
        axes.imshow(np.rint(levels).astype(np.uint8), extent=extent)
        axes.text(extent[0] + side / 2, side * 1.12, f"{value:.3g}", ha="center", va="top")
    axes.set(xlim=(0, 3.12 * side), ylim=(1.4 * side, 0))
    axes.set_axis_off()
    axes.set_title(kind.axis, loc="left")


def _curves(axes, kind, values: np.ndarray, colors: Sequence[str], label: str) -> None:
    """Draws a curve for each picture."""
    for one, color in zip(values, colors, strict=True):
        axes.plot(kind.values, one, color=color, linewidth=1.2)
    axes.set(xlabel=kind.axis, ylabel=label, ylim=(0, None))
    axes.grid(color="#eeeeee")
