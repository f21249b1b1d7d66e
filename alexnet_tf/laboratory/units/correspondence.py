"""Whether hiding the same part of several pictures changes features alike."""

import functools
import itertools

import numpy as np
from numpy.typing import ArrayLike

from alexnet_tf.errors import UserError
from alexnet_tf.figures import grids, plots, sheets
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.settings import Correspondence
from alexnet_tf.laboratory.subject import BATCH_EXAMPLES, Subject
from alexnet_tf.laboratory.units import layers, parts

ABOUT = About(
    title="Whether equal parts mean the same (correspondence)",
    method=(
        "The same part is hidden in each picture by a square of the mean color, which is 0 in the "
        "network's input. What that changes of a layer is the vector of the picture's activations "
        "less those with the square. For each pair of pictures, the signs of the two vectors are "
        "compared: the distance is the share of the layer's units whose signs differ (Hamming). A "
        "sign is -1, 0 or 1, and 0 equals 0 alone: units that the square does not change in both "
        "pictures count as equal, so sparse layers have small distances. The table has the mean "
        "over pairs and their standard deviation. For comparison, squares hide random places, "
        "others in each picture, as in the paper; and, which the paper has not, random places that "
        "are the same in each picture. A part whose distance is smaller than both is treated "
        "alike, and not only because it lies at similar places."
    ),
    source="Zeiler and Fergus 2013, section 4.3 and table 1",
    limits=(
        "Pairs of few pictures are not independent, so the standard deviation says less than it "
        "seems to. The paper tells neither the size of its squares nor how it divides its sums, "
        "so compare its rows with each other, as ours, before both."
    ),
)
SQUARE_PART = 7
"""By default, the side of the square is this part of the picture's."""
RANDOM, SAME_PLACE = "random", "same_place"
"""Rows for comparison."""
SMALLER = (f"smaller_{RANDOM}", f"smaller_{SAME_PLACE}")
"""Shares of their draws whose mean is smaller than a part's."""
PUBLISHED = {
    "right_eye": ((0.067, 0.007), (0.069, 0.015)),
    "left_eye": ((0.069, 0.007), (0.068, 0.013)),
    "nose": ((0.079, 0.017), (0.069, 0.011)),
    RANDOM: ((0.107, 0.017), (0.073, 0.014)),
}
"""Table 1, layers 5 and 7: mean and deviation."""


def show(subject: Subject, settings: Correspondence) -> Exhibit:
    """Draws the hidden parts, and how alike features change.

    Raises:
      UserError: there is no table of parts, it cannot be used, or there is no such layer.
    """
    if not settings.parts:
        raise UserError(
            "parts='': expected a table of marked parts, which only you can make. Give "
            "--parts=FILE.csv; --help says what stands in it."
        )
    inputs = subject.config.network.input
    side = settings.square or max(1, round(inputs.size / SQUARE_PART))
    if side > inputs.size:
        raise UserError(
            f"square={side}: expected at most {inputs.size}, the side of what the network sees. "
            "Make it smaller."
        )
    marked = parts.read(settings.parts, inputs)
    taken = sorted({RANDOM, SAME_PLACE} & set(marked.parts))
    if taken:
        raise UserError(
            f"parts={settings.parts!r} has a part called {taken[0]}, which is the name of a row to "
            "compare with; expected another name. Rename its columns."
        )
    names = settings.layers or layers.last_of_maps_and_vectors(subject)
    draw = np.random.default_rng(settings.seed)
    random = draw.integers(0, inputs.size - side + 1, (settings.draws, len(marked.image), 2))
    own = np.rint(marked.center - side / 2).astype(int)
    corners = {part: own[np.newaxis, :, n] for n, part in enumerate(marked.parts)}
    corners |= {RANDOM: random, SAME_PLACE: np.broadcast_to(random[:, :1], random.shape)}
    x = subject.preprocessed(marked.image).numpy()
    compare = functools.partial(_distances, layers.features(subject, names), x, side)
    found = {part: dict(zip(names, compare(at), strict=False)) for part, at in corners.items()}
    table = {part: _row(found, part) for part in found}
    is_like_table = not settings.layers and _is_theirs(subject)
    published = {part: PUBLISHED[part] for part in table if part in PUBLISHED and is_like_table}
    return Exhibit(
        name="correspondence",
        about=ABOUT,
        seen=_told(subject, settings, marked, side, table),
        picture=_page(subject, marked, corners, side, table, published),
        numbers={"square": side, "pictures": list(marked.name)}
        | {"table": table, "published": published},
        arrays={f"{part}/corner": at for part, at in corners.items()}
        | {f"{part}/{layer}": x for part, of in found.items() for layer, x in of.items()},
    )


