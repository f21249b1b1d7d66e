"""A layer resolved over an input shape: its weights, outputs, multiply-adds.

No TensorFlow.
"""

import dataclasses
import math
from collections.abc import Sequence

from alexnet_tf.config.layer_rows import Activation, Layer
from alexnet_tf.config.network import NetworkConfig

Shape = tuple[int, ...]

NUM_DIGITS, DIGIT_PIXELS = 10, 84
"""Codes of LeNet-5's output layer, and values of each (7 by 12)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One layer of a network with everything resolved.

    Attributes:
      layer: the layer's row in the table of layers.
      input_shape, output_shape: without the batch; (H, W, C), or (units,).
      weights: shape of each trainable weight by its name, kernel first.
      statistics: the same of what no gradient changes, such as moving_mean.
      groups: 2 where the two towers do not see each other.
      fan_in: inputs of one neuron; 0 for a layer without a kernel.
      receptive_field: side of the square of the input that one output sees, in pixels; the side
        of the input for a layer that sees all of it.
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
        """The shapes of all that files store of the layer: weights and statistics."""
        return self.weights | self.statistics

    @property
    def parameters(self) -> int:
        """Number of trainable weights, of both towers together."""
        return sum(map(math.prod, self.weights.values()))

    @property
    def multiply_adds(self) -> int:
        """Number of multiplications, each with its addition, for one picture."""
        if not self.layer.has_kernel:
            return 0
        places = 1 if self.layer.has_kernel_for_each_place else math.prod(self.output_shape[:-1])
        return places * math.prod(self.kernel_shape)

    @property
    def neurons(self) -> int:
        """Number of outputs; 0 for a layer without a kernel."""
        return math.prod(self.output_shape) if self.fan_in else 0


def activated(rows: Sequence[Row], name: str) -> Row:
    """Finds the row that gives a layer's activations.

    That is the layer itself, or the row above it that is its activation: with batch normalization,
    the activations of conv2 are what relu2 gives.

    Args:
      rows: of a network, bottom to top.
      name: one of them.
    """
    place = [row.name for row in rows].index(name)
    row = rows[place]
    is_own = row.layer.activation != Activation.LINEAR or row.activation == Activation.LINEAR
    if is_own or not row.layer.has_kernel:
        return row
    return next((x for x in rows[place:] if x.layer.activation == row.activation), row)


def row_of(
    config: NetworkConfig, layer: Layer, input_shape: Shape, field: int = 1, jump: int = 1
) -> Row:
    """Resolves one layer over an input of any shape.

    Args:
      config: the network that the layer belongs to.
      layer: the row to resolve.
      input_shape: shape of the input, without the batch.
      field: `receptive_field` of the layer below; 1 for a picture.
      jump: `jump` of the layer below; 1 for a picture.

    Raises:
      ValueError: the layer does not fit the input.
    """
    return _RULES[layer.kind](config, layer, input_shape, field, jump)


def windows(side: int, size: int, stride: int, round_up: bool = False) -> int:
    """Counts the windows that fit along a side; `round_up` counts one that reaches over the edge.

    A window that would start beyond the side does not count (as in Caffe and PyTorch).
    """
    if not round_up:
        return (side - size) // stride + 1
    count = -(-(side - size) // stride) + 1
    return count - 1 if (count - 1) * stride >= side else count


def _conv(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    groups = config.groups if layer.grouped else 1
    _check_divides(groups, layer, shape[2])
    filters, side = config.filters(layer), layer.kernel
    sides = (windows(x + sum(layer.pad), side, layer.stride) for x in shape[:2])
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(*sides, filters),
        weights=_weights(layer, (side, side, shape[2] // groups, filters), (filters,)),
        groups=groups,
        fan_in=side * side * shape[2] // groups,
        receptive_field=field + (side - 1) * jump,
        jump=jump * layer.stride,
    )


def _local(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    row = _conv(config, layer, shape, field, jump)
    *sides, filters = row.output_shape
    weights = _weights(layer, (*sides, row.fan_in, filters), row.output_shape)
    return dataclasses.replace(row, weights=weights)


def _sparse(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    _check_connections(config, layer, shape[2])
    row = _conv(config, layer, shape, field, jump)
    kernel = (layer.kernel**2, sum(map(len, layer.connections)))
    return dataclasses.replace(row, weights=_weights(layer, kernel, (layer.filters,)))


def _weights(layer, kernel: Shape, bias: Shape) -> dict[str, Shape]:
    return {"kernel": kernel} | ({} if layer.bias is None else {"bias": bias})


def _check_divides(groups: int, layer: Layer, channels: int) -> None:
    """Refuses channels that a layer's `groups` does not divide."""
    if channels % groups:
        raise ValueError(
            f"network.groups={groups}: {layer.name} cannot share {channels} channels. "
            "Change network.width or network.groups."
        )


def _check_connections(config: NetworkConfig, layer, channels: int) -> None:
    """Refuses a connection table that does not fit its input."""
    most = max(max(inputs, default=0) for inputs in layer.connections)
    if most >= channels or len(layer.connections) != layer.filters or config.width != 1:
        raise ValueError(
            f"network.layers: the connections of {layer.name} are {len(layer.connections)} filters "
            f"that see channels up to {most}; expected {layer.filters} filters, channels below "
            f"{channels} and network.width=1."
        )


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
    return Row(
        layer=layer,
        input_shape=shape,
        output_shape=(units,),
        weights=_weights(layer, (inputs, units), (units,)),
        fan_in=inputs,
        receptive_field=config.input.size,
        jump=config.input.size,
    )


def _rbf(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    """Resolves the distances to fixed codes, which have neither weights nor neurons."""
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
    """Resolves a row that leaves the shape as it is."""
    return Row(layer=layer, input_shape=shape, output_shape=shape, receptive_field=field, jump=jump)


def _lrn(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    groups = 1 if config.lrn_across_towers else config.groups
    _check_divides(groups, layer, shape[2])
    return dataclasses.replace(_same(config, layer, shape, field, jump), groups=groups)


def _spatial_norm(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    return _same(config, layer, shape, field + (layer.size - 1) * jump, jump)


def _batch_norm(config: NetworkConfig, layer, shape: Shape, field: int, jump: int) -> Row:
    return dataclasses.replace(
        _same(config, layer, shape, field, jump),
        weights=dict.fromkeys(("gamma", "beta"), shape[-1:]),
        statistics=dict.fromkeys(("moving_mean", "moving_variance"), shape[-1:]),
    )


_RULES = {
    "conv": _conv,
    "local": _local,
    "sparse": _sparse,
    "lrn": _lrn,
    "spatial_norm": _spatial_norm,
    "batch_norm": _batch_norm,
    "pool": _pool,
    "subsample": _subsample,
    "pyramid": _pyramid,
    "activate": _same,
    "drop": _same,
    "dense": _dense,
    "rbf": _rbf,
}
"""The function that resolves each kind of row, over an input of a shape."""
