"""The options of a NetworkConfig, each a function from one table of layers to another.

No TensorFlow. The resulting table is what is built, counted and compared.
"""

import dataclasses
import itertools
from collections.abc import Iterator

from alexnet_tf.config.layer_rows import (
    Activate,
    Activation,
    BatchNorm,
    Conv,
    Drop,
    Layer,
    Lrn,
    Pool,
    Pyramid,
)
from alexnet_tf.config.network import (
    Activations,
    DropoutMode,
    Head,
    NetworkConfig,
    Normalization,
    Pooling,
)

Layers = tuple[Layer, ...]


def layers_of(config: NetworkConfig) -> Layers:
    """Applies the options of a network to its table.

    Raises:
      ValueError: an option makes no sense for this table.
    """
    layers = _without(config.layers, config.without)
    if config.dropout == DropoutMode.NONE:
        layers = tuple(layer for layer in layers if not isinstance(layer, Drop))
    layers = _pooled(layers, config.pooling)
    layers = _normalized(layers, config.normalization)
    layers = _activated(layers, config.activation)
    return _headed(layers, config.head)


def activation_above(layers: Layers) -> Activation:
    """Finds the activation after the first of some layers, its own or that of a later row."""
    first, *others = layers
    for layer in (first, *itertools.takewhile(lambda layer: layer.is_transparent, others)):
        if layer.activation != Activation.LINEAR:
            return layer.activation
    return Activation.LINEAR


def _without(layers: Layers, names: tuple[str, ...]) -> Layers:
    """Leaves out layers and their companions (paper, section 7)."""
    companions = {
        f"{word}{_number(layer)}"
        for layer in layers
        if layer.name in names
        for word in layer.companions
    }
    return tuple(x for x in layers if x.name not in names and x.name not in companions)


def _pooled(layers: Layers, pooling: Pooling) -> Layers:
    """Changes the windows of every maximum (paper, section 3.4)."""
    if pooling == Pooling.TABLE:
        return layers
    pools = [layer for layer in layers if isinstance(layer, Pool) and not layer.is_mean]
    is_widened = pooling == Pooling.OVERLAPPING and any(x.size <= x.stride for x in pools)

    def changed(layer: Layer) -> Layer:
        if is_widened and layer.kind == "conv" and layer.stride == 1:
            # As in the paper; narrow windows give larger maps, and pool22 has less padding for it.
            return dataclasses.replace(layer, pad=(layer.kernel // 2, (layer.kernel - 1) // 2))
        if layer not in pools:
            return layer
        if pooling == Pooling.OVERLAPPING:
            return dataclasses.replace(layer, size=3, stride=2)
        if layer.size == layer.stride:
            return layer
        return dataclasses.replace(layer, size=layer.stride, round_up=False)

    return tuple(map(changed, layers))


def _normalized(layers: Layers, normalization: Normalization) -> Layers:
    """Replaces the normalization."""
    if normalization == Normalization.TABLE:
        return layers
    bare = tuple(layer for layer in layers if not layer.is_norm)
    if normalization == Normalization.LRN:
        return tuple(_with_lrn(bare))
    return tuple(_with_batch(bare)) if normalization == Normalization.BATCH else bare


def _with_lrn(layers: Layers) -> Iterator[Layer]:
    """Puts the paper's normalization after the first two convolutions (section 3.3)."""
    convolutions = [layer.name for layer in layers if isinstance(layer, Conv)]
    for layer in layers:
        yield layer
        if layer.name in convolutions[:2]:
            yield Lrn(name=f"norm{_number(layer)}")


def _with_batch(layers: Layers) -> Iterator[Layer]:
    """Puts batch normalization before every hidden activation; its offset is the bias."""
    numbers = [_number(layer) for layer in layers if layer.has_kernel]
    for layer in layers[:-1]:
        if not layer.has_kernel:
            yield layer
            continue
        number = _number(layer)
        suffix = number if numbers.count(number) == 1 else f"_{layer.name}"  # conv6 beside fc6
        yield dataclasses.replace(layer, bias=None, activation=Activation.LINEAR)
        yield BatchNorm(name=f"norm{suffix}")
        if layer.activation != Activation.LINEAR:
            yield Activate(name=f"relu{suffix}", activation=layer.activation)
    yield layers[-1]


def _activated(layers: Layers, activation: Activations) -> Layers:
    """Changes every hidden activation (paper, section 3.1)."""
    if activation == Activations.TABLE:
        return layers
    new = Activation(activation)
    return tuple(
        dataclasses.replace(layer, activation=new)
        if layer.activation != Activation.LINEAR
        else layer
        for layer in layers
    )


def _headed(layers: Layers, head: Head) -> Layers:
    """Puts a spatial pyramid instead of the last pooling (He et al. 2014)."""
    if head == Head.TABLE:
        return layers
    pools = [place for place, layer in enumerate(layers) if isinstance(layer, Pool)]
    if not pools:
        raise ValueError(
            "network.head=pyramid: expected a network with a pooling layer, whose place the "
            "pyramid takes. Set --network.head=table."
        )
    place = pools[-1]
    above = [layer.name for layer in layers[place + 1 :] if isinstance(layer, Conv)]
    if above:
        raise ValueError(
            f"network.head=pyramid: expected no convolution above the last pooling, found "
            f"{', '.join(above)}. Set --network.head=table, or leave it out with "
            "--network.without."
        )
    return (*layers[:place], Pyramid(name=layers[place].name), *layers[place + 1 :])


def _number(layer: Layer) -> str:
    """Returns the number of a layer: 1 of conv1, 6 of fc6."""
    return "".join(filter(str.isdigit, layer.name))
