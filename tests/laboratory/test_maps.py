"""The part of a picture that a unit sees equals the support of its gradient."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.config.layer_rows import Conv, Dense, Pool, SpatialNorm
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory import maps
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.tables.resolved import table
from pipelines.config import InputConfig

# Windows that hang over, zeros on one side and on both, steps that leave pixels out. Means instead
# of maxima, and positive weights: every input that a unit sees has a gradient.
CONFIG = NetworkConfig(
    name="uneven",
    layers=(
        Conv(name="conv1", filters=2, kernel=5, stride=3, pad=(0, 2)),
        Pool(name="pool1", is_mean=True, round_up=True),
        SpatialNorm(name="rnorm1", size=3),
        Conv(name="conv2", filters=2, kernel=3, pad=(1, 1)),
        Pool(name="pool2", size=2, is_mean=True, round_up=True),
        Conv(name="conv3", filters=2, kernel=2, pad=(1, 0)),
        Dense(name="fc4", units=0),
    ),
    groups=1,
    num_classes=2,
    input=InputConfig(size=60, resize=60),
)


def subject(config) -> Subject:
    """What `maps` reads of a Subject."""
    return Subject(
        what="runs/some",
        model=types.SimpleNamespace(layers=[]),
        config=config,
        classes=(),
        rows=tuple(table(config)),
        opened=lambda: (None, "val"),
    )


@pytest.mark.parametrize("layer", ["conv1", "pool1", "rnorm1", "conv2", "pool2", "conv3"])
def test_a_unit_sees_what_its_gradient_reaches(layer):
    model, rows = alexnet(CONFIG), table(CONFIG)
    for weight in model.weights:
        weight.assign(np.abs(weight.numpy()) + 0.1)
    x = tf.constant(np.random.default_rng(0).uniform(1, 2, (1, 60, 60, 3)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x
        for part in model.layers[1:]:
            y = part(y)
            if part.name == layer:
                break
        height, width = y.shape[1:3]
        places = [
            (0, 0),
            (height - 1, width - 1),
            (height // 2, 0),
            (1, width // 2),
            (height - 2, 1),
        ]
        units = [y[0, row, column, 0] for row, column in places]
    for place, unit in zip(places, units, strict=True):
        reached = np.argwhere(np.abs(tape.gradient(unit, x).numpy()[0]).sum(axis=2) > 0)
        expected = (*reached.min(axis=0), *(reached.max(axis=0) + 1))
        assert maps.window(rows, layer, place) == expected, place


@pytest.mark.parametrize("name", ["paper", "torchvision", "zfnet", "owt2014", "cifar_11pct"])
def test_uncut_a_unit_sees_the_receptive_field_at_steps_of_the_jump(name):
    rows = table(network(name).with_num_classes(10))
    for row in rows:
        if len(row.output_shape) == 3:
            top, left, bottom, right = maps.window(rows, row.name, (2, 3), is_cut=False)
            next_top, *_ = maps.window(rows, row.name, (3, 3), is_cut=False)
            assert (bottom - top, right - left) == (row.receptive_field,) * 2, row.name
            assert next_top - top == row.jump, row.name


def test_the_maps_of_a_layer_are_those_after_its_activation():
    paper = network("paper").with_num_classes(10)
    assert maps.activated(subject(paper), "conv2").name == "conv2"
    assert maps.activated(subject(paper), "pool2").name == "pool2"
    normed = subject(dataclasses.replace(paper, normalization="batch"))
    assert maps.activated(normed, "conv2").name == "relu2"
    assert maps.activated(normed, "norm2").name == "norm2"
    apart = subject(network("owt2014").with_num_classes(10))
    assert maps.activated(apart, "conv1").name == "relu1"  # above the pooling
    assert maps.convolutions(apart) == [f"conv{n}" for n in range(1, 6)]


def test_a_layer_without_places_has_no_maps():
    with pytest.raises(UserError, match="layer=fc6: expected a layer of maps"):
        maps.activated(subject(network("paper").with_num_classes(10)), "fc6")
