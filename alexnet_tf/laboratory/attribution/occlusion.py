"""What a gray square does to a network, place by place."""

import itertools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.laboratory import classes, maps, randomization
from alexnet_tf.laboratory.attribution.occlusion_page import page
from alexnet_tf.laboratory.backward import in_batches
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.settings import Occlusion
from alexnet_tf.laboratory.subject import BATCH_EXAMPLES, Subject

ABOUT = About(
    title="What a gray square hides from the network",
    method=(
        "A square of the network's mean color, which is 0 in its input, slides over the picture. "
        "Each of its places is a cell of the maps: the sum over the layer's strongest map, the one "
        "with the largest sum without the square; the probability of the true class (of the most "
        "likely one, where the truth is not known); and the class that is most likely then. The "
        "paper gives neither size nor step of its square; here they are settings."
    ),
    source="Zeiler and Fergus 2013, section 4.2 and figure 7",
    limits=(
        "A square is an edge and a gray area too, not only something hidden. What is shown twice "
        "in a picture is not missed once. Larger squares give other maps."
    ),
)
MOST_PICTURES = 3
SIDE_PART, STRIDE_PART = 5 / 16, 1 / 32
"""Of the picture's side: 70 and 7 of 224, which are 23 by 23 places."""
STRENGTH = "sum over the map"
CHECK_STRIDES = 2
"""The check's squares take larger steps."""

Watch = Callable[[np.ndarray], tuple[np.ndarray, ...]]
"""From inputs float32 [N, H, W, C] to the sums over a layer's maps, float32 [N, maps], and where
there are classes to their probabilities, float32 [N, K]."""


def show(subject: Subject, settings: Occlusion) -> Exhibit:
    """Draws three maps beside each picture, or the first of them where there are no classes.

    Raises:
      UserError: the square does not fit, or there is no such layer.
    """
    layer = settings.layer or maps.last_convolution(subject)
    row = maps.activated(subject, layer)
    square, stride = sizes(settings, subject.config.network.input.size)
    pictures = subject.some(MOST_PICTURES)
    x = subject.preprocessed(pictures.image).numpy()
    watch = watcher(subject, row.name)
    before = watch(x)
    strongest = before[0].argmax(axis=1)
    asked = classes.true_or_likely(subject, pictures, before[1]) if subject.is_whole else None
    arrays = _seen(watch, x, strongest, asked, square, stride)
    numbers, seen = _told(subject, maps.named(layer, row), before, arrays)
    places = arrays["strength"].shape[1:]
    exhibit = Exhibit(
        name="occlusion",
        about=ABOUT,
        seen=(
            f"{subject.told(pictures)}, shown to {subject.what}. Square of {square} pixels, step "
            f"of {stride}: {places[0]} by {places[1]} places. {seen}"
        ),
        picture=page(subject, pictures, layer, square, arrays),
        numbers={"layer": layer, "row": row.name, "square": square, "stride": stride}
        | {"places": list(places)}
        | numbers
        | {"pictures": list(pictures.name)},
        arrays=arrays,
    )
    if not settings.check:
        return exhibit

    is_small = subject.config.network.input.size - square < CHECK_STRIDES * stride
    steps = stride if is_small else CHECK_STRIDES * stride

    def compared():
        now = _seen(watch, x, strongest, asked, square, steps)
        names = {"strength": STRENGTH, "probability": "probability"}
        return {title: now[name] for name, title in names.items() if name in now}

    top = subject.rows[-1] if subject.is_whole else row
    found = randomization.check(subject, top.name, compared)
    checks = {name: found.of(name) for name in found.correlation}
    names = [one.name for one in subject.rows]
    checks[STRENGTH] = found.of(STRENGTH, names[: names.index(row.name) + 1])
    how = f"of {len(x)} pictures, with steps of {steps} pixels"
    return randomization.added(exhibit, checks, how)


