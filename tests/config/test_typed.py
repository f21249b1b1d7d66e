"""Settings made in Python: what means the same becomes equal, all else is refused by name."""

import dataclasses
import enum
import pathlib
import types
import typing

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.config import layer_rows as rows
from alexnet_tf.config.fields import value_at
from alexnet_tf.config.layer_rows import Conv, Pool
from alexnet_tf.config.network import NetworkConfig, Normalization, Pooling
from alexnet_tf.config.optimizer import OptimizerConfig, Schedule
from alexnet_tf.config.run import Config, Precision, RunConfig
from alexnet_tf.networks import named_weights
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training import checkpoint, steps
from pipelines import dataset, decode
from pipelines.config import DataConfig, InputConfig
from pipelines.typed import Typed, is_union, typed

CONV = {"name": "conv1", "filters": 4, "kernel": 3}
NEEDED = {
    "Conv": CONV,
    "Local": CONV,
    "Sparse": CONV | {"connections": [[0]] * 4},
    "Dense": {"name": "fc1", "units": 4},
    "Spec": {"what": "step", "config": Config()},
}
"""What a class of settings cannot be made without."""
ROWS = typing.get_args(rows.Layer)
SETTINGS = (Config, NetworkConfig, InputConfig, DataConfig, OptimizerConfig, RunConfig, Spec, *ROWS)
FIELDS = [
    (owner, field.name, kind)
    for owner in SETTINGS
    for field in dataclasses.fields(owner)
    for kind in [typing.get_type_hints(owner)[field.name]]
]


def needed(owner: type) -> dict:
    return NEEDED.get(owner.__name__, {"name": "x1"} if owner in ROWS else {})


def wrong_values(kind) -> list:
    """Values of every sort that this type does not take."""
    if is_union(kind):
        return [x for x in wrong_values(typing.get_args(kind)[0]) if _fits_none(kind, x)]
    if typing.get_origin(kind) is tuple:
        return [None, {"a": 1}, 5, object(), *([x] for x in wrong_values(typing.get_args(kind)[0]))]
    if dataclasses.is_dataclass(kind):
        return [None, {"name": "x"}, "x", object()]
    numbers = [None, "10", "", [1], float("nan"), float("inf"), Pooling.TABLE, tf.constant("x")]
    return {
        bool: [None, "true", 2, 0.5, Pooling.TABLE],
        int: [*numbers, True, np.bool_(True), 1.5, np.float32(2)],
        float: [*numbers, False, np.float32("nan"), 1j],
        str: [None, 3, b"bytes", ["x"], Pooling.TABLE],
    }.get(kind, [None, "", "wrong", 3, 0.5, ["x"], OtherEnum.WRONG, np.str_("wrong")])


def _fits_none(kind, value) -> bool:
    if value is None or isinstance(value, str):
        return not {type(value), types.NoneType} & set(typing.get_args(kind))
    return True


class OtherEnum(enum.StrEnum):
    WRONG = "step"


@pytest.mark.parametrize("owner, field, kind", FIELDS, ids=lambda x: getattr(x, "__name__", x))
def test_every_field_refuses_values_of_other_types_by_its_name(owner, field, kind):
    good = owner(**needed(owner))
    wrong = wrong_values(kind)
    assert wrong
    for value in wrong:
        for make in (lambda x: owner(**needed(owner) | {field: x}), _replaced(good, field)):
            with pytest.raises(ValueError) as caught:
                make(value)
            message = str(caught.value)
            assert f"{field}=" in message and innermost(value) in message, value
            assert "expected" in message and "\n" not in message


def innermost(value) -> str:
    """Returns what a message shows of a value inside lists."""
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    value = value.item() if isinstance(value, np.generic) else value
    return repr(value).strip("'")[:20]


def _replaced(good, field):
    return lambda value: dataclasses.replace(good, **{field: value})


