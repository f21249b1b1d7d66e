"""A network of convolutions alone: larger pictures give a map of logits. No TensorFlow.

    wide = dense(config, size=320)             # another NetworkConfig; build it as any other
    weights = dense_weights(config, weights)   # by name, as checkpoints have them

Each place of the map has the logits of the fully connected layers over one window of the last
pooled map. They are the network's logits for a window of pixels only if no layer below pads or
normalizes over places: a window is padded with zeros where a larger picture has pixels.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from alexnet_tf.config.layer_rows import Conv, Dense, Layer
from alexnet_tf.config.network import Activations, Head, NetworkConfig, Normalization, Pooling
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row


def dense(config: NetworkConfig, size: int) -> NetworkConfig:
    """Turns fully connected layers into convolutions.

    Args:
      config: a network that ends in fully connected layers; `num_classes` is known.
      size: side of the pictures that the result takes; at least the network's own.

    Returns:
      a network from [N, size, size, C] to logits [N, h, w, K], with all options applied.

    Raises:
      ValueError: the network has no such form, or the size is below its own.
    """
    if size < config.input.size:
        raise ValueError(f"size={size}: expected network.input.size={config.input.size} or more.")
    rows = table(config)
    fixed = [row.name for row in rows if row.layer.is_of_one_size]
    if fixed:
        raise ValueError(
            f"network.name={config.name}: {fixed[0]} fits one size alone; expected convolutions, "
            "pooling and fully connected layers."
        )
    return dataclasses.replace(
        config,
        layers=tuple(map(_resolved, rows)),
        input=dataclasses.replace(config.input, size=size, resize=max(size, config.input.resize)),
        width=1.0,
        fc_width=0,
        activation=Activations.TABLE,
        normalization=Normalization.TABLE,
        pooling=Pooling.TABLE,
        head=Head.TABLE,
        without=(),
    )


def dense_weights(
    config: NetworkConfig, weights: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Reshapes the weights of a network to those of its dense form; their values stay.

    Args:
      config: the network that the weights belong to.
      weights: arrays by name, such as `fc6/kernel`.
    """
    kernels = {f"{row.name}/kernel": row for row in table(config) if isinstance(row.layer, Dense)}
    return {
        name: array.reshape(*_window(kernels[name]), array.shape[1]) if name in kernels else array
        for name, array in weights.items()
    }


def _resolved(row: Row) -> Layer:
    """Copies a row with all settings applied; a dense one as a convolution."""
    layer = row.layer
    if isinstance(layer, Dense):
        return Conv(
            name=layer.name,
            filters=row.output_shape[0],
            kernel=_window(row)[0],
            std=layer.std,
            bias=layer.bias,
            activation=layer.activation,
        )
    if isinstance(layer, Conv):
        return dataclasses.replace(layer, filters=row.output_shape[2])
    return layer


def _window(row: Row) -> tuple[int, int, int]:
    """Finds height, width and channels of the input of a fully connected layer."""
    return row.input_shape if len(row.input_shape) == 3 else (1, 1, row.input_shape[0])
