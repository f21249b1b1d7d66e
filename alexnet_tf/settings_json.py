"""Settings as JSON and back: what `config.json`, checkpoints and exports store. No TensorFlow.

Enums are stored by value, tuples as lists, the rows of a table of layers with their `kind`. A field
that is missing takes its default; one that is unknown is refused by name, since it would be dropped
in silence.
"""

import dataclasses
import enum
import math
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from alexnet_tf.config import Config
from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.settings import is_union

SCHEMA_VERSION = 2
"""Raised when a stored field changes its name or its meaning."""

Frozen = TypeVar("Frozen")


def to_json(config: Config) -> dict[str, Any]:
    """Writes a whole Config as a dict that `json.dumps` takes."""
    return {"schema_version": SCHEMA_VERSION, **to_dict(config)}


def from_json(stored: Mapping[str, Any]) -> Config:
    """Reads what `to_json` wrote.

    Raises:
      UserError: a field is unknown or has a wrong value, or the schema is not ours.
    """
    version = stored.get("schema_version")
    if version == 1:
        stored, version = _from_first_schema(stored), SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        raise UserError(
            f"schema_version={version}: expected {SCHEMA_VERSION}. These settings were written by "
            "another version of alexnet_tf; read them with that one."
        )
    return from_dict(Config, {name: x for name, x in stored.items() if name != "schema_version"})


def _from_first_schema(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Renews settings of schema 1, where ReLU and dropout were marks of their layers' rows."""
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


def to_dict(settings: Any) -> dict[str, Any]:
    """Writes one frozen dataclass, such as a NetworkConfig, as a dict that `json.dumps` takes."""
    kinds = typing.get_type_hints(type(settings))
    return {
        field.name: _plain(kinds[field.name], getattr(settings, field.name))
        for field in dataclasses.fields(settings)
    }


def from_dict(owner: type[Frozen], stored: Mapping[str, Any], name: str = "") -> Frozen:
    """Reads what `to_dict` wrote.

    Args:
      owner: the dataclass to make.
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
    values = {field: _typed(kinds[field], x, prefix + field) for field, x in stored.items()}
    try:
        return owner(**values)
    except ValueError as error:
        raise UserError(str(error)) from error


def _plain(kind: Any, value: Any) -> Any:
    """Makes a value that JSON has; floats stay floats, so that equal settings give equal text."""
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple):
        inner = _inner(kind)
        return [_plain(inner, part) for part in value]
    if isinstance(value, enum.Enum):
        return value.value
    return float(value) if kind is float else value


def _inner(kind: Any) -> Any:
    """Finds the type of a tuple's parts, also where the tuple is one choice of several."""
    tuples = [kind] if not is_union(kind) else typing.get_args(kind)
    return next(typing.get_args(x)[0] for x in tuples if typing.get_origin(x) is tuple)


def _typed(kind: Any, value: Any, name: str) -> Any:
    """Makes a value of the given type from what JSON had."""
    if is_union(kind):
        return _typed_by_choice(typing.get_args(kind), value, name)
    if dataclasses.is_dataclass(kind):
        return from_dict(kind, value, name)
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        fits = isinstance(value, list | tuple) and (parts[-1] is ... or len(value) == len(parts))
        if not fits:
            count = "" if parts[-1] is ... else f" of {len(parts)}"
            raise UserError(f"{name}={value!r}: expected a list{count}.")
        return tuple(_typed(_inner(kind), part, name) for part in value)
    if issubclass(kind, enum.Enum):
        if value not in list(kind):
            raise UserError(expected_one_of(name, value, kind))
        return kind(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise UserError(f"{name}={value!r}: expected a value of type {kind.__name__}.")
    return value


def _typed_by_choice(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """Makes a value of one of several types; rows of a table say by `kind` which one they are."""
    rows = {kind.kind: kind for kind in kinds if dataclasses.is_dataclass(kind)}
    if rows:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if kind not in rows:
            raise UserError(expected_one_of(f"{name}.kind", kind, rows))
        return from_dict(rows[kind], value, name)
    for kind in kinds[:-1]:
        try:
            return _typed(kind, value, name)
        except UserError:
            continue
    return _typed(kinds[-1], value, name)
