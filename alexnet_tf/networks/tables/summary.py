"""The counts of a network, and how two differ: plain values that JSON has. No TensorFlow."""

import dataclasses
import math
from typing import Any

from alexnet_tf.config.fields import settings_of, value_at
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.family.names import FAMILY
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row

FLOAT32_BYTES = 4
TOTALS = ("parameters", "multiply_adds", "neurons")
"""What is counted for each layer and summed."""


def account(config: NetworkConfig, global_batch_size: int) -> dict[str, Any]:
    """Counts a network layer by layer.

    Args:
      config: the network; `num_classes` is known, `name` is one of the family's.
      global_batch_size: number of examples whose activations are in memory.

    Returns:
      the object of one network that `alexnet_tf/summary.py` describes.

    Raises:
      ValueError: the network cannot be built.
    """
    member = FAMILY[config.name]
    layers = [_layer(row, global_batch_size) for row in table(config)]
    totals = {name: sum(layer[name] for layer in layers) for name in TOTALS}
    totals["weight_bytes"] = FLOAT32_BYTES * totals["parameters"]
    totals["activation_bytes"] = sum(layer["activation_bytes"] for layer in layers)
    own = member.config.with_num_classes(config.num_classes)
    return {
        "network": config.name,
        "source": member.source,
        "published": [dataclasses.asdict(one) for one in member.published],
        "note": member.note,
        "changed": setting_differences(own, config),
        "settings": settings(config),
        "global_batch_size": global_batch_size,
        "totals": totals,
        "layers": layers,
    }


def settings(config: NetworkConfig) -> dict[str, Any]:
    """Lists the settings of a network that can be typed, by their flags, except its name."""
    return {
        f"network.{one.name}": value_at(config, one.path)
        for one in settings_of(NetworkConfig)
        if one.is_flag and one.name != "name"
    }


def setting_differences(first: NetworkConfig, other: NetworkConfig) -> list[dict[str, Any]]:
    """Lists the settings in which two networks differ, each with both values."""
    before, after = settings(first), settings(other)
    return [
        {"setting": name, "first": before[name], "other": after[name]}
        for name in before
        if before[name] != after[name]
    ]


def differences(first: NetworkConfig, other: NetworkConfig) -> dict[str, Any]:
    """Compares two networks by their settings and by their resolved tables of layers.

    Returns:
      network, compared_with (names), settings (a list of {setting, first, other}), layers (an
      object: only_first, only_other, the names of layers that one alone has; changed, a list of
      {layer, what, first, other}; is_reordered, whether the common ones are in another order),
      totals (other minus first, by name).
    """
    one, two = ({row.name: row for row in table(config)} for config in (first, other))
    common = [name for name in one if name in two]
    rows = [
        {"layer": name, "what": what, "first": before, "other": after}
        for name in common
        for what, before, after in _changes(one[name], two[name])
    ]
    return {
        "network": other.name,
        "compared_with": first.name,
        "settings": setting_differences(first, other),
        "layers": {
            "only_first": [name for name in one if name not in two],
            "only_other": [name for name in two if name not in one],
            "changed": rows,
            "is_reordered": common != [name for name in two if name in one],
        },
        "totals": {
            name: sum(getattr(row, name) for row in two.values())
            - sum(getattr(row, name) for row in one.values())
            for name in TOTALS
        },
    }


def details(row: Row) -> dict[str, Any]:
    """Lists the values of a layer's row, with width and classes resolved."""
    values = dataclasses.asdict(row.layer)
    for name in ("name", "grouped"):
        values.pop(name, None)
    for name in ("filters", "units"):
        if name in values:
            values[name] = row.output_shape[-1]
    return values | {"groups": row.groups, "output_shape": row.output_shape}


def _changes(one: Row, two: Row) -> list[tuple[str, Any, Any]]:
    before, after = details(one), details(two)
    names = dict.fromkeys((*before, *after))
    values = [(name, before.get(name), after.get(name)) for name in names]
    return [(name, old, new) for name, old, new in values if old != new]


def _layer(row: Row, global_batch_size: int) -> dict[str, Any]:
    numbers = {name: getattr(row, name) for name in TOTALS}
    outputs = math.prod(row.output_shape)
    return {
        "name": row.name,
        "kind": row.layer.kind,
        "input_shape": row.input_shape,
        "output_shape": row.output_shape,
        "kernel_shape": row.kernel_shape,
        "groups": row.groups,
        **numbers,
        "activation_bytes": FLOAT32_BYTES * outputs * global_batch_size,
        "receptive_field": row.receptive_field,
        "jump": row.jump,
        "details": details(row),
    }
