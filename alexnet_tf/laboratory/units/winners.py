"""The pictures that each map of a network responds to most, found in one pass over a set."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from alexnet_tf.laboratory.subject import BATCH_EXAMPLES, Pictures, Subject

WINNERS = 9
"""For each map, as in Zeiler and Fergus 2013."""


class Winners(NamedTuple):
    """The strongest pictures of each map of a layer, the strongest first; one place a picture."""

    strength: np.ndarray
    """float32 [9, maps]; the largest activation of the map in the picture."""
    number: np.ndarray
    """int64 [9, maps]; the picture's number in the set, or its place in --images."""
    label: np.ndarray
    """int32 [9, maps]; the picture's class, -1 where it is unknown."""


def winners(subject: Subject, layers: Sequence[str]) -> tuple[dict[str, Winners], int]:
    """Finds the strongest pictures of all maps of some layers, in memory for one batch.

    Args:
      subject: the network and its pictures.
      layers: rows that give maps; the same may be named twice.

    Returns:
      The winners of each row, and how many pictures were seen.

    Raises:
      UserError: there are fewer than nine pictures.
    """
    layers = tuple(dict.fromkeys(layers))
    outputs = [subject.model.get_layer(layer).output for layer in layers]
    part = keras.Model(subject.model.inputs, outputs)

    @tf.function(autograph=False, reduce_retracing=True)
    def strengths(images):
        found = tf.nest.flatten(part(subject.preprocessed(images), training=False))
        return [tf.reduce_max(maps, axis=[1, 2]) for maps in found]

    best, seen = {}, 0
    for batch in _batches(subject):
        seen += len(batch.index)
        for layer, values in zip(layers, strengths(batch.image), strict=True):
            shape = values.shape
            now = Winners(
                values.numpy(),
                np.broadcast_to(batch.index[:, None], shape),
                np.broadcast_to(batch.label[:, None], shape),
            )
            best[layer] = _strongest(best[layer], now) if layer in best else _strongest(now)
    if seen < WINNERS:
        raise UserError(
            f"images={','.join(subject.files)}, data.source={subject.config.data.source!r}: "
            f"expected at least {WINNERS} pictures that can be decoded, for the strongest "
            f"{WINNERS}; got {seen}. Name others."
        )
    return best, seen


def _strongest(*parts: Winners) -> Winners:
    """Keeps the strongest of each map; of equal ones, those that came first."""
    joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    order = np.argsort(-joined[0], axis=0, kind="stable")[:WINNERS]
    return Winners(*(np.take_along_axis(array, order, axis=0) for array in joined))


def _batches(subject: Subject) -> Iterator[Pictures]:
    """Yields the pictures of the set, or those of --images with their places as numbers."""
    if not subject.files:
        yield from subject.batches()
        return
    given = subject.given[0]
    places = np.arange(len(given.index))
    for first in range(0, len(places), BATCH_EXAMPLES):
        some = slice(first, first + BATCH_EXAMPLES)
        yield Pictures(places[some], given.label[some], given.image[some], given.name[some])


def windows_of(subject: Subject, numbers: np.ndarray) -> np.ndarray:
    """Reads pictures by their numbers among the winners, each only once.

    Args:
      subject: the network and its pictures.
      numbers: int64 [N].

    Returns:
      uint8 [N, size, size, 3].
    """
    if subject.files:
        return subject.given[0].image[numbers]
    unique, places = np.unique(numbers, return_inverse=True)
    return subject.at(unique.tolist()).image[places]
