"""What a network's table of layers amounts to: shapes, parameters, multiply-adds. No TensorFlow.

The builder, the summary and the tests read the same rows.
"""

import dataclasses
import math

from alexnet_tf.config.layer_rows import Activation, Layer
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.tables.options import activation_above, layers_of

Shape = tuple[int, ...]

NUM_DIGITS, DIGIT_PIXELS = 10, 84
"""Codes of LeNet-5's output layer, and values of each (7 by 12)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One layer of a network with everything resolved.

    Attributes:
      layer: the row of the table of layers that this is about.
      input_shape, output_shape: without the batch; (H, W, C), or (units,).
      weights: shape of each trainable weight by its name, kernel first.
      statistics: the same of what no gradient moves, such as moving_mean.
      groups: 2 where the two towers do not see each other.
      fan_in: inputs of one neuron; 0 for a layer without a kernel.
      receptive_field: side of the square of the input that one output sees, in pixels; of a layer
        that sees all, the side of the input.
      jump: pixels of the input between two neighboring outputs.
      activation: what the outputs go through before the next layer with a kernel, at once or after
        normalization, pooling and dropout.
    """

    layer: Layer
    input_shape: Shape
    output_shape: Shape
    weights: dict[str, Shape] = dataclasses.field(default_factory=dict)
    statistics: dict[str, Shape] = dataclasses.field(default_factory=dict)
    groups: int = 1
    fan_in: int = 0
    receptive_field: int
    jump: int
    activation: Activation = Activation.LINEAR

    @property
    def name(self) -> str:
        """The paper's name of the layer."""
        return self.layer.name

    @property
    def kernel_shape(self) -> Shape:
        """(k, k, C / groups, filters) or (inputs, units); empty without a kernel."""
        return self.weights.get("kernel", ())

    @property
    def arrays(self) -> dict[str, Shape]:
        """All that files store of the layer: weights and statistics."""
        return self.weights | self.statistics

    @property
    def parameters(self) -> int:
        """All trainable weights; both towers' together."""
        return sum(map(math.prod, self.weights.values()))

    @property
    def multiply_adds(self) -> int:
        """Multiplications, each with its addition, for one picture."""
        if self.layer.kind == "sparse":
            return self.kernel_shape[0] * self.kernel_shape[1] * math.prod(self.output_shape[:2])
        return self.fan_in * math.prod(self.output_shape)

    @property
    def neurons(self) -> int:
        """Outputs of a layer with a kernel."""
        return math.prod(self.output_shape) if self.fan_in else 0


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
        if layer.kind in SPATIAL and len(shape) < 3:
            raise ValueError(
                f"network.layers: {layer.name} expects a picture, but {rows[-1].name} gives a "
                "vector. Change their order."
            )
        row = _RULES[layer.kind](config, layer, shape, field, jump)
        if min(row.output_shape) < 1:
            raise ValueError(
                f"network.input.size={size}: {layer.name} would see {shape[0]} pixels "
                f"a side and give none. Raise the size."
            )
        rows.append(dataclasses.replace(row, activation=activation_above(layers[place:])))
        shape, field, jump = row.output_shape, row.receptive_field, row.jump
    return rows


def row_of(config: NetworkConfig, layer: Layer, input_shape: Shape) -> Row:
    """Resolves one layer as if it were the first, over an input of any shape."""
    return _RULES[layer.kind](config, layer, input_shape, 1, 1)


