"""Layers that are compared by what they make of pictures, and what they make of them."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.layer_rows import Drop
from alexnet_tf.laboratory import maps
from alexnet_tf.laboratory.backward import in_batches
from alexnet_tf.laboratory.subject import BATCH_EXAMPLES, Subject

Features = Callable[[np.ndarray], tuple[np.ndarray, ...]]
"""From preprocessed pictures, float32 [N, H, W, C], to what each layer makes of them, float32
[N, D], and last, where there are classes, their probabilities, float32 [N, K]."""


def first_and_last(subject: Subject) -> tuple[str, ...]:
    """Names the first and the last hidden layer with weights: layers 1 and 7 of the paper's."""
    names = _hidden(subject)
    return tuple(dict.fromkeys((names[0], names[-1])))


def last_of_maps_and_vectors(subject: Subject) -> tuple[str, ...]:
    """Names the last layer of maps and the last hidden one: pool5 and fc7, layers 5 and 7."""
    rows = [row for row in subject.rows if not isinstance(row.layer, Drop)]
    with_places = [row.name for row in rows if len(row.output_shape) == 3]
    without = [name for name in _hidden(subject) if len(subject.row(name).output_shape) == 1]
    return (*with_places[-1:], *without[-1:])


def _hidden(subject: Subject) -> list[str]:
    """Names the layers with weights below the output layer; that one where there is no other."""
    names = [row.name for row in subject.rows if row.layer.has_kernel]
    return names[:-1] if subject.is_whole and len(names) > 1 else names


def features(subject: Subject, layers: Sequence[str]) -> Features:
    """Makes the function that computes what layers make of preprocessed pictures.

    All batches have one size, so that equal pictures give equal bits.

    Args:
      subject: the network.
      layers: names of layers; their activation functions are part of them.

    Raises:
      UserError: there is no such layer, or it has no weights.
    """
    rows = [maps.activated(subject, layer, has_places=False).name for layer in layers]
    outputs = [subject.model.get_layer(row).output for row in rows]
    if subject.is_whole:
        outputs.append(keras.ops.softmax(subject.model.output))
    part = keras.Model(subject.model.input, outputs)

    @tf.function(autograph=False)
    def compute(x):
        found = tf.nest.flatten(part(x, training=False))
        return [tf.reshape(one, [BATCH_EXAMPLES, -1]) for one in found]

    return lambda x: in_batches(compute, BATCH_EXAMPLES, x)
