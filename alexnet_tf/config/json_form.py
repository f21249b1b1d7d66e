"""Settings as JSON and back: what `config.json`, checkpoints and exports store. No TensorFlow.

Enums are stored by value, tuples as lists, the rows of a table of layers with their `kind`. A
missing field takes its default; an unknown one is refused rather than ignored.
"""

import dataclasses
import enum
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError, expected_one_of, user_errors
from pipelines.typed import is_union

SCHEMA_VERSION = 4
"""Raised when a stored field changes its name or its meaning."""

Frozen = TypeVar("Frozen")


def to_json(config: Config) -> dict[str, Any]:
    """Writes a whole Config as a dict that `json.dumps` takes."""
    return {"schema_version": SCHEMA_VERSION, **to_dict(config)}


def from_json(stored: Mapping[str, Any]) -> Config:
    """Reads what `to_json` wrote.

    Raises:
      UserError: a field is unknown or has a wrong value, or the schema version is unknown.
    """
    return from_dict(Config, _renewed(stored, stored.get("schema_version")))


def network_from_json(stored: Mapping[str, Any], schema_version: int) -> NetworkConfig:
    """Reads a network that `to_dict` wrote under a schema of any version.

    Raises:
      UserError: as in `from_json`.
    """
    renewed = _renewed({"network": stored}, schema_version)
    return from_dict(NetworkConfig, renewed["network"], "network")


def _renewed(stored: Mapping[str, Any], version: Any) -> dict[str, Any]:
    """Converts settings of any known schema to the present one, schema by schema."""
    renewals = (_from_first_schema, _from_second_schema, _from_third_schema)
    if version not in range(1, SCHEMA_VERSION + 1):
        raise UserError(
            f"schema_version={version}: expected {SCHEMA_VERSION}. These settings were written by "
            "another version of alexnet_tf; read them with that one."
        )
    settings = {name: x for name, x in stored.items() if name != "schema_version"}
    try:
        for renew in renewals[version - 1 :]:
            settings = renew(settings)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"schema_version={version}: expected settings as they were written, found {error!r}. "
            "Put them back."
        ) from error
    return settings


def _from_first_schema(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Converts settings of schema 1, where ReLU and dropout were marks in their layers' rows."""
    network = dict(stored.get("network", {}))
    rows = []
    for row in network.get("layers", []):
        relu, drop = row.get("relu"), row.get("dropout")
        rows.append({name: x for name, x in row.items() if name not in ("relu", "dropout")})
        if relu is not None:
            rows[-1]["activation"] = "relu" if relu else "linear"
        if drop:
            rows.append({"kind": "drop", "name": f"drop{row['name'].removeprefix('fc')}"})
    if rows:
        network["layers"] = rows
    return {**stored, "network": network}


def _from_second_schema(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Converts settings of schema 2, where other windows of pooling changed no padding.

    Only tables with windows no wider than their step (pool22) come out differently: for these the
    old result is stored as the table.
    """
    network = dict(stored.get("network", {}))
    pooling, rows = network.get("pooling", "table"), network.get("layers", [])
    pools = [row for row in rows if row.get("kind") == "pool" and not row.get("is_mean")]
    if pooling == "table" or not any(row["size"] <= row["stride"] for row in pools):
        return dict(stored)
    windows = {
        "overlapping": lambda row: {"size": 3, "stride": 2},
        "plain": lambda row: {"size": row["stride"], "round_up": False},
    }[pooling]
    changed = [row | windows(row) if row in pools else row for row in rows]
    return {**stored, "network": {**network, "layers": changed, "pooling": "table"}}


def _from_third_schema(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Converts settings of schema 3, where `towers` belonged to the network."""
    network = dict(stored.get("network", {}))
    run = {**stored.get("run", {}), "towers": network.pop("towers", 1)}
    return {**stored, "network": network, "run": run}


def to_dict(settings: Any) -> dict[str, Any]:
    """Writes one frozen dataclass, such as a NetworkConfig, as a dict that `json.dumps` takes."""
    return {
        field.name: _plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)
    }


def _plain(value: Any) -> Any:
    """Converts a value to one that JSON has."""
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple):
        return list(map(_plain, value))
    return value.value if isinstance(value, enum.Enum) else value


def from_dict(owner: type[Frozen], stored: Mapping[str, Any], name: str = "") -> Frozen:
    """Reads what `to_dict` wrote.

    Args:
      owner: the dataclass to make; it checks the types of its values itself.
      stored: values by field name.
      name: the section's name, for the messages; empty for the outermost.

    Raises:
      UserError: a field is unknown or has a wrong value.
    """
    if not isinstance(stored, Mapping):
        raise UserError(f"{name}={stored!r}: expected an object with named fields.")
    prefix = f"{name}." if name else ""
    kinds = typing.get_type_hints(owner)
    fields = {field.name: field for field in dataclasses.fields(owner)}
    for field in stored:
        if field not in fields:
            raise UserError(expected_one_of(f"{prefix or 'settings '}field", field, fields))
    for field in fields.values():
        if field.default is dataclasses.MISSING and field.name not in stored:
            raise UserError(f"{prefix}{field.name}: expected a value, found none.")
    with user_errors():
        return owner(
            **{field: _read(kinds[field], x, prefix + field) for field, x in stored.items()}
        )


def _read(kind: Any, value: Any, name: str) -> Any:
    """Converts JSON objects to dataclasses; the rows of a table name theirs by `kind`."""
    if dataclasses.is_dataclass(kind):
        return from_dict(kind, value, name)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return [_read(typing.get_args(kind)[0], part, name) for part in value]
    if is_union(kind) and all(map(dataclasses.is_dataclass, typing.get_args(kind))):
        rows = {row.kind: row for row in typing.get_args(kind)}
        which = value.get("kind") if isinstance(value, Mapping) else None
        if not isinstance(which, str) or which not in rows:
            raise UserError(expected_one_of(f"{name}.kind", which, rows))
        return from_dict(rows[which], value, name)
    return value
