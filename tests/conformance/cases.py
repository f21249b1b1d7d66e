"""The table of conformance: a line for every layer, every network, and what has to hold for each.

Each test of this folder is one property, run over the lines; its ids are the names, so that
`pytest --collect-only -q tests/conformance` shows which property is tested of what.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow import small

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.layers import lenet
from alexnet_tf.networks.layers.batch_norm import BatchNorm
from alexnet_tf.networks.layers.convolution import Convolution
from alexnet_tf.networks.layers.dense import Dense
from alexnet_tf.networks.layers.dropout import Dropout, DropPosition, drop_position
from alexnet_tf.networks.layers.initializers import NamedNormal, NamedUniform
from alexnet_tf.networks.layers.locally_connected import LocallyConnected
from alexnet_tf.networks.layers.pooling import Pooling
from alexnet_tf.networks.layers.response_norm import LocalResponseNorm
from alexnet_tf.networks.layers.spatial_norm import SpatialResponseNorm
from alexnet_tf.networks.layers.spatial_pyramid import SpatialPyramid
from alexnet_tf.networks.towers import TwoTowers
from alexnet_tf.training.optimizer import PaperSGD

ROWS = 4
"""Of the batch that every line is tested with; two replicas share it."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A line of the table."""

    make: Callable[[str], keras.Model]
    """From a precision (float32, bfloat16, float16) to a model."""
    input_shape: tuple[int, ...]
    """Of one example."""
    num_variables: int
    """Of the model, and of its optimizer where it has one."""
    lacks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The properties that cannot hold, each with the reason."""

    def input(self) -> np.ndarray:
        """Draws a batch, the same each time."""
        draw = np.random.default_rng(0)
        return draw.normal(size=(ROWS, *self.input_shape)).astype(np.float32)


def _layer(shape, variables: int, kind, *arguments, **named) -> Case:
    """Makes a model of one layer from its class and arguments."""

    def make(precision: str) -> keras.Model:
        keras.utils.set_random_seed(0)
        policy = precision if precision == "float32" else f"mixed_{precision}"
        layer = kind(*arguments, **named, dtype=policy, name="layer")
        start = keras.Input(shape, dtype="float32")
        return keras.Model(start, layer(start))

    return Case(make, shape, variables)


def _drawn_by(initializer) -> Case:
    """Makes a dense layer whose kernel an initializer draws."""
    return _layer((5,), 2, keras.layers.Dense, 3, kernel_initializer=initializer)


def _trained_by(optimizer: Callable[[], keras.optimizers.Optimizer], variables: int) -> Case:
    """Makes a dense layer, and an optimizer with its variables."""
    dense = _layer((5,), variables, keras.layers.Dense, 3)

    def make(precision: str) -> keras.Model:
        model = dense.make(precision)
        model.compile(optimizer(), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    return dataclasses.replace(dense, make=make)


def _config(name: str) -> NetworkConfig:
    """The network with weights that keep activations near 1, where precisions can be compared."""
    return dataclasses.replace(small(name), init="he")


def _network(name: str, variables: int) -> Case:
    config = _config(name)
    side, channels = config.input.size, config.input.num_channels
    return Case(functools.partial(_build, config), (side, side, channels), variables)


def _build(config, precision: str) -> keras.Model:
    return alexnet(config, precision=precision)


def _towers(precision: str) -> keras.Model:
    return TwoTowers(_config("paper"), ("CPU:0", "CPU:1"), precision=precision)


_GROUPS = {"stride": 2, "padding": ((1, 0), (2, 1)), "groups": 2, "activation": "relu"}
_LOCAL = {"stride": 2, "padding": ((1, 1), (0, 1)), "activation": "relu"}
_PAIRS = ((0, 1), (2,), (0, 1, 2))
_TANH = lenet.scaled_tanh

LAYERS: dict[str, Case] = {  # input, number of variables, class, arguments
    "Convolution": _layer((7, 6, 4), 2, Convolution, 6, 3, **_GROUPS),
    "Dense": _layer((1024,), 2, Dense, 1024),
    "LocalResponseNorm": _layer((4, 5, 8), 0, LocalResponseNorm, alpha=0.1, groups=2),
    "Pooling": _layer((9, 7, 3), 0, Pooling, 3, 2),
    "Pooling-over-the-edge": _layer((8, 7, 3), 0, Pooling, 3, 2, round_up=True),
    "Pooling-mean": _layer((8, 7, 3), 0, Pooling, 3, 2, is_mean=True, round_up=True),
    "BatchNorm": _layer((4, 5, 3), 4, BatchNorm),
    "SpatialResponseNorm": _layer((5, 6, 3), 0, SpatialResponseNorm, 3, alpha=0.1),
    "LocallyConnected": _layer((7, 6, 3), 2, LocallyConnected, 4, 3, **_LOCAL),
    "SpatialPyramid": _layer((7, 5, 3), 0, SpatialPyramid, (3, 1)),
    "DigitDistance": _layer((84,), 0, lenet.DigitDistance),
    "SparseConvolution": _layer((6, 5, 3), 2, lenet.SparseConvolution, 3, _PAIRS, activation=_TANH),
    "Subsampling": _layer((6, 4, 3), 2, lenet.Subsampling, activation=_TANH),
    "Dropout": _layer((4, 6), 1, Dropout, 0.25, seed=1),
    "Dropout-inverted": _layer((4, 6), 1, Dropout, 0.25, "inverted", seed=1),
    "NamedNormal": _drawn_by(NamedNormal(0.1, seed=1, layer_name="fc8")),
    "NamedUniform": _drawn_by(NamedUniform(0.1, seed=1, layer_name="fc8")),
    "PaperSGD": _trained_by(functools.partial(PaperSGD, bias_rate=2.0), 7),
}
"""Every class of `registration.CLASSES`, by its name and perhaps the form that it takes."""

NETWORKS: dict[str, Case] = {
    name: _network(name, variables)
    for name, variables in {
        # Kernel and bias of each layer, and the generator of each dropout; of batch norm four
        # instead of a bias.
        "paper": 18,
        "run2012": 18,
        "one_gpu_half": 18,
        "no_lrn": 18,
        "pool22": 18,
        "conv6": 20,
        "caffe": 18,
        "caffenet": 18,
        "torchvision": 18,
        "owt2014": 18,
        "slim2048": 18,
        "batchnorm": 39,
        "zfnet": 18,
        "zfnet_wide": 18,
        "small": 18,
        "cifar_18pct": 8,
        "cifar_13pct": 10,
        "cifar_11pct": 10,
        "cifar_11pct_final": 10,
        "figure1": 8,
        "lenet5": 12,
        "lenet5_modern": 10,
    }.items()
}
"""Every network of the family."""

_STORED = "two towers are stored by their weights, in the form that one device has"
NETWORKS["paper-two-towers"] = Case(
    _towers,
    NETWORKS["paper"].input_shape,
    34,
    {
        "round_trip": _STORED,
        "saved_model": _STORED,
        "two_replicas": "two towers on two devices make one replica",
        "xla": "XLA compiles for one device",
    },
)

CASES = LAYERS | NETWORKS


def names(lines: Iterable[str] = CASES, is_slow: bool = False) -> list:
    """Lists the lines as parameters of a test; `is_slow` marks the networks among them."""
    return [
        pytest.param(name, id=name, marks=[pytest.mark.slow] * (is_slow and name in NETWORKS))
        for name in lines
    ]


def case_with(name: str, which: str) -> Case:
    """Looks up a line; skips the test where the property cannot hold."""
    case = CASES[name]
    if which in case.lacks:
        pytest.skip(f"{name}: {case.lacks[which]}")
    return case


@functools.cache
def model_of(name: str) -> keras.Model:
    """Makes the model of a line, shared by the tests of a process: none of them trains it."""
    return CASES[name].make("float32")


def step_with(model: keras.Model, x, first_row=0) -> dict[str, tf.Tensor]:
    """Runs a model forward and backward in training, on its rows of the batch of ROWS.

    Returns:
      "output", and the gradient of a weighted sum of it by "input" and by each weight's path.
    """
    x = tf.convert_to_tensor(x)
    with drop_position(DropPosition(0, 1, first_row, ROWS)), tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x, training=True)
        draw = np.random.default_rng(1)
        weights = tf.constant(draw.normal(size=(ROWS, *y.shape[1:])), tf.float32)
        weights = tf.gather(weights, first_row + tf.range(tf.shape(x)[0]))
        total = tf.reduce_sum(tf.cast(y, tf.float32) * weights)
    variables = model.trainable_variables
    gradients = tape.gradient(total, [x, *variables])
    paths = ["input", *(variable.path for variable in variables)]
    return {"output": y} | dict(zip(paths, gradients, strict=True))


def assert_near(found: Mapping, expected: Mapping, part: float) -> None:
    """Compares arrays by name, up to a part of the largest value of each."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        got, values = (np.asarray(x, np.float32) for x in (found[name], values))
        atol = part * np.abs(values).max()
        np.testing.assert_allclose(got, values, atol=atol, rtol=0, err_msg=name)


def assert_same_step(name: str, found: Mapping, expected: Mapping, part: float) -> None:
    """Compares what `step_with` gave; the gradients of a network by their direction alone.

    Of two values that are equal but for rounding a maximum may take either, and sends its gradient
    there.
    """
    values = [key for key in expected if key == "output" or key.startswith("after/")]
    exact = expected if name in LAYERS else values
    assert_near({key: found[key] for key in exact}, {key: expected[key] for key in exact}, part)
    assert found.keys() == expected.keys()
    for key in expected.keys() - set(exact):
        one, other = (np.asarray(x, np.float64).ravel() for x in (found[key], expected[key]))
        assert one @ other > 0.99 * np.linalg.norm(one) * np.linalg.norm(other) > 0, key