def _is_theirs(subject: Subject) -> bool:
    """Whether a network has five convolutions and three layers above them, as the published one."""
    shapes = [len(row.output_shape) for row in subject.rows if row.layer.has_kernel]
    return shapes == [3] * 5 + [1] * 3


def _distances(
    features: layers.Features, x: np.ndarray, side: int, corners: np.ndarray
) -> list[np.ndarray]:
    """Hides squares, and compares what that changes.

    Args:
      features: of some layers, and perhaps of more.
      x: preprocessed pictures, float32 [N, H, W, C].
      side: of the squares.
      corners: int [draws, N, 2].

    Returns:
      For each layer float64 [draws, pairs].
    """
    before, found = features(x), []
    at_once = max(1, BATCH_EXAMPLES // len(x))
    for first in range(0, len(corners), at_once):
        some = corners[first : first + at_once]
        after = features(np.concatenate([hidden(x, at, side) for at in some]))
        for now in zip(*(np.split(one, len(some)) for one in after), strict=True):
            found.append([hamming(a - b) for a, b in zip(now, before, strict=True)])
    return [np.array(of_layer) for of_layer in zip(*found, strict=True)]


def _row(found: dict[str, dict[str, np.ndarray]], part: str) -> dict[str, dict[str, float]]:
    """Makes a row of the table: for each layer mean, deviation, and how rare that is by chance."""
    row = {}
    for layer, own in found[part].items():
        row[layer] = {"mean": float(own.mean()), "deviation": float(own.std())}
        for key, other in zip(SMALLER, (RANDOM, SAME_PLACE), strict=True):
            if part not in (RANDOM, SAME_PLACE):
                smaller = found[other][layer].mean(axis=1) < own.mean()
                row[layer][key] = float(smaller.mean())
    return row


def hidden(x: np.ndarray, corners: np.ndarray, side: int, color: ArrayLike = 0) -> np.ndarray:
    """Hides a square in each picture.

    Args:
      x: pictures [N, H, W, C].
      corners: int [N, 2], left and top of each square; what lies outside of a picture is left out.
      side: of the squares.
      color: what the squares get: 0, the mean color of preprocessed pictures.

    Returns:
      Pictures of the same shape and type.
    """
    x = x.copy()
    for one, (left, top) in zip(x, corners.tolist(), strict=True):
        one[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = color
    return x


def hamming(changes: np.ndarray) -> np.ndarray:
    """Compares the signs of vectors, pair by pair.

    Args:
      changes: float [N, D].

    Returns:
      float64 [N * (N - 1) / 2], the share of places where the signs differ; 0 has its own sign.
    """
    signs = np.sign(changes)
    return np.array([np.mean(a != b) for a, b in itertools.combinations(signs, 2)])


def _told(
    subject: Subject, settings: Correspondence, marked: parts.Marked, side: int, table: dict
) -> str:
    """Says what one sees."""
    facts = []
    for layer in table[RANDOM]:
        values = [f"{_words(part)} {_value(of[layer])}" for part, of in table.items()]
        facts.append(f"{layer}: {', '.join(values)}")
    return (
        f"{len(marked.name)} pictures marked in {settings.parts}, shown to {subject.what}; squares "
        f"of {side} pixels, {settings.draws} draws of random ones, of which the first is drawn. "
        f"Distances in {'. In '.join(facts)}. In brackets: the share of draws whose mean is "
        "smaller, at random and at the same place."
    )


def _value(of: dict[str, float]) -> str:
    """Writes a cell of the table."""
    shares = [f"{of[key]:.0%}" for key in SMALLER if key in of]
    return f"{of['mean']:.3f} +- {of['deviation']:.3f}" + (
        f" ({' and '.join(shares)})" if shares else ""
    )


def _page(
    subject: Subject,
    marked: parts.Marked,
    corners: dict[str, np.ndarray],
    side: int,
    table: dict,
    published: dict,
) -> np.ndarray:
    """Draws the pictures with their hidden parts, and the table as points with whiskers."""
    color = np.rint(subject.config.network.input.mean)
    rows = [
        [grids.Picture(image=image) for image in hidden(marked.image, at[0], side, color)]
        for at in corners.values()
    ]
    names = list(map(_words, table))
    drawn = [
        plots.intervals(
            names,
            [of[layer]["mean"] for of in table.values()],
            [of[layer]["deviation"] for of in table.values()],
            [published[part][number][0] if part in published else np.nan for part in table],
            f"{layer}: how differently hidden parts change it",
            "share of units whose signs differ",
            ("mean and deviation over pairs", "published"),
        )
        for number, layer in enumerate(table[RANDOM])
    ]
    return sheets.stacked(grids.image_grid(rows, row_titles=names), *drawn)


def _words(part: str) -> str:
    """Writes the name of a part as words."""
    return part.replace("_", " ")
