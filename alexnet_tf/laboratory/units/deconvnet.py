"""What the strongest activations of maps are made of: projections down to pixels."""

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.laboratory import maps, randomization
from alexnet_tf.laboratory.backward import Rule, has_relus, in_batches, passage, sent_down
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.picking import equally_apart
from alexnet_tf.laboratory.settings import Deconvnet
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.laboratory.units import deconvnet_page
from alexnet_tf.laboratory.units.winners import WINNERS, Winners, windows_of, winners
from alexnet_tf.networks.tables.shapes import Row

ABOUT = About(
    title="What maps respond to (deconvnet)",
    method=(
        "For each map, the nine strongest activations over the pictures, one place a picture. All "
        "other activations of the layer are set to zero, and what is left goes down: maxima are "
        "unpooled by the switches of the way up (means are spread evenly), each ReLU keeps what is "
        "positive, filters are transposed, biases left out. Windows that overlap and share a "
        "maximum add their values. Response normalization is passed straight through "
        "(--through_norm: by its gradient), batch normalization by the factor of each filter. "
        "Projections stand at the left, what the unit sees at the right, the strongest first; each "
        "projection is stretched around gray by its own magnitudes, their 99.5th percentile being "
        "black and white. The maps drawn are evenly spread over those that respond to nine "
        "pictures: they are not chosen by their looks."
    ),
    source="Zeiler and Fergus 2013, sections 2.1 and 4, figure 2",
    limits=(
        "A projection shows what of this picture would have gone up, not what the map looks for "
        "in general, and its sharp edges are those of the picture, by the switches. Contrast says "
        "nothing about strength. White lies outside of the picture. Some of what the check finds "
        "to remain is no picture: the middle of what a unit sees is reached on more ways than its "
        "edge, whatever the weights."
    ),
)
BATCH_EXAMPLES = 32
CHECK_UNITS = 9
"""Maps of each layer whose strongest unit is checked."""
CHANCE_DRAWS = 10_000
MOST_BYTES = 2**28
"""Of a layer's projections in the .npz; larger ones are drawn, but not kept."""

Project = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From pictures uint8 [N, H, W, 3], maps int [N] and places int [N], counted row by row, -1 for the
strongest, to projections of 1 at these places, float32 [N, H, W, C], the places, and their
activations, float32 [N]. What comes down is in proportion to what is sent."""


class Layer(NamedTuple):
    """What is shown of a layer."""

    row: str
    """Whose maps they are."""
    maps: np.ndarray
    """int64 [M]; those drawn."""
    winners: Winners
    """Of all maps."""
    shown: dict[str, np.ndarray]
    """Of each winner, [M, 9, ...]: picture, label, place, activation, window, projection, cell."""


def show(subject: Subject, settings: Deconvnet) -> Exhibit:
    """Draws the nine strongest activations of some maps of each layer.

    Raises:
      UserError: a layer does not exist or gives no maps, or there are fewer than nine pictures.
    """
    names = settings.layer or tuple(maps.convolutions(subject))
    rows = {name: maps.activated(subject, name) for name in names}
    best, num_seen = winners(subject, [row.name for row in rows.values()])
    projects = {x: projector(subject, row.name, settings.through_norm) for x, row in rows.items()}
    layers = {
        name: _layer(subject, row, best[row.name], projects[name], settings.maps)
        for name, row in rows.items()
    }
    numbers = {name: _numbers(layer) for name, layer in layers.items()}
    exhibit = Exhibit(
        name="deconvnet",
        about=ABOUT,
        seen=_told(subject, num_seen, numbers),
        picture=deconvnet_page.page(
            {name: (layer.maps, layer.shown["cell"]) for name, layer in layers.items()},
            settings.patches,
        ),
        numbers={"layers": numbers},
        arrays={
            f"{name}/{key}": array
            for name, layer in layers.items()
            for key, array in ({"map": layer.maps} | layer.shown).items()
            if key != "cell"
        },
    )
    if not settings.check:
        return exhibit
    checks = {name: _check(subject, layers[name], projects[name]) for name in layers}
    how = f"of the strongest unit of up to {CHECK_UNITS} maps of each layer, inside what it sees"
    return randomization.added(exhibit, checks, how)


def projector(subject: Subject, layer: str, through_norm: bool) -> Project:
    """Makes the function that projects one unit of each picture down to pixels.

    Args:
      subject: its network; weights are read at each call.
      layer: a row that gives maps.
      through_norm: whether response normalization is passed by its gradient.
    """
    climb = passage(subject.model, Rule.DECONVNET, upto=layer, through_norm=through_norm)

    def compute(images, maps, places):
        def units(y):
            """Finds the places, and the activations there."""
            own = tf.gather(y, maps, axis=3, batch_dims=1)
            own = tf.reshape(own, [-1, y.shape[1] * y.shape[2]])
            found = tf.where(places < 0, tf.argmax(own, axis=1), places)
            return found, tf.gather(own, found, batch_dims=1)

        def seed(y):
            """Puts 1 at each unit."""
            number = units(y)[0] * y.shape[3] + maps
            return tf.reshape(tf.one_hot(number, np.prod(y.shape[1:])), tf.shape(y))

        y, down = sent_down(climb, subject.preprocessed(images), seed)
        return down, *units(y)

    size = subject.config.network.input.size
    numbers = tf.TensorSpec([BATCH_EXAMPLES], tf.int64)
    traced = tf.function(compute, autograph=False).get_concrete_function(
        tf.TensorSpec([BATCH_EXAMPLES, size, size, 3], tf.uint8), numbers, numbers
    )
    return functools.partial(in_batches, traced, BATCH_EXAMPLES)


def _layer(subject: Subject, row: Row, best: Winners, project: Project, count: int) -> Layer:
    """Projects the winners of some maps of a layer.

    Raises:
      UserError: no map responds to nine pictures.
    """
    alive = np.flatnonzero(best.strength[-1] > 0)
    if not len(alive):
        raise UserError(
            f"layer={row.name}: expected maps that respond to {WINNERS} pictures, found none in "
            f"{subject.what}. Name another layer."
        )
    chosen = alive[equally_apart(len(alive), count or len(alive))]
    side = deconvnet_page.cell_side(len(chosen))
    field = deconvnet_page.part(subject.rows, row.name, (0, 0)).side
    is_kept = len(chosen) * WINNERS * field**2 * 12 <= MOST_BYTES
    numbers, units = best.number[:, chosen].T.ravel(), np.repeat(chosen, WINNERS)
    order = np.argsort(numbers, kind="stable")  # so that a picture is read once or twice
    found = []
    for first in range(0, len(order), BATCH_EXAMPLES):
        some = order[first : first + BATCH_EXAMPLES]
        images = windows_of(subject, numbers[some])
        down, places, strength = project(images, units[some], np.full(len(some), -1))
        places = np.stack(np.unravel_index(places, row.output_shape[:2]), axis=1)
        parts = [deconvnet_page.part(subject.rows, row.name, place) for place in places.tolist()]
        down = strength[:, None, None, None] * colors(subject, down)
        down = deconvnet_page.cut(down, parts)
        seen = deconvnet_page.cut(images, parts)
        now = {"place": places, "activation": strength}
        now["window"] = np.array([part.window for part in parts])
        now["cell"] = deconvnet_page.cells(down, seen, parts, side)
        found.append(now | ({"projection": down} if is_kept else {}))
    back, shape = np.argsort(order), (len(chosen), WINNERS)
    shown = {key: np.concatenate([now[key] for now in found])[back] for key in found[0]}
    shown = {key: array.reshape(*shape, *array.shape[1:]) for key, array in shown.items()}
    known = {"picture": best.number[:, chosen].T, "label": best.label[:, chosen].T}
    return Layer(row.name, chosen, best, known | shown)


def colors(subject: Subject, down: np.ndarray) -> np.ndarray:
    """Turns what came down to the network's input into red, green and blue: [N, H, W, 3]."""
    if subject.config.network.input.channel_order == "bgr":
        down = down[..., ::-1]
    return np.broadcast_to(down, (*down.shape[:3], 3))


