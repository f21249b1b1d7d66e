"""Compares a network, layer by layer, with activations that another program has stored.

Keys of the .npz, all in Caffe's layout:

    input              float [C, H, W], as the network sees it: BGR, mean-subtracted, 227 x 227
    conv1_w, conv1_b   kernel [out, in / groups, h, w] and bias [out] of conv1; conv2_w,... alike
    relu1              output of conv1 and its ReLU: [C, H, W]; relu2,... alike
    pool1, norm1       outputs of these layers; pool2, norm2, pool5 alike

Each [C, H, W] may have a leading axis of 1.
"""

import dataclasses
import itertools
import math
import sys

import numpy as np

from alexnet_tf.config.layer_rows import Activation, Layer
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import UserError, listed
from alexnet_tf.networks import alexnet
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.options import layers_of
from alexnet_tf.networks.tables.shapes import row_of
from alexnet_tf.weights import formats, layouts
from alexnet_tf.weights.stored import NUMBERS

CANDIDATES = ("caffenet", "caffe")
"""Networks to try where none is named: one normalizes after pooling, the other before."""

MOST_BYTES = 2**28
"""Of all arrays together; those of Caffe's networks have 20 MB."""

Arrays = dict[str, np.ndarray]
Compared = tuple[list[dict], list[str]]
"""What was found of each layer (layer, largest_difference, largest_value); who could not run."""


def check(path: str, config: NetworkConfig | None) -> dict:
    """Runs each layer on the stored output of the one before, and prints the differences.

    A layer whose input is not stored runs on the computed output of the layer before. A layer whose
    weights are not stored is skipped, with those after it up to the next stored input.

    Args:
      path: the .npz.
      config: the network; None takes the one of CANDIDATES that fits best.

    Returns:
      check, network, layers (a list of layer, largest_difference, largest_value), skipped.

    Raises:
      UserError: the file cannot be read, has unknown keys, or an array has a wrong shape.
    """
    try:
        arrays = _pictures_last(_read(path))
        name, (layers, skipped) = _best(arrays, config)
    except ValueError as error:
        raise UserError(f"check={path!r}: {formats.one_line(error)}") from error
    if not layers:
        raise UserError(
            f"check={path!r}: there is nothing to compare; expected the output of a layer, such as "
            "relu1, with the weights up to it, conv1_w and conv1_b. BUILD.md has all names."
        )
    for found in layers:
        print(
            f"{found['layer']}: largest difference {found['largest_difference']:.3g}, "
            f"of values up to {found['largest_value']:.3g}",
            file=sys.stderr,
        )
    return {"check": path, "network": name, "layers": layers, "skipped": skipped}


def _read(path: str) -> Arrays:
    """Reads all arrays, unless they are too large."""
    stored = formats.read(path, formats.FORMATS[".npz"])
    num_bytes = sum(math.prod(x.shape) * NUMBERS.get(x.dtype, 0) for x in stored.values())
    if num_bytes > MOST_BYTES:
        raise UserError(f"its arrays are of {num_bytes:,} bytes; expected up to {MOST_BYTES:,}.")
    for name, array in stored.items():
        if array.dtype not in NUMBERS:
            raise UserError(f"{name} is of type {array.dtype}; expected numbers.")
    return {name: array.read() for name, array in stored.items()}


def _best(arrays: Arrays, config: NetworkConfig | None) -> tuple[str, Compared]:
    """Compares with the network, or with each of CANDIDATES that fits; returns the best."""
    if config:
        return config.name, compare(arrays, config)
    fitting: dict[str, Compared] = {}
    for name in CANDIDATES:
        try:
            fitting[name] = compare(arrays, network(name))
        except ValueError:
            if not fitting and name == CANDIDATES[-1]:
                raise
    return min(fitting.items(), key=lambda item: sum(x["largest_difference"] for x in item[1][0]))


