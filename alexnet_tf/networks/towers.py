"""The network on two devices, as in the paper's figure 2: a column of layers on each.

The columns see each other only below an ungrouped layer (conv3, fc6, fc7, fc8). Between two such
crossings a column runs by itself, forward and backward. A device scope around a layer's call leaves
the backward pass on the first device (tf#33688, tf#54460), so each stage defines its own gradient,
which enters the scope again.
"""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks import alexnet
from alexnet_tf.networks.layers.dropout import Dropout
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.networks.tables.two_towers import towers_table

Weights = dict[str, list[keras.Variable]]


class TwoTowers(keras.Model):
    """A network of two groups, each with its variables and its work on a device of its own.

    Call: float32 [N, H, W, C] -> logits float32 [N, K], on the first device.

    Args:
      config: what to build; `num_classes` is known and `groups` is 2.
      devices: the devices of towers a and b, such as "CPU:0" and "CPU:1".
      seed, precision: as in `alexnet.alexnet`, with the same initial weights.

    Raises:
      ValueError: a layer cannot be halved.
    """

    def __init__(
        self,
        config: NetworkConfig,
        devices: Sequence[str],
        seed: int = 0,
        precision: str = "float32",
    ):
        """Builds both columns, with the initial weights of the single-device form."""
        super().__init__(name=config.name, dtype="float32")
        self.devices = tuple(devices)
        stages = towers_table(config)
        self.columns = [
            _column(stages, tower, device, config, seed, precision)
            for tower, device in enumerate(self.devices)
        ]
        self.top = _stage(stages, -1, 0, self.devices[0], config, seed, precision)
        self.built = True
        with tf.device("CPU:0"):
            whole = alexnet.alexnet(config, seed, precision)
        for name, parts in named_parts(self).items():
            layer, _, weight = name.rpartition("/")
            Joined(parts).assign(np.asarray(getattr(whole.get_layer(layer), weight)))

    def call(self, x, training=False):
        """Runs stage by stage; between stages, each tower gets the halves of both."""
        inputs, learns_below = [[x], [x]], False
        for number, pair in enumerate(zip(*self.columns, strict=True)):
            outputs = [
                _run(stage, halves, device, training, learns_below)
                for stage, halves, device in zip(pair, inputs, self.devices, strict=True)
            ]
            learns_below |= any(stage.trainable_variables for stage in pair)
            if number < len(self.columns[0]) - 1:
                copies = map(_copies, outputs, self.devices)
                inputs = [list(halves) for halves in zip(*copies, strict=True)]
        return _run(self.top, outputs, self.devices[0], training, learns_below)

    def compute_output_shape(self, input_shape):
        """Returns (N, K)."""
        return (input_shape[0], self.top.output_shape[-1])


@dataclasses.dataclass(frozen=True)
class Joined:
    """The two halves of a weight, used as one variable."""

    parts: list[keras.Variable] | list[tf.Tensor]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole weight; halves are joined along the last axis."""
        first = tuple(self.parts[0].shape)
        return (*first[:-1], sum(part.shape[-1] for part in self.parts))

    def assign(self, value: np.ndarray) -> None:
        """Sets both halves."""
        for part, half in zip(self.parts, np.split(value, len(self.parts), axis=-1), strict=True):
            part.assign(half)

    def numpy(self) -> np.ndarray:
        """Joins both halves."""
        return np.concatenate([np.asarray(part) for part in self.parts], axis=-1)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Joins both halves, for `np.asarray`."""
        return self.numpy() if dtype is None else self.numpy().astype(dtype)


def layers_of(model: TwoTowers) -> list[keras.layers.Layer]:
    """Lists the layers of both towers by name, a before b."""
    pairs = [*zip(*model.columns, strict=True), [model.top]]
    return [layer for pair in pairs for stage in pair for layer in stage.layers]


def named_parts(model: TwoTowers, is_trained: bool = False) -> Weights:
    """Lists the parts of each weight, of towers a and b, by the name in files: conv1/kernel.

    Args:
      model: the network.
      is_trained: leave out frozen layers.
    """
    parts: Weights = {}
    for layer in layers_of(model):
        for variable in layer.trainable_weights if is_trained else layer.weights:
            parts.setdefault(f"{layer.name}/{variable.name}", []).append(variable)
    return parts


def _column(stages, tower: int, device: str, config, seed: int, precision: str):
    """Builds all stages of one tower but the top."""
    numbers = range(len(stages) - 1)
    return [_stage(stages, n, tower, device, config, seed, precision) for n in numbers]


def _stage(stages, number: int, tower: int, device: str, config, seed: int, precision: str):
    """Builds the layers between two crossings as a model, its variables on the device."""
    rows: list[Row] = stages[number]
    policy = alexnet.policy_of(precision)
    if rows is stages[-1]:
        policy = "float32"  # logits
    with tf.device(device):
        dtype = "float32" if rows is stages[0] else precision  # a picture, or activations
        start = x = keras.Input(rows[0].input_shape, dtype=dtype)
        for row in rows:
            x = alexnet.BUILDERS[row.layer.kind](x, row, config, seed, policy)
        stage = keras.Model(start, x)
    for layer in stage.layers:
        if isinstance(layer, Dropout):
            width = layer.output.shape[-1]
            layer.columns = (tower * width, 2 * width)
    return stage


def _run(stage: keras.Model, halves, device: str, training: bool, learns_below: bool):
    """Runs a stage on the outputs of one or both towers, forward and backward on its device.

    Args:
      stage: the layers.
      halves: their inputs, joined here along the channels.
      device: the tower's device.
      training: whether dropout drops.
      learns_below: whether a layer below the stage trains and needs the gradient of `halves`.
    """
    with tf.device(device):
        weights = [tf.convert_to_tensor(weight) for weight in stage.trainable_variables]
        others = [tf.convert_to_tensor(weight) for weight in stage.non_trainable_variables]
        watched = [*halves, *weights] if learns_below else weights

        def forward(halves, weights):
            x = halves[0] if len(halves) == 1 else tf.concat(halves, axis=-1)
            return stage.stateless_call(weights, others, x, training=training)[0]

        @tf.custom_gradient
        def on_device(*watched):
            first = len(watched) - len(weights)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(watched)
                y = forward(watched[:first] or halves, watched[first:])

            def gradient(dy):
                with tf.device(device):
                    return tape.gradient(y, watched, dy)

            return y, gradient

        return on_device(*watched) if watched else forward(halves, weights)


def _copies(x, device: str):
    """Copies a tensor for each tower; the gradients are added on the device of `x`."""

    @tf.custom_gradient
    def copy(x):
        def gradient(one, other):
            with tf.device(device):
                return one + other

        return (tf.identity(x), tf.identity(x)), gradient

    with tf.device(device):
        return copy(x)