def _numbers(layer: Layer) -> dict:
    """Counts what .json gets of a layer."""
    strength, label = layer.winners.strength, layer.winners.label
    alive = strength[-1] > 0
    same = [max(Counter(column).values()) for column in label.T[alive].tolist() if min(column) >= 0]
    return {
        "row": layer.row,
        "num_maps": strength.shape[1],
        "respond_to_nine_pictures": int(alive.sum()),
        "of_one_class": float(np.mean(same)) if same else None,
        "maps": layer.maps.tolist(),
    }


def _told(subject: Subject, num_seen: int, numbers: dict[str, dict]) -> str:
    """Says what one sees."""
    facts, has_labels = [], False
    for name, of in numbers.items():
        where = "" if of["row"] == name else f" (as {of['row']} gives them)"
        silent = of["num_maps"] - of["respond_to_nine_pictures"]
        fact = f"{name}{where}: {len(of['maps'])} of {of['num_maps']} maps"
        fact += f" ({silent} of all do not respond to nine pictures)" if silent else ""
        if of["of_one_class"] is not None:
            has_labels = True
            fact += f"; of a map's nine pictures {of['of_one_class']:.1f} are of one class"
        facts.append(fact)
    text = f"{subject.told_all(num_seen)}, shown to {subject.what}. {'. '.join(facts)}."
    if has_labels:
        chance = of_one_class_by_chance(subject.source.class_counts)
        text += f" Of nine pictures drawn at random {chance:.1f} would be of one class."
    if not has_relus(subject.model):
        text += " The network has no ReLU, so these are its gradients."
    return text


def of_one_class_by_chance(class_counts: Sequence[int]) -> float:
    """Computes how many of nine random pictures are of the class that has most of them."""
    shares = np.asarray(class_counts) / sum(class_counts)
    draws = np.random.default_rng(0).multinomial(WINNERS, shares, CHANCE_DRAWS)
    return float(draws.max(axis=1).mean())


def _check(subject: Subject, layer: Layer, project: Project) -> randomization.Check:
    """Projects the same units again while layers are drawn anew."""
    units = np.linspace(0, len(layer.maps) - 1, min(CHECK_UNITS, len(layer.maps))).astype(int)
    images = windows_of(subject, layer.shown["picture"][units, 0])
    width = next(row for row in subject.rows if row.name == layer.row).output_shape[1]
    places = layer.shown["place"][units, 0] @ (width, 1)
    windows = layer.shown["window"][units, 0]

    def compute():
        down = np.abs(project(images, layer.maps[units], places)[0]).sum(axis=3)
        return {
            "deconvnet": [
                one[top:bottom, left:right]
                for one, (top, left, bottom, right) in zip(down, windows, strict=True)
            ]
        }

    return randomization.check(subject, layer.row, compute)
