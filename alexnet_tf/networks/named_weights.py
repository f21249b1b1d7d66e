"""The weights of a network, on one device or two, by the names that files use."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from alexnet_tf.config.run import Precision
from alexnet_tf.networks.towers import Joined, TwoTowers, layers_of, named_parts
from pipelines.typed import choice

Weight = keras.Variable | Joined
"""One weight as files know it."""


def compute_dtype(precision: Precision) -> str:
    """Returns the dtype of the arithmetic; tf32 is a mode of the device, not a dtype."""
    precision = choice("precision", Precision, precision)
    return "float32" if precision == Precision.TF32 else str(precision)


def freeze(model: keras.Model, names: Iterable[str]) -> None:
    """Makes layers untrainable; call it before the optimizer is built."""
    for layer in _layers(model):
        if layer.name in names:
            layer.trainable = False


def _layers(model: keras.Model) -> list[keras.Layer]:
    return layers_of(model) if isinstance(model, TwoTowers) else model.layers


def statistics(model: keras.Model) -> list[keras.Variable]:
    """Lists what layers that train keep of batches, such as moving means: without a gradient."""
    layers = [layer for layer in _layers(model) if layer.trainable]
    return [x for layer in layers for x in layer.weights if not x.trainable]


def named_weights(model: keras.Model, is_trained: bool = False) -> dict[str, Weight]:
    """Lists the weights of a network by the names that files use: `conv1/kernel`, ...

    Args:
      model: the network.
      is_trained: leave out what no gradient changes: `norm1/moving_mean`, and frozen layers.
    """
    if isinstance(model, TwoTowers):
        return {name: Joined(parts) for name, parts in named_parts(model, is_trained).items()}
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in (layer.trainable_weights if is_trained else layer.weights)
    }


def assign_some(variables: dict[str, Weight], arrays: Mapping[str, np.ndarray]) -> None:
    """Sets the variables that there are arrays for; the others stay as they are.

    Raises:
      KeyError: a name is not among the variables.
      ValueError: a shape does not match.
    """
    assign({name: variables[name] for name in arrays}, arrays)


def assign(variables: dict[str, Weight], arrays: Mapping[str, np.ndarray]) -> None:
    """Sets variables from arrays of the same names and shapes, all of them or none.

    Raises:
      ValueError: a name or a shape does not match.
    """
    missing, unknown = variables.keys() - arrays.keys(), arrays.keys() - variables.keys()
    if missing or unknown:
        raise ValueError(
            f"weights do not fit: missing {sorted(missing)}, unknown {sorted(unknown)}. "
            "Expected those of the same network."
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise ValueError(
                f"weights do not fit: {name} has shape {arrays[name].shape}, expected "
                f"{tuple(variable.shape)}. Expected those of the same network."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
