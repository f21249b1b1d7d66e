"""Settings dataclasses that convert their values to the fields' types. No TensorFlow.

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class DataConfig(Typed, section="data"):
        mirror: bool = True

Equivalent values are converted: a word to the member of its enumeration, 1 to 1.0, a list to a
tuple, NumPy's numbers to Python's. All others are refused, with the field's name. So equal settings
compare equal, and a misspelled word is refused where it is written.
"""

import dataclasses
import difflib
import enum
import functools
import math
import numbers
import os
import types
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

Choice = TypeVar("Choice", bound=enum.StrEnum)

MOST = {bool: 1, int: 2**62, float: 1e30}
"""Largest numbers of a type: sums and products of a few fit into an int64 and a float64."""
MOST_SHOWN = 80
"""Characters of a wrong value that its message quotes."""


class Typed:
    """Base of frozen dataclasses: checks every field against its type.

    A subclass with a `__post_init__` of its own calls this one first.

    Args:
      section: given to the subclass: the prefix of its fields' names, such as optimizer.
    """

    _section = ""

    def __init_subclass__(cls, section: str = "", **kwargs):
        """Keeps the section; a subclass without one has its parent's."""
        super().__init_subclass__(**kwargs)
        cls._section = section or cls._section

    def __post_init__(self):
        """Converts every value to its field's type.

        Raises:
          ValueError: a value cannot be converted.
        """
        for field, kind in _kinds(type(self)).items():
            value = typed(self.named(field), kind, getattr(self, field))
            object.__setattr__(self, field, value)

    def named(self, field: str) -> str:
        """Returns the full name of a field, such as optimizer.momentum."""
        return f"{self._section}.{field}" if self._section else field

    def at_least(self, least: int, *fields: str) -> None:
        """Refuses fields, or parts of lists, below a number.

        Raises:
          ValueError: a field is below it.
        """
        for field in fields:
            value = getattr(self, field)
            if any(part < least for part in (value if isinstance(value, tuple) else (value,))):
                raise ValueError(f"{self.named(field)}={value}: expected at least {least}.")

    def at_most(self, most: int, *fields: str) -> None:
        """Refuses fields above a number.

        Raises:
          ValueError: a field is above it.
        """
        for field in fields:
            value = getattr(self, field)
            if value > most:
                raise ValueError(f"{self.named(field)}={value}: expected at most {most:,}.")


@functools.cache
def _kinds(owner: type) -> dict[str, Any]:
    """Finds the type of each field."""
    kinds = typing.get_type_hints(owner)
    return {field.name: kinds[field.name] for field in dataclasses.fields(owner)}


def typed(name: str, kind: Any, value: Any) -> Any:
    """Converts a value to a type, if it means the same in it.

    Args:
      name: the setting's name, for the message.
      kind: the field's type: bool, int, float, str, dict, an enumeration, another dataclass, a
        tuple, or a choice of these (A | B).
      value: as it was given.

    Raises:
      ValueError: it cannot be converted.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # a number of NumPy
    if is_union(kind):
        return _one_of(name, typing.get_args(kind), value)
    if typing.get_origin(kind) is tuple:
        return _tuple(name, typing.get_args(kind), value)
    if dataclasses.is_dataclass(kind):
        return _instance(name, (kind,), value)
    if issubclass(kind, enum.Enum):
        return choice(name, kind, value)
    if isinstance(value, enum.Enum):
        raise _wrong(name, value, _PLAIN[kind][1])
    convert, what = _PLAIN[kind]
    try:
        converted = convert(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(name, value, what) from None
    if isinstance(converted, int | float) and abs(converted) > MOST[kind]:
        raise _wrong(name, value, f"{what}, at most {MOST[kind]:g} in size")
    return converted


def choice(name: str, kind: type[Choice], value: Any) -> Choice:
    """Converts a word to the member of its enumeration.

    Args:
      name: the setting's name, for the message.
      kind: the enumeration.
      value: a member, or its word.

    Raises:
      ValueError: there is no such member; the message lists all, and the nearest.
    """
    if isinstance(value, kind):
        return value
    is_word = isinstance(value, str) and not isinstance(value, enum.Enum)
    if is_word and value in list(kind):
        return kind(value)
    raise ValueError(expected_one_of(name, value if is_word else _shown(value), kind))


def expected_one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Says that `value` is none of the choices, and which is the nearest."""
    choices = list(choices)
    close = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{name}={value}: expected one of {', '.join(choices)}.{hint}"


def is_union(kind: Any) -> bool:
    """Tells whether a type is a union, A | B."""
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _one_of(name: str, kinds: tuple[Any, ...], value: Any) -> Any:
    """Converts a value to the first of several types that accepts it."""
    parts = [kind for kind in kinds if kind is not types.NoneType]
    if value is None and len(parts) < len(kinds):
        return None
    if all(map(dataclasses.is_dataclass, parts)):
        return _instance(name, tuple(parts), value)
    for part in parts[1:]:
        try:
            return typed(name, part, value)
        except ValueError:
            continue
    return typed(name, parts[0], value)


def _tuple(name: str, kinds: tuple[Any, ...], value: Any) -> tuple:
    """Converts a list or an array to a tuple; `kinds` ends with ... for any length."""
    value = value.tolist() if hasattr(value, "tolist") else value
    is_any_length = kinds[-1] is ...
    if not isinstance(value, list | tuple) or not (is_any_length or len(value) == len(kinds)):
        is_one = is_any_length and isinstance(value, str | int | float)
        hint = f", such as [{value!r}]" if is_one else ""
        raise _wrong(name, value, "a list" + f" of {len(kinds)}" * (not is_any_length) + hint)
    kinds = kinds[:1] * len(value) if is_any_length else kinds
    return tuple(typed(name, kind, part) for kind, part in zip(kinds, value, strict=True))


def _instance(name: str, kinds: tuple[type, ...], value: Any) -> Any:
    """Returns a dataclass unchanged: it has checked its own fields."""
    if not isinstance(value, kinds):
        names = ", ".join(f"{kind.__name__}(...)" for kind in kinds)
        raise _wrong(name, value, "one of " * (len(kinds) > 1) + names)
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, int) or value not in (0, 1):
        raise ValueError
    return bool(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _text(value: Any) -> str:
    text = os.fspath(value)  # a path, too
    if not isinstance(text, str):
        raise ValueError
    return str(text)


def _object(value: Any) -> dict:
    if not isinstance(value, dict):
        raise ValueError
    return value


_PLAIN = {
    dict: (_object, "an object with named values"),
    bool: (_bool, "true or false"),
    int: (_integer, "a whole number"),
    float: (_number, "a number"),
    str: (_text, "text"),
}
"""How a value becomes one of a plain type, and what to call it."""


def _wrong(name: str, value: Any, what: str) -> ValueError:
    return ValueError(f"{name}={_shown(value)}: expected {what}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