def sizes(settings: Occlusion, size: int) -> tuple[int, int]:
    """Returns the side of the square and its step, in pixels.

    Raises:
      UserError: the square is larger than a picture of `size`.
    """
    square = settings.square or max(1, round(SIDE_PART * size))
    if square > size:
        raise UserError(
            f"square={square}: expected up to {size} pixels, the side of what the network sees. "
            "Make it smaller."
        )
    return square, settings.stride or max(1, round(STRIDE_PART * size))


def watcher(subject: Subject, layer: str) -> Watch:
    """Makes the function that says how strong the maps of a row are, and what the network says."""
    outputs = [subject.model.get_layer(layer).output]
    outputs += [subject.model.output] if subject.is_whole else []
    part = keras.Model(subject.model.inputs, outputs)

    @tf.function(autograph=False)
    def compute(x):
        found, *logits = tf.nest.flatten(part(x, training=False))
        return tf.reduce_sum(found, axis=[1, 2]), *map(tf.nn.softmax, logits)

    return lambda x: in_batches(compute, BATCH_EXAMPLES, x)


def slid(watch: Watch, x: np.ndarray, square: int, stride: int) -> list[np.ndarray]:
    """Slides the square over an input.

    Args:
      watch: what is computed of an input.
      x: float32 [H, W, C].
      square: side of the square, up to H and W.
      stride: pixels from place to place.

    Returns:
      What `watch` gives, each [rows of places, columns of places, ...].
    """
    tops, lefts = (range(0, side - square + 1, stride) for side in x.shape[:2])
    corners, found = list(itertools.product(tops, lefts)), []
    for first in range(0, len(corners), BATCH_EXAMPLES):
        some = corners[first : first + BATCH_EXAMPLES]
        copies = np.repeat(x[None], len(some), axis=0)
        for copy, (top, left) in zip(copies, some, strict=True):
            copy[top : top + square, left : left + square] = 0
        found.append(watch(copies))
    whole = map(np.concatenate, zip(*found, strict=True))
    return [values.reshape(len(tops), len(lefts), -1) for values in whole]


def _seen(watch, x, strongest, asked, square, stride) -> dict[str, np.ndarray]:
    """Collects the maps of all pictures, as the .npz has them."""
    found = [slid(watch, one, square, stride) for one in x]
    sums = [sums[..., number] for (sums, *_), number in zip(found, strongest, strict=True)]
    arrays = {"map": strongest, "strength": np.stack(sums)}
    if asked is None:
        return arrays
    said = np.stack([said for _, said in found])
    return arrays | {
        "class": asked,
        "probability": np.stack([one[..., c] for one, c in zip(said, asked, strict=True)]),
        "most_likely": said.argmax(axis=3),
    }


def _told(subject: Subject, layer: str, before, arrays) -> tuple[dict, str]:
    """Makes the numbers, and a sentence of them."""
    each = np.arange(len(arrays["map"]))
    sums = before[0][each, arrays["map"]]
    least = np.where(sums, arrays["strength"].min(axis=(1, 2)), 1)  # a silent map loses nothing
    falls = 1 - least / np.where(sums, sums, 1)
    numbers = {"map": arrays["map"].tolist(), "largest_loss_of_sum": falls.tolist()}
    text = f"The strongest map of {layer} loses at most {_percents(falls)} of its sum"
    if "class" not in arrays:
        return numbers, f"{text}."
    asked = arrays["class"]
    first, least = before[1][each, asked], arrays["probability"].min(axis=(1, 2))
    others = (arrays["most_likely"] != asked[:, None, None]).mean(axis=(1, 2))
    numbers |= {
        "classes": [subject.classes[number] for number in asked],
        "probability": first.tolist(),
        "least_probability": least.tolist(),
        "share_of_places_of_another_class": others.tolist(),
    }
    return numbers, (
        f"{text}; the class's probability falls from {_percents(first)} to {_percents(least)}, and "
        f"another class is most likely at {_percents(others)} of the places."
    )


def _percents(values: np.ndarray) -> str:
    """Lists shares as percents."""
    return ", ".join(f"{value:.0%}" for value in values)
