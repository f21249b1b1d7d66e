"""Pictures whose features are nearest to those of others (paper, figure 4)."""

import os

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.figures.grids import RIGHT, WRONG, Picture, image_grid
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.picking import equally_apart
from alexnet_tf.laboratory.sets import neighbors
from alexnet_tf.laboratory.sets.answers import (
    LEAST_PICTURES,
    Answers,
    answers,
    network,
    resized,
)
from alexnet_tf.laboratory.settings import Nearest
from alexnet_tf.laboratory.subject import Pictures, Subject

ABOUT = About(
    title="Nearest pictures",
    method=(
        "The activations of a layer, by default the last hidden one, are taken for all pictures "
        "(of maps their means over places), and for each query the pictures whose activations have "
        "the smallest distance to its own (Euclidean, unless --metric=cosine). Queries are those "
        "of --images, or pictures at equal distances in the set, sorted by class. The number "
        "behind it takes every picture as a query once, against all others, exactly: the share of "
        "its neighbors that are of its class. Beside it, the same by chance, and by the colors of "
        "32 x 32 pixels instead of activations."
    ),
    source="Krizhevsky, Sutskever and Hinton 2012, figure 4 and section 6.1",
    limits=(
        "The paper takes queries from its test set and neighbors from its training set of a "
        "million pictures; here neighbors are of one smaller set, so fewer near ones are there to "
        "be found. Near in activations is not alike for people: a network that confuses two "
        "classes also finds neighbors in the other."
    ),
)
SIDE_PIXELS = 112
"""Of a picture in the sheet."""


def show(subject: Subject, settings: Nearest) -> Exhibit:
    """Draws queries beside their neighbors.

    Raises:
      UserError: there is no such layer, or the set is too small or has one class.
    """
    count, metric = settings.neighbors, settings.metric
    found = answers(subject, "nearest", settings.layer, max(LEAST_PICTURES, count + 1))
    label, features = found.label, found.features
    places, distances = neighbors.nearest(features, features, count, metric, is_same=True)
    own = neighbors.own_class(label, places)
    share = _shares(found, own, count)
    queries, near, lengths = _queries(subject, found, settings, places, distances)
    return Exhibit(
        name="nearest",
        about=ABOUT,
        seen=_seen(subject, found, settings, len(near), share),
        picture=_sheet(subject, found, queries, near, lengths),
        numbers={
            "layer": found.layer,
            "metric": str(metric),
            "neighbors": count,
            "pictures": len(label),
            "share": share,
            "share_by_class": {
                subject.source.classes[each]: float(own[label == each].mean())
                for each in np.unique(label)
            },
            "queries": [
                {
                    "name": name,
                    "neighbors": [subject.source.name(int(x)) for x in found.index[row]],
                    "distances": length.tolist(),
                }
                for name, row, length in zip(queries.name, near, lengths, strict=True)
            ],
        },
        arrays={"index": found.index, "label": label, "neighbors": found.index[places]},
    )


def _shares(found: Answers, own: np.ndarray, count: int) -> dict[str, float]:
    """Computes which share of neighbors is of their query's class, and what to compare it with."""
    label, pixels = found.label, found.thumbnails.reshape(len(found.label), -1)
    by_pixels, _ = neighbors.nearest(pixels, pixels, count, is_same=True)
    return {
        "by_layer": float(own.mean()),
        "by_pixels": float(neighbors.own_class(label, by_pixels).mean()),
        "by_chance": float(neighbors.by_chance(label).mean()),
    }


def _queries(
    subject: Subject,
    found: Answers,
    settings: Nearest,
    places: np.ndarray,
    distances: np.ndarray,
) -> tuple[Pictures, np.ndarray, np.ndarray]:
    """Picks queries: those of --images, or of the set; with their neighbors and distances."""
    if subject.files:
        queries = subject.some(len(subject.files))
        features = network(subject, found.layer)(tf.constant(queries.image))["features"].numpy()
        count, most = settings.neighbors, settings.neighbors + 1
        while True:  # until enough are left besides the query's own file, under whatever names
            near, lengths = neighbors.nearest(features, found.features, most, settings.metric)
            kept = [_others(subject, found, *pair) for pair in zip(queries.name, near, strict=True)]
            if min(map(len, kept)) >= count:
                break
            if most == len(found.label):
                raise UserError(
                    f"neighbors={count}: expected as many pictures besides the query, but the set "
                    f"has {min(map(len, kept))}, the rest are its own file. Ask for fewer."
                )
            most = min(2 * most, len(found.label))
        rows = np.arange(len(near))[:, None], np.array([places[:count] for places in kept])
        return queries, near[rows], lengths[rows]
    order = np.argsort(found.label, kind="stable")
    own = order[equally_apart(len(order), settings.queries)]
    return subject.at(found.index[own].tolist()), places[own], distances[own]


def _others(subject: Subject, found: Answers, path: str, near: np.ndarray) -> list[int]:
    """Lists the places of neighbors that are not the query's own file."""
    names = [subject.source.name(int(index)) for index in found.index[near]]
    own = os.path.realpath(path)
    return [place for place, name in enumerate(names) if os.path.realpath(name) != own]


def _sheet(
    subject: Subject, found: Answers, queries: Pictures, near: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Draws each query in front of its neighbors, with what is known of their classes."""
    names, words = subject.source.classes, []
    rows = [[Picture(image=image)] for image in resized(queries.image, SIDE_PIXELS).numpy()]
    for i, row in enumerate(rows):
        images = subject.at(found.index[near[i]].tolist()).image
        classes, own = found.label[near[i]], queries.label[i]
        for image, each, length in zip(
            resized(images, SIDE_PIXELS).numpy(), classes, lengths[i], strict=True
        ):
            frame = "" if own < 0 else RIGHT if each == own else WRONG
            row.append(
                Picture(image=image, title=f"{names[each]}\n{round(length, 4):#.3g}", frame=frame)
            )
        if own < 0:
            words.append(queries.name[i].rpartition("/")[2])
        else:
            words.append(f"{names[own]}\n{(classes == own).sum()} of {len(classes)}")
    return image_grid(rows, words)


def _seen(
    subject: Subject, found: Answers, settings: Nearest, num_queries: int, share: dict[str, float]
) -> str:
    """Says what the sheet shows, and the number behind it."""
    if subject.files:
        num_unread = len(subject.given[1])
        frames = f"{num_unread} of --images left out that cannot be read. " if num_unread else ""
    else:
        frames = "Blue frames: of the query's class; orange: of another. "
    layer, pixels, chance = (100 * x for x in share.values())
    return (
        f"In the first column {num_queries} quer{'y' if num_queries == 1 else 'ies'}, beside each "
        f"its {settings.neighbors} nearest of {subject.told_set(len(found.label))}, by "
        f"{found.layer} of {subject.what}, with distances ({settings.metric}). {frames}Over all "
        f"pictures as queries {layer:.1f} % of the neighbors are of the query's class; "
        f"by pixels {pixels:.1f} %, by chance {chance:.1f} %."
    )