@pytest.mark.parametrize("owner", SETTINGS, ids=lambda x: x.__name__)
def test_every_default_has_its_fields_type_and_survives_a_copy(owner):
    one = owner(**needed(owner))
    assert isinstance(one, Typed)
    assert dataclasses.replace(one) == one
    kinds = typing.get_type_hints(owner)
    for field in [field.name for field in dataclasses.fields(owner)]:
        kind, value = kinds[field], getattr(one, field)
        assert typed(field, kind, value) == value
        if isinstance(kind, type):
            assert isinstance(value, kind) and type(value) is not np.float64


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: OptimizerConfig(schedule="cosin"),
            "optimizer.schedule=cosin: expected one of .*mean cosine?",
        ),
        (lambda: NetworkConfig(normalization="bacth"), "network.normalization=bacth: .*mean batch"),
        (lambda: DataConfig(on_error="skp"), "data.on_error=skp: .*Did you mean skip?"),
        (lambda: InputConfig(resize_rule="wrap"), "network.input.resize_rule=wrap: .*mean warp"),
        (lambda: RunConfig(precision="float61"), "^precision=float61: .*Did you mean float16?"),
        (lambda: RunConfig(steps="10"), "^steps='10': expected a whole number."),
        (lambda: RunConfig(devices="cpu:0"), r"^devices='cpu:0': .* a list, such as \['cpu:0'\]"),
        (lambda: NetworkConfig(input={"size": 3}), r"network.input={'size': 3}: .*InputConfig\("),
        (
            lambda: Conv(**CONV, activation="relux"),
            "network.layers.conv1.activation=relux: .*relu?",
        ),
        (lambda: Pool(name="pool1", size=0), "network.layers.pool1.size=0: expected at least 1."),
        (lambda: Conv(**CONV, pad=(0, -1)), "network.layers.conv1.pad=.*expected at least 0."),
        (lambda: Conv(**CONV, pad=[1]), r"conv1.pad=\[1\]: expected a list of 2."),
        (lambda: Pool(name="pool1", kind="conv"), "pool1.kind=conv: expected pool."),
        (lambda: Pool(name=""), "network.layers.Pool.name='': expected a name"),
        (lambda: rows.Pyramid(name="pool5", levels=()), "pool5.levels=.*expected parts"),
        (lambda: NetworkConfig(layers=()), "network.layers=: expected at least one row"),
        (lambda: NetworkConfig(layers=[Conv(**CONV)] * 2), "conv1,conv1: .*each name once."),
        (lambda: InputConfig(mean=range(3000)), "network.input.mean=.*expected"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_what_one_types(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert len(str(caught.value)) < 300


def test_a_word_becomes_the_member_of_its_enumeration():
    config = OptimizerConfig(schedule=np.str_("cosine"))
    assert config.schedule is Schedule.COSINE
    assert NetworkConfig(normalization="batch").normalization is Normalization.BATCH


def test_what_means_the_same_makes_equal_settings():
    numpy = RunConfig(
        epochs=np.float32(3),
        seed=np.uint32(7),
        deterministic=np.bool_(True),
        run_dir=pathlib.Path("here"),
        devices=["cpu:0"],
    )
    plain = RunConfig(epochs=3.0, seed=7, deterministic=1, run_dir="here", devices=("cpu:0",))
    assert numpy == plain and repr(numpy) == repr(plain)
    one, other = InputConfig(mean=np.arange(3), scale=1), InputConfig(mean=(0.0, 1.0, 2.0))
    assert one == other and repr(one) == repr(other)
    assert isinstance(OptimizerConfig(drop_epochs=[1, 2]).drop_epochs[0], float)
    assert Conv(**CONV, bias=None).bias is None


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: checkpoint.load(".", "lst"), "checkpoint=lst: .*Did you mean last?"),
        (lambda: decode.to_square(tf.zeros([2, 2, 3], tf.uint8), 1, "wrap"), "resize_rule=wrap"),
        (
            lambda: decode.to_square(tf.zeros([2, 2, 3], tf.uint8), 1, "warp", "biliner"),
            "resize_filter=biliner: .*bilinear?",
        ),
        (lambda: dataset.eval_dataset(None, InputConfig(), 1, views="tem"), "views=tem: .*ten?"),
        (lambda: steps.eval_step(None, Config(), None, "centr"), "views=centr: .*center?"),
        (lambda: named_weights.compute_dtype("float61"), "precision=float61: .*float16?"),
        (lambda: alexnet(NetworkConfig(num_classes=2), precision="tf32"), "precision=tf32: "),
    ],
)
def test_functions_refuse_words_that_they_do_not_know(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_member_and_its_word_do_the_same():
    assert (
        named_weights.compute_dtype("tf32")
        == named_weights.compute_dtype(Precision.TF32)
        == "float32"
    )


def test_paths_lead_to_the_names_that_messages_have():
    assert value_at(Config(), ("network", "input")).named("size") == "network.input.size"
    assert Config().run.named("seed") == "seed"
