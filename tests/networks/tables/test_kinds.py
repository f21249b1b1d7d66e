"""Kinds of layers: what the program asks of them, and that a new one needs nothing else."""

import dataclasses
import typing

import keras
import numpy as np
import pytest

import alexnet_tf
from alexnet_tf.config import json_form
from alexnet_tf.config.layer_rows import Activate, Activation, Conv, Dense, Layer, Local, Sparse
from alexnet_tf.config.layer_traits import LayerRow
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks import alexnet
from alexnet_tf.networks.tables import shapes
from alexnet_tf.networks.tables.options import layers_of
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.two_towers import towers_table

KINDS = typing.get_args(Layer)
TRAITS = [
    name for name, kind in typing.get_type_hints(LayerRow).items() if kind == typing.ClassVar[bool]
]


def test_every_kind_is_built_and_resolved():
    kinds = [kind.kind for kind in KINDS]
    assert len(set(kinds)) == len(kinds)
    assert list(alexnet.BUILDERS) == list(shapes._RULES) == kinds


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_traits_are_no_fields_and_no_file_holds_them(kind):
    assert not set(TRAITS) & {field.name for field in dataclasses.fields(kind)}
    assert all(type(getattr(kind, name)) is bool for name in TRAITS)
    fields = {field.name for field in dataclasses.fields(kind)}
    assert {"std", "bias", "activation"} <= fields or not kind.has_kernel


@pytest.mark.parametrize(
    "kind, field, value, text",
    [
        (Local, "grouped", True, "conv9.grouped=True: expected False, .* kind=local has no other"),
        (Sparse, "grouped", True, "conv9.grouped=True: expected False"),
        (Sparse, "stride", 2, "conv9.stride=2: expected 1"),
        (Sparse, "pad", (1, 1), r"conv9.pad=\(1, 1\): expected \(0, 0\)"),
    ],
)
def test_a_value_that_the_layer_would_ignore_is_refused(kind, field, value, text):
    needed = {"connections": ((0,),)} if kind is Sparse else {}
    with pytest.raises(ValueError, match=text):
        kind(name="conv9", filters=1, kernel=3, **{field: value}, **needed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noise(Activate):
    """A kind that this program has never heard of: noise on what goes to a convolution."""

    is_transparent = False
    has_halves = False
    is_norm = True
    kind: str = "noise"


@pytest.fixture
def with_noise(monkeypatch):
    """A network with a row of the new kind, which has a builder and a rule."""

    def build(x, row, config, seed, policy):
        return keras.layers.GaussianNoise(0.1, dtype=policy, name=row.name)(x)

    monkeypatch.setitem(alexnet.BUILDERS, "noise", build)
    monkeypatch.setitem(shapes._RULES, "noise", shapes._same)
    layers = (
        Conv(name="conv1", filters=4, kernel=3, activation=Activation.LINEAR),
        Noise(name="noise1"),
        Activate(name="relu1"),
        Dense(name="fc2", units=0),
    )
    inputs = alexnet_tf.InputConfig(size=8, resize=8)
    return NetworkConfig(layers=layers, num_classes=2, groups=1, input=inputs)


def test_a_new_kind_needs_its_row_its_builder_and_its_rule_alone(with_noise):
    rows = {row.name: row for row in table(with_noise)}
    assert rows["noise1"].output_shape == (6, 6, 4)
    assert rows["conv1"].activation == Activation.LINEAR  # noise lets no activation through
    model = alexnet.alexnet(with_noise)
    assert model(np.zeros((1, 8, 8, 3), np.float32)).shape == (1, 2)
    assert json_form.to_dict(rows["noise1"].layer) == {
        "name": "noise1",
        "activation": "relu",
        "kind": "noise",
    }


def test_options_and_towers_go_by_the_traits_of_a_new_kind(with_noise):
    bare = dataclasses.replace(with_noise, normalization="none")
    assert [layer.name for layer in layers_of(bare)] == ["conv1", "relu1", "fc2"]
    with pytest.raises(ValueError, match="towers=2: .* but noise1 needs both towers"):
        towers_table(with_noise)