def windows(side: int, size: int, stride: int, round_up: bool = False) -> int:
    """How many windows of a size and a step fit into a side; `round_up` counts one that hangs over.

    A window that would start beyond the side does not count (as in Caffe and PyTorch).
    """
    if not round_up:
        return (side - size) // stride + 1
    count = -(-(side - size) // stride) + 1
    return count - 1 if (count - 1) * stride >= side else count


def _check_settings_matter(config: NetworkConfig) -> None:
    """Refuses settings that this table would pass over in silence."""
    convolutions = [layer for layer in config.layers if layer.kind == "conv"]
    if config.groups > 1 and not any(layer.grouped for layer in convolutions):
        raise ValueError(
            f"network.groups={config.groups}: no layer of network.name={config.name} is grouped. "
            "Set --network.groups=1, or take a network of two towers, such as paper."
        )
    hidden = [layer for layer in config.layers if layer.kind == "dense" and layer.units]
    if config.fc_width and not hidden:
        raise ValueError(
            f"network.fc_width={config.fc_width}: network.name={config.name} has no hidden fully "
            "connected layer. Leave it out."
        )


def _conv(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    """Also of kernels that are not shared, or that see some channels each."""
    groups = config.groups if layer.grouped else 1
    if shape[2] % groups:
        raise ValueError(
            f"network.groups={groups}: {layer.name} cannot share {shape[2]} channels. "
            "Change network.width or network.groups."
        )
    filters, side = config.filters(layer), layer.kernel
    sides = tuple(windows(x + sum(layer.pad), side, layer.stride) for x in shape[:2])
    inputs = side * side * shape[2] // groups
    kernel: Shape = (side, side, shape[2] // groups, filters)
    if layer.kind == "local":
        kernel = (*sides, inputs, filters)
    elif layer.kind == "sparse":
        filters = _checked_connections(config, layer, shape[2])
        kernel = (side * side, sum(map(len, layer.connections)))
    bias = (*sides, filters) if layer.kind == "local" else (filters,)
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(*sides, filters),
        weights={"kernel": kernel} | ({} if layer.bias is None else {"bias": bias}),
        groups=groups,
        fan_in=inputs,
        receptive_field=field + (side - 1) * jump,
        jump=jump * layer.stride,
    )


def _checked_connections(config: NetworkConfig, layer, channels: int) -> int:
    """Returns the number of filters of a connection table that fits its input."""
    most = max(max(inputs, default=0) for inputs in layer.connections)
    if most >= channels or len(layer.connections) != layer.filters or config.width != 1:
        raise ValueError(
            f"network.layers: the connections of {layer.name} are {len(layer.connections)} filters "
            f"that see channels up to {most}; expected {layer.filters} filters, channels below "
            f"{channels} and network.width=1."
        )
    return layer.filters


def _pool(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    sides = (windows(x, layer.size, layer.stride, layer.round_up) for x in shape[:2])
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(*sides, shape[2]),
        receptive_field=field + (layer.size - 1) * jump,
        jump=jump * layer.stride,
    )


def _subsample(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(shape[0] // 2, shape[1] // 2, shape[2]),
        weights={"gain": (shape[2],), "bias": (shape[2],)},
        receptive_field=field + jump,
        jump=jump * 2,
    )


def _pyramid(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    if min(shape[:2]) < max(layer.levels):
        raise ValueError(
            f"network.input.size={config.input.size}: {layer.name} would divide {shape[0]} pixels "
            f"a side into {max(layer.levels)} parts. Raise the size."
        )
    units = shape[2] * sum(level * level for level in layer.levels)
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(units,),
        receptive_field=config.input.size,
        jump=config.input.size,
    )


def _dense(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    inputs, units = math.prod(shape), config.units(layer)
    weights: dict[str, Shape] = {"kernel": (inputs, units)}
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(units,),
        weights=weights | ({} if layer.bias is None else {"bias": (units,)}),
        fan_in=inputs,
        receptive_field=config.input.size,
        jump=config.input.size,
    )


def _rbf(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    """The distances to fixed codes; neither weights nor neurons."""
    if shape != (DIGIT_PIXELS,) or config.num_classes != NUM_DIGITS:
        raise ValueError(
            f"network.num_classes={config.num_classes}: {layer.name} of {config.name} compares "
            f"{DIGIT_PIXELS} outputs with {NUM_DIGITS} digits, got {shape}. Use data of 10 "
            "classes, or --network.name=lenet5_modern."
        )
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(config.num_classes,),
        receptive_field=config.input.size,
        jump=config.input.size,
    )


def _same(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    """Rows that leave the shape as it is."""
    groups = config.groups if layer.kind == "lrn" and not config.lrn_across_towers else 1
    if shape[-1] % groups:
        raise ValueError(
            f"network.groups={groups}: {layer.name} cannot share {shape[-1]} channels. "
            "Change network.width or network.groups."
        )
    if layer.kind == "spatial_norm":
        field += (layer.size - 1) * jump
    is_batch = layer.kind == "batch_norm"
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=shape,
        weights=dict.fromkeys(("gamma", "beta"), shape[-1:]) if is_batch else {},
        statistics=dict.fromkeys(("moving_mean", "moving_variance"), shape[-1:])
        if is_batch
        else {},
        groups=groups,
        receptive_field=field,
        jump=jump,
    )


SPATIAL = ("conv", "local", "sparse", "lrn", "spatial_norm", "pool", "subsample", "pyramid")
"""Kinds of rows that take pictures alone."""

_RULES = {
    "conv": _conv,
    "local": _conv,
    "sparse": _conv,
    "pool": _pool,
    "subsample": _subsample,
    "pyramid": _pyramid,
    "dense": _dense,
    "rbf": _rbf,
    "lrn": _same,
    "spatial_norm": _same,
    "batch_norm": _same,
    "activate": _same,
    "drop": _same,
}
