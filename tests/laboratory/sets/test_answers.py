"""What a network says of a whole set, which several exhibits need."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_run
from set_subjects import subject_of

from alexnet_tf.laboratory.sets import answers as floor
from alexnet_tf.laboratory.sets.answers import answers
from alexnet_tf.networks.tables.resolved import table

BELOW_FC8 = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")


def test_answers_are_what_the_layers_give_and_are_computed_once(seen):
    found = answers(seen, "a test")
    batch = seen.at(range(15))
    assert found.layer == "fc7" and found.index.tolist() == list(range(15))
    np.testing.assert_array_equal(found.label, np.repeat([0, 1, 2], 5))
    whole = seen.preprocessed(batch.image)
    np.testing.assert_allclose(found.features, tiny_run.part_of(seen, "fc7")(whole), atol=1e-6)
    np.testing.assert_allclose(found.logits, seen.model(whole), atol=1e-6)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert answers(seen, "another") is found
    maps = answers(seen, "a test", "conv2").features
    np.testing.assert_allclose(
        maps, tf.reduce_mean(tiny_run.part_of(seen, "conv2")(whole), axis=[1, 2]), atol=1e-6
    )


@pytest.mark.parametrize(
    "changes, num_rows, layer",
    [
        ({"normalization": "batch"}, None, "relu7"),
        ({"normalization": "batch"}, -2, "relu7"),
        ({}, -5, "pool5"),
        ({}, -1, "fc7"),
        ({"without": (*BELOW_FC8, "pool1", "pool2", "pool5")}, None, "fc8"),
    ],
)
def test_the_last_hidden_layer_has_what_follows_it(pictures, changes, num_rows, layer):
    network = dataclasses.replace(tiny.config(pictures, pictures).network, **changes)
    rows = tuple(table(dataclasses.replace(network, num_classes=3)))
    subject = subject_of(pictures, network, num_rows)
    assert floor.last_hidden(subject) == layer, [row.name for row in rows]


def test_activations_of_a_normalized_layer_are_those_after_its_relu(pictures):
    network = dataclasses.replace(tiny.config(pictures, pictures).network, normalization="batch")
    subject = subject_of(pictures, network)
    found = answers(subject, "a test", "fc7")
    assert found.layer == "relu7" == answers(subject, "a test").layer
    assert found.features.min() == 0
