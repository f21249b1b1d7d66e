"""A network's table of layers with everything resolved, row by row. No TensorFlow.

The builder, the summary and the tests read the same rows.
"""

import dataclasses

from alexnet_tf.config.layer_rows import Conv, Dense
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.tables.options import activation_above, layers_of
from alexnet_tf.networks.tables.shapes import Row, Shape, row_of


def table(config: NetworkConfig) -> list[Row]:
    """Resolves the layers of a network, bottom to top.

    Raises:
      ValueError: the input is too small for a layer, `num_classes` is not known, or the layers do
        not fit each other.
    """
    if not config.num_classes:
        raise ValueError(
            "network.num_classes=0: expected the number of classes by now. Set it, or train with "
            "data that bring it."
        )
    _check_settings_matter(config)
    size, rows, layers = config.input.size, [], layers_of(config)
    shape: Shape = (size, size, config.input.num_channels)
    field, jump = 1, 1
    for place, layer in enumerate(layers):
        if layer.is_spatial and len(shape) < 3:
            raise ValueError(
                f"network.layers: {layer.name} expects a picture, but {rows[-1].name} gives a "
                "vector. Change their order."
            )
        row = row_of(config, layer, shape, field, jump)
        if min(row.output_shape) < 1:
            raise ValueError(
                f"network.input.size={size}: {layer.name} would see {shape[0]} pixels "
                f"a side and give none. Raise the size."
            )
        rows.append(dataclasses.replace(row, activation=activation_above(layers[place:])))
        shape, field, jump = row.output_shape, row.receptive_field, row.jump
    return rows


def _check_settings_matter(config: NetworkConfig) -> None:
    """Refuses settings that would have no effect on this table."""
    convolutions = [layer for layer in config.layers if isinstance(layer, Conv)]
    if config.groups > 1 and not any(layer.grouped for layer in convolutions):
        raise ValueError(
            f"network.groups={config.groups}: no layer of network.name={config.name} is grouped. "
            "Set --network.groups=1, or take a network of two towers, such as paper."
        )
    hidden = [layer for layer in config.layers if isinstance(layer, Dense) and layer.units]
    if config.fc_width and not hidden:
        raise ValueError(
            f"network.fc_width={config.fc_width}: network.name={config.name} has no hidden fully "
            "connected layer. Leave it out."
        )
