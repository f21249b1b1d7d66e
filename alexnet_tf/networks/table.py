"""What a network's table of layers amounts to: shapes, parameters, multiply-adds. No TensorFlow.

The builder, the summary and the tests read the same rows.
"""

import dataclasses
import math

from alexnet_tf.network_config import Conv, Layer, NetworkConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One layer of a network with everything resolved.

    Attributes:
      layer: the row of `NetworkConfig.layers` that this is about.
      input_shape, output_shape: without the batch; (H, W, C), or (units,).
      kernel_shape: (k, k, C / groups, filters) or (inputs, units); empty without weights.
      groups: 2 where the two towers do not see each other.
      parameters: kernel and bias together.
      multiply_adds: for one picture.
      neurons: outputs of convolutions and dense layers (paper, figure 2).
    """

    layer: Layer
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...] = ()
    groups: int = 1

    @property
    def name(self) -> str:
        """The paper's name of the layer."""
        return self.layer.name

    @property
    def fan_in(self) -> int:
        """Inputs of one neuron."""
        return math.prod(self.kernel_shape[:-1])

    @property
    def parameters(self) -> int:
        """Weights and biases; both towers' together."""
        return math.prod(self.kernel_shape) + self.kernel_shape[-1] if self.kernel_shape else 0

    @property
    def multiply_adds(self) -> int:
        """Multiplications, each with its addition, for one picture."""
        return self.fan_in * math.prod(self.output_shape) if self.kernel_shape else 0

    @property
    def neurons(self) -> int:
        """Outputs of a layer with weights."""
        return math.prod(self.output_shape) if self.kernel_shape else 0


def table(config: NetworkConfig) -> list[Row]:
    """Resolves the layers of a network, bottom to top.

    Raises:
      ValueError: the input is too small for a layer, `num_classes` is not known, or a group of
        channels cannot be shared.
    """
    if not config.num_classes:
        raise ValueError(
            "network.num_classes=0: expected the number of classes by now. Set it, or train with "
            "data that bring it."
        )
    rows = []
    shape = (config.input.size, config.input.size, 3)
    for layer in config.layers:
        row = _row(config, layer, shape)
        if min(row.output_shape) < 1:
            raise ValueError(
                f"network.input.size={config.input.size}: {layer.name} would see {shape[0]} pixels "
                f"a side and give none. Raise the size."
            )
        rows.append(row)
        shape = row.output_shape
    return rows


def _row(config: NetworkConfig, layer: Layer, shape: tuple[int, ...]) -> Row:
    """One layer on top of an activation of a shape."""
    if layer.kind == "conv":
        groups = config.groups if layer.grouped else 1
        if shape[2] % groups:
            raise ValueError(
                f"network.groups={groups}: {layer.name} cannot share {shape[2]} channels. "
                "Change network.width or network.groups."
            )
        filters = config.filters(layer)
        return Row(
            layer=layer,
            input_shape=shape,
            output_shape=(*(_conv_side(layer, side) for side in shape[:2]), filters),
            kernel_shape=(layer.kernel, layer.kernel, shape[2] // groups, filters),
            groups=groups,
        )
    if layer.kind == "pool":
        sides = ((side - layer.size) // layer.stride + 1 for side in shape[:2])
        return Row(layer=layer, input_shape=shape, output_shape=(*sides, shape[2]))
    if layer.kind == "dense":
        inputs, units = math.prod(shape), config.units(layer)
        return Row(
            layer=layer, input_shape=shape, output_shape=(units,), kernel_shape=(inputs, units)
        )
    groups = 1 if config.lrn_across_towers else config.groups
    return Row(layer=layer, input_shape=shape, output_shape=shape, groups=groups)


def _conv_side(layer: Conv, side: int) -> int:
    return (side + sum(layer.pad) - layer.kernel) // layer.stride + 1
