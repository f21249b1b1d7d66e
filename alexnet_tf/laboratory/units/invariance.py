"""How much features change when a picture is moved, enlarged or turned."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.figures.canvas import COLORS
from alexnet_tf.laboratory import classes
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.settings import Invariance
from alexnet_tf.laboratory.subject import Pictures, Subject
from alexnet_tf.laboratory.units import layers
from alexnet_tf.laboratory.units.invariance_page import page
from pipelines.moves import Move, enlargement, moved, shift, turn

ABOUT = About(
    title="What moves do to features",
    method=(
        "Each picture is moved up and down by up to 60 of 224 pixels, enlarged about its center to "
        "up to 1.8 times, and turned counterclockwise. The change of a layer is the Euclidean "
        "distance of its activations to those of the untouched picture, divided by the length of "
        "the latter: the paper's figure does not say its scale. The probability is that of the "
        "true class, or of the most likely class of the untouched picture where the truth is not "
        "known. Levels between pixels are blended from four (bilinear), and what comes in at the "
        "edges has the mean color, which is 0 in the network's input."
    ),
    source="Zeiler and Fergus 2013, section 4 and figure 5",
    limits=(
        "A few pictures are no average over a set. What comes in at the edges is new to the "
        "network too, and turning blurs: not all of a change is due to the move. Whether mirrored "
        "or enlarged pictures were trained on decides as much as the layers do."
    ),
)
PICTURES = 5
MOST_SHIFT = 60 / 224
"""As a part of the picture's side."""
LARGEST = 1.8


class Kind(NamedTuple):
    """A kind of move."""

    axis: str
    """What its values are."""
    values: np.ndarray
    """float [V]."""
    told: tuple[float, ...]
    """Those that the caption names."""
    move: Callable[[float], Move]
    """From a value to where pixels come from."""


def kinds(side: int) -> dict[str, Kind]:
    """Lists the moves of figure 5, for pictures of a side in pixels."""
    far = max(1, round(MOST_SHIFT * side))
    shifts = np.unique(np.rint(np.linspace(-far, far, 31)))
    near = float(shifts[np.abs(shifts - far / 6).argmin()])

    def turned(degrees: float) -> Move:
        angle = math.radians(degrees)
        return turn(math.cos(angle), math.sin(angle), side)

    return {
        "shift": Kind("pixels down", shifts, (near, far), lambda down: shift(0.0, down)),
        "enlargement": Kind(
            "times as large",
            np.linspace(1, LARGEST, 17),
            (1.2, LARGEST),
            lambda factor: enlargement(factor, side),
        ),
        "turn": Kind("degrees", np.linspace(0, 360, 73), (10.0, 90.0, 180.0), turned),
    }


def changed(x: np.ndarray, kind: Kind) -> np.ndarray:
    """Makes all moves of a kind of a preprocessed picture: [S, S, C] -> float32 [V, S, S, C]."""
    moves = (kind.move(value) for value in kind.values.tolist())
    return tf.stack([moved(tf.constant(x), move, "BILINEAR") for move in moves]).numpy()


def show(subject: Subject, settings: Invariance) -> Exhibit:
    """Draws the changes of layers, and the probability of the class, against each move.

    Raises:
      UserError: there is no such layer, or it is silent, or there is no picture.
    """
    names = settings.layers or layers.first_and_last(subject)
    pictures = subject.some(PICTURES)
    x = subject.preprocessed(pictures.image).numpy()
    features = layers.features(subject, names)
    before = features(x)
    asked = classes.true_or_likely(subject, pictures, before[-1]) if subject.is_whole else None
    arrays = {"length": np.stack([np.linalg.norm(one, axis=1) for one in before[: len(names)]])}
    for name, lengths in zip(names, arrays["length"], strict=True):
        if not lengths.all():
            raise UserError(
                f"layer={name}: expected activations other than zero, but it is silent for "
                f"{pictures.name[int(lengths.argmin())]!r}. Name other --layers or --images."
            )
    moves = kinds(subject.config.network.input.size)
    for name, kind in moves.items():
        distances, likely = [], []
        for number, one in enumerate(x):
            now = features(changed(one, kind))
            rest = [a - b[number] for a, b in zip(now, before, strict=True)][: len(names)]
            distances.append([np.linalg.norm(difference, axis=1) for difference in rest])
            if asked is not None:
                likely.append(now[-1][:, asked[number]])
        arrays[f"{name}/value"] = kind.values
        arrays[f"{name}/distance"] = np.array(distances).swapaxes(0, 1)  # layers, pictures, values
        if likely:
            arrays[f"{name}/probability"] = np.array(likely)
    numbers = {name: _numbers(name, kind, names, arrays) for name, kind in moves.items()}
    return Exhibit(
        name="invariance",
        about=ABOUT,
        seen=_told(subject, pictures, names, moves, numbers),
        picture=page(subject, pictures, names, asked, moves, arrays),
        numbers={"layers": list(names), "pictures": list(pictures.name)} | numbers,
        arrays=arrays,
    )


def _numbers(name: str, kind: Kind, layer_names: Sequence[str], arrays: dict) -> dict:
    """Takes means over the pictures at the values that the caption names."""
    places = [int(np.abs(kind.values - value).argmin()) for value in kind.told]
    relative = arrays[f"{name}/distance"] / arrays["length"][..., None]
    found = {"at": list(kind.told), "change": {}}
    for layer, change in zip(layer_names, relative.mean(axis=1), strict=True):
        found["change"][layer] = change[places].tolist()
    if f"{name}/probability" in arrays:
        likely = arrays[f"{name}/probability"].mean(axis=0)
        untouched = int(np.abs(kind.values - (name == "enlargement")).argmin())
        found |= {"probability": likely[places].tolist(), "untouched": float(likely[untouched])}
    return found


def _told(
    subject: Subject,
    pictures: Pictures,
    names: Sequence[str],
    moves: dict[str, Kind],
    numbers: dict,
) -> str:
    """Says what one sees."""
    facts = []
    for name, kind in moves.items():
        of = numbers[name]
        changes = [f"{layer} changes by {_percents(of['change'][layer])}" for layer in names]
        fact = f"At {_series(f'{value:g}' for value in of['at'])} {kind.axis} {'; '.join(changes)}"
        if "probability" in of:
            fact += f"; the class has {_percents(of['probability'])}, before {of['untouched']:.0%}"
        facts.append(fact)
    num, most = len(pictures.image), len(COLORS)
    color = "one color each" if num <= most else f"{most} colors, in turn"
    return (
        f"{subject.told(pictures)}, shown to {subject.what}; {color}. On average: "
        f"{'. '.join(facts)}."
    )


def _percents(values: Iterable[float]) -> str:
    """Lists shares as percents."""
    return _series(f"{value:.0%}" for value in values)


def _series(words: Iterable[str]) -> str:
    """Joins words: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