def compare(arrays: Arrays, config: NetworkConfig) -> Compared:
    """Compares the outputs of all layers that can run with the stored ones.

    Args:
      arrays: pictures [1, H, W, C], weights as they are stored.
      config: the network, with the file's numbers of filters and input size.

    Raises:
      ValueError: an array has a wrong shape, or belongs to no layer.
    """
    config = dataclasses.replace(config, width=1.0)
    layers = list(itertools.takewhile(_is_compared, layers_of(config)))
    _refuse_unknown(arrays, layers)
    found, skipped, x = [], [], arrays["input"]
    for layer in layers:
        name = _output_name(layer)
        x = None if x is None else _run(layer, x, arrays, config)
        if x is None:
            skipped.append(name)
        elif name in arrays:
            found.append(_difference(name, x, arrays[name], config))
        x = arrays.get(name, x)
    return found, skipped


def _is_compared(layer: Layer) -> bool:
    """Tells whether a layer is compared: one that Caffe has, and that takes pictures."""
    return layer.is_stock and layer.is_spatial


def _pictures_last(arrays: Arrays) -> Arrays:
    """Transposes pictures, [C, H, W] or [1, C, H, W], to [1, H, W, C]; weights are unchanged."""
    result = {}
    for name, array in arrays.items():
        result[name] = array.astype(np.float32)
        if not np.isfinite(result[name]).all():
            raise UserError(f"{name} has values that are not finite; expected numbers.")
        if not name.endswith(("_w", "_b")):
            if array.ndim not in (3, 4) or array.shape[:-3] not in ((), (1,)):
                raise UserError(f"{name} has shape {array.shape}, expected (C, H, W).")
            result[name] = np.moveaxis(result[name].reshape(1, *array.shape[-3:]), 1, -1)
    if "input" not in result:
        raise UserError("no array has the name input; BUILD.md has all names.")
    return result


def _output_name(layer: Layer) -> str:
    """Returns the key of a layer's output; that of a convolution is named for its ReLU."""
    is_relu = layer.activation == Activation.RELU
    return layer.name.replace("conv", "relu") if is_relu else layer.name


def _refuse_unknown(arrays: Arrays, layers: list[Layer]) -> None:
    known = ["input", *map(_output_name, layers)]
    known += [f"{x.name}_{part}" for x in layers if x.has_kernel for part in "wb"]
    unknown = [name for name in arrays if name not in known]
    if unknown:
        raise UserError(f"unknown {listed(unknown)}; expected some of {', '.join(known)}.")


def _run(layer: Layer, x: np.ndarray, arrays: Arrays, config: NetworkConfig) -> np.ndarray | None:
    """Computes a layer's output for one picture; None if its weights are not stored."""
    names = {}
    if layer.has_kernel:
        names = {"kernel": f"{layer.name}_w", "bias": f"{layer.name}_b"}
        if not all(name in arrays for name in names.values()):
            return None
        filters = arrays[names["bias"]].size // config.groups * config.groups
        layer = dataclasses.replace(layer, filters=filters)
    row = row_of(config, layer, x.shape[1:])
    if min(row.output_shape) < 1:
        raise UserError(f"{layer.name} sees {x.shape[1:3]} pixels; expected enough for a window.")
    weights = {
        f"{layer.name}/{part}": layouts.fitted(arrays[name], name, row, part, layouts.CAFFE)
        for part, name in names.items()
    }
    model = alexnet.one_layer(row, config)
    assign(named_weights(model), weights)
    return model(x).numpy()


def _difference(name: str, x: np.ndarray, stored: np.ndarray, config: NetworkConfig) -> dict:
    if stored.shape != x.shape:
        shapes = [tuple(np.moveaxis(array, -1, 1).shape[1:]) for array in (stored, x)]
        raise UserError(
            f"{name} has shape {shapes[0]}, expected {shapes[1]} in network.name={config.name}. "
            "Name the network that it comes from with --network.name."
        )
    return {
        "layer": name,
        "largest_difference": float(np.abs(x - stored).max()),
        "largest_value": float(np.abs(stored).max()),
    }
