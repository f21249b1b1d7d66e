"""Pictures with the maps of a sliding square beside them."""

import numpy as np

from alexnet_tf.figures import canvas
from alexnet_tf.laboratory.subject import Pictures, Subject

CELL_PIXELS = 290, 250
"""Width and height of a picture or map with its words."""
OTHERS = "others"


def page(
    subject: Subject,
    pictures: Pictures,
    layer: str,
    square: int,
    arrays: dict[str, np.ndarray],
) -> np.ndarray:
    """Draws a row for each picture.

    Args:
      subject: whose network it is.
      pictures: N of them.
      layer: the name of the strongest map's layer.
      square: side of the square, which is drawn in a corner of the picture.
      arrays: `map`, `strength`, and where there are classes `class`, `probability` and
        `most_likely`.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    columns = 4 if "class" in arrays else 2
    count = len(pictures.index)
    with canvas.figure(CELL_PIXELS[0] * columns, CELL_PIXELS[1] * count) as drawn:
        cells = drawn.subplots(count, columns, squeeze=False)
        for n, (first, *others) in enumerate(cells):
            _picture(first, subject, pictures, n, square)
            strength = arrays["strength"][n]
            _map(drawn, others[0], strength, f"{layer}, map {arrays['map'][n]}")
            if "class" in arrays:
                name = subject.classes[arrays["class"][n]]
                _map(drawn, others[1], arrays["probability"][n], f"p({name})", 0, 1)
                _classes(others[2], arrays["most_likely"][n], subject.classes)
        return canvas.pixels(drawn)


def _picture(axes, subject: Subject, pictures: Pictures, n: int, square: int) -> None:
    """Draws a picture, with a square in its upper left corner."""
    mean = np.array(subject.config.network.input.mean)
    axes.imshow(pictures.image[n])
    color = np.broadcast_to(mean / 255, 3)
    axes.add_patch(_patch((-0.5, -0.5), square, square, facecolor=color, edgecolor="white"))
    label = pictures.label[n]
    name = subject.source.classes[label] if label >= 0 else pictures.name[n].rpartition("/")[2]
    axes.set_title(canvas.fitted(name, CELL_PIXELS[0] - 40), loc="left")
    axes.set_axis_off()


def _map(page, axes, values: np.ndarray, title: str, low=None, high=None) -> None:
    """Draws a map with its scale, from its own smallest value to its largest if not said."""
    drawn = axes.imshow(values, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(canvas.fitted(title, CELL_PIXELS[0] - 40), loc="left")
    axes.set_axis_off()
    page.colorbar(drawn, ax=axes, shrink=0.8)


def _classes(axes, values: np.ndarray, names: tuple[str, ...]) -> None:
    """Draws the most likely class of each place, the most frequent ones with colors and names."""
    found, counts = np.unique(values, return_counts=True)
    found = found[np.argsort(-counts, kind="stable")]
    colors = [np.frombuffer(bytes.fromhex(x[1:]), np.uint8) for x in canvas.COLORS]
    image = np.full((*values.shape, 3), 255, np.uint8)
    shown = [(values == n, names[n], color) for n, color in zip(found, colors, strict=False)]
    if len(found) > len(colors):
        shown.append((np.isin(values, found[len(colors) :]), OTHERS, np.full(3, 255, np.uint8)))
    for where, name, color in shown:
        image[where] = color
        label = canvas.fitted(name, 90)
        axes.add_patch(_patch((0, 0), 0, 0, facecolor=color / 255, edgecolor="gray", label=label))
    axes.imshow(image, interpolation="nearest")
    axes.set_title("most likely class", loc="left")
    axes.set_axis_off()
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), handlelength=1)


def _patch(place, width: float, height: float, **style):
    from matplotlib.patches import Rectangle

    return Rectangle(place, width, height, **style)
