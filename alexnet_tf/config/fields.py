"""Walks through the settings as data: their names, types, texts and values. No TensorFlow.

A setting is one field of one of the frozen dataclasses. Its name is that of its flag: fields of
`RunConfig` and of the outermost dataclass stand alone (`seed`), others follow their section
(`optimizer.momentum`, `network.input.size`).
"""

import ast
import dataclasses
import enum
import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from alexnet_tf.config.run import Config
from pipelines.typed import choice, is_union

POSITIONAL = {"positional": True}
"""Metadata of a field that is given without a name, such as the pictures to predict."""

DOORS = ("recipe", "network.name")
"""Names that only lead to values; at resume the values are compared, not the names."""

OLDER_NAMES = {"network.towers": "towers"}
"""Older names of flags, with the present ones. Every command that had the older one reads it."""

Frozen = TypeVar("Frozen")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field, and its place in the dataclasses."""

    path: tuple[str, ...]
    """Attribute names that lead to it from the outermost dataclass."""
    owner: type
    """The dataclass that has the field."""
    kind: Any
    """Its type."""
    default: Any
    """Its default; dataclasses.MISSING where a value has to be given."""
    is_free: bool
    """Whether it may differ when a run is resumed."""
    is_positional: bool
    """Whether it is given without a name."""

    @property
    def name(self) -> str:
        """The name of its flag, such as optimizer.momentum; that of `from_` is from."""
        return ".".join(self.path[1:] if self.path[0] == "run" else self.path).rstrip("_")

    @property
    def section(self) -> str:
        """All of the name but its last part; empty for a name of one part."""
        return self.name.rpartition(".")[0]

    @property
    def help(self) -> str:
        """The string that stands under the field, on one line; empty where there is none."""
        return field_texts(self.owner).get(self.path[-1], "")

    @property
    def is_flag(self) -> bool:
        """Whether its value can be typed; that of the table of layers cannot."""
        return not any(dataclasses.is_dataclass(kind) for kind in _parts(self.kind))


def settings_of(owner: type) -> tuple[Setting, ...]:
    """Lists the settings of a dataclass and of the sections inside it, in their order."""
    return tuple(_walk(owner, ()))


def _walk(owner: type, above: tuple[str, ...]) -> Iterator[Setting]:
    kinds = typing.get_type_hints(owner)
    for field in dataclasses.fields(owner):
        kind, path = kinds[field.name], (*above, field.name)
        if dataclasses.is_dataclass(kind):
            yield from _walk(kind, path)
        else:
            is_free = field.metadata.get("resume") == "free"
            is_positional = field.metadata.get("positional", False)
            yield Setting(path, owner, kind, field.default, is_free, is_positional)


def _parts(kind: Any) -> Iterator[Any]:
    """Yields every plain type inside a type such as tuple[float, ...] | str."""
    if not typing.get_args(kind):
        yield kind
    for part in typing.get_args(kind):
        yield from _parts(part)


@functools.cache
def field_texts(owner: type) -> dict[str, str]:
    """Reads the string under each field of a class and of its bases, each on one line."""
    texts: dict[str, str] = {}
    for base in filter(dataclasses.is_dataclass, reversed(owner.__mro__)):
        tree = ast.parse(inspect.getsource(sys.modules[base.__module__]))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.ClassDef) and node.name == base.__name__):
                continue
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    texts[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return texts


def value_at(settings: Any, path: tuple[str, ...]) -> Any:
    """Follows attribute names from the outermost dataclass to a value."""
    return functools.reduce(getattr, path, settings)


def replaced(settings: Frozen, values: Mapping[tuple[str, ...], Any]) -> Frozen:
    """Copies settings with new values, all of a section at once.

    Values that only make sense together (a larger window and a larger square) may come in any
    order.

    Args:
      settings: a frozen dataclass.
      values: new values by path.

    Raises:
      ValueError: the new values are refused by a section's own checks.
    """
    changes = {path[0]: value for path, value in values.items() if len(path) == 1}
    for section in dict.fromkeys(path[0] for path in values if len(path) > 1):
        inner = {path[1:]: x for path, x in values.items() if len(path) > 1 and path[0] == section}
        changes[section] = replaced(getattr(settings, section), inner)
    return dataclasses.replace(settings, **changes)


def type_text(kind: Any) -> str:
    """Says what can be typed for a type: INTEGER, NUMBER,..., rgb|bgr."""
    if is_union(kind):
        parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return "|".join(type_text(part) for part in parts)
    if typing.get_origin(kind) is tuple:
        return f"{type_text(typing.get_args(kind)[0])},..."
    if issubclass(kind, enum.Enum):
        return "|".join(kind)
    return {bool: "true|false", int: "INTEGER", float: "NUMBER"}.get(kind, "TEXT")


def from_text(name: str, kind: Any, text: str) -> Any:
    """Converts what was typed to a value.

    Args:
      name: the setting's name, for the message.
      kind: its type.
      text: what follows the equals sign; lists are separated by commas.

    Raises:
      ValueError: the text is not a value of this type.
    """
    if is_union(kind):
        return _from_text_of_union(name, kind, text)
    if typing.get_origin(kind) is tuple:
        parts = text.split(",") if text else []
        return tuple(from_text(name, typing.get_args(kind)[0], part.strip()) for part in parts)
    if issubclass(kind, enum.Enum):
        return choice(name, kind, text)
    if kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise ValueError(f"{name}={text}: expected true or false.")
        return words[text.lower()]
    return text if kind is str else _number(name, kind, text)


def _from_text_of_union(name: str, kind: Any, text: str) -> Any:
    parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
    for part in parts[:-1]:
        try:
            return from_text(name, part, text)
        except ValueError:
            continue
    return from_text(name, parts[-1], text)


def _number(name: str, kind: type, text: str) -> int | float:
    try:
        number = kind(text)
        is_one = math.isfinite(number)
    except (ValueError, OverflowError):  # the latter of a whole number beyond any float
        is_one = False
    if not is_one:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"{name}={text}: expected {what}.")
    return number


def to_text(value: Any) -> str:
    """Writes a value as it is typed; the inverse of `from_text`."""
    if isinstance(value, tuple):
        return ",".join(to_text(part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def differences(old: Config, new: Config) -> list[str]:
    """Lists the settings that may not differ at resume and do, as "name: old -> new"."""
    found = []
    for setting in settings_of(Config):
        before, after = value_at(old, setting.path), value_at(new, setting.path)
        if setting.is_free or setting.name in DOORS or before == after:
            continue
        if not setting.is_flag:  # of the table of layers, only the rows that differ
            before, after = _without(before, after), _without(after, before)
        found.append(f"{setting.name}: {to_text(before) or 'none'} -> {to_text(after) or 'none'}")
    return found


def _without(rows: tuple, others: tuple) -> tuple:
    return tuple(row for row in rows if row not in others)
