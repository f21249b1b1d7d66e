"""Grad-CAM: where the maps of a layer speak for a class."""

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.figures import grids
from alexnet_tf.laboratory import classes, maps, randomization
from alexnet_tf.laboratory.attribution import gradients, heat
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.settings import GradCam
from alexnet_tf.laboratory.subject import Subject

ABOUT = About(
    title="Where the last maps speak for a class (Grad-CAM)",
    method=(
        "The maps of a layer, after its activation, are added, each weighted by the mean of the "
        "gradient of the class's logit over its places; what is negative becomes zero. The map is "
        "stretched over the picture by linear interpolation, and each picture to its own largest "
        "value: blue is nothing, yellow the most."
    ),
    source="Selvaraju et al. 2017, section 3",
    limits=(
        "A place of the map sees more of the picture than it covers, so the colors are no outline. "
        "Nothing says how likely the class is: a class that is not there has a map too."
    ),
)
MOST_PICTURES = 10
COLUMNS = 5


def show(subject: Subject, settings: GradCam) -> Exhibit:
    """Draws the map of a class over each picture.

    Raises:
      UserError: the network has no classes with weights, or none of the name; no such layer, or
        one whose maps have one place.
    """
    subject.need_output("gradcam")
    layer = settings.layer or maps.last_convolution(subject)
    row = maps.activated(subject, layer)
    if not maps.has_several_places(row):
        raise UserError(
            f"layer={layer}: expected maps of several places, got 1 x 1, which color the whole "
            "picture alike. Name a layer below it."
        )
    pictures = subject.some(MOST_PICTURES)
    x = subject.preprocessed(pictures.image).numpy()
    numbers, likely = classes.chosen(subject, x, settings.class_)
    compute = gradients.activation_maps(subject.model, row.name)
    found = compute(x, numbers)
    size = pictures.image.shape[1:3]
    wide = tf.image.resize(found[..., None], size).numpy()[..., 0]
    titles = classes.titles(subject, pictures, numbers, likely)
    cells = [
        grids.Picture(image=heat.over(picture, values), title=title)
        for picture, values, title in zip(pictures.image, wide, titles, strict=True)
    ]
    page = grids.image_grid([cells[n : n + COLUMNS] for n in range(0, len(cells), COLUMNS)])
    asked = f"the class {settings.class_}" if settings.class_ else "the most likely class"
    exhibit = Exhibit(
        name="gradcam",
        about=ABOUT,
        seen=(
            f"{subject.told(pictures)}, shown to {subject.what}; {maps.named(layer, row)}, "
            f"{asked}, which stands below each picture with its probability. {_told(found)}"
        ),
        picture=page,
        numbers={
            "layer": layer,
            "row": row.name,
            "classes": [subject.classes[n] for n in numbers],
            "probability": likely.tolist(),
            "share_of_places_with_half": _share(found),
            "pictures": list(pictures.name),
        },
        arrays={"map": found, "class": numbers},
    )
    if not settings.check:
        return exhibit
    check = randomization.check(
        subject, subject.rows[-1].name, lambda: {"Grad-CAM": compute(x, numbers)}
    )
    return randomization.added(exhibit, {exhibit.name: check}, f"of {len(x)} pictures")


def _told(found: np.ndarray) -> str:
    """Says on how few places the maps lie, and how many of them are empty."""
    share, empty = _share(found), sum(not values.any() for values in found)
    if share is None:
        return "All maps are 0: nothing in them speaks for the class."
    left_out = f" {empty} of the {len(found)} maps are 0 and not counted." if empty else ""
    return f"On average {share:.0%} of the places have half of a map.{left_out}"


def _share(found: np.ndarray) -> float | None:
    """Computes which share of the places has half of a map's sum, on average over maps."""
    shares = []
    for values in found:
        sums = np.cumsum(np.sort(values.ravel())[::-1])
        if sums[-1] > 0:
            shares.append((np.searchsorted(sums, sums[-1] / 2) + 1) / values.size)
    return float(np.mean(shares)) if shares else None
