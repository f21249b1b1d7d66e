"""What a pickle of NumPy arrays names, and what stands for each of these names."""

from typing import Any

import numpy as np

from alexnet_tf.weights.stored import Held, Span, Stored, Text, stored

MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before NumPy 2, and since
NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
LONGEST_TYPE = 10
"""Letters of a type of numbers, as f4."""


class Kind:
    """What a pickle says about the type of an array: its letter and width, then its order."""

    def __init__(self, name: Any = "", *unused):
        """Takes the arguments of numpy.dtype."""
        self._name, self.order = name, "<"

    def fill(self, state: Any) -> None:
        """Takes the order of the bytes."""
        if isinstance(state, tuple) and state[1:2] == (">",):
            self.order = ">"

    @property
    def name(self) -> str:
        """NumPy's long name of the type; a short text may not ask for a table of many columns."""
        if not isinstance(self._name, str) or len(self._name) > LONGEST_TYPE:
            return "unknown"
        try:
            return np.dtype(self._name).name
        except TypeError:
            return self._name


class Array:
    """An array of a pickle; nothing is looked at before it is asked for."""

    def __init__(self, *unused):
        """Holds nothing yet; what follows in the pickle fills it."""
        self._shape, self._kind, self._is_fortran, self._contents = (), Kind("O"), False, None

    def fill(self, state: Any) -> None:
        """Takes version, shape, type, order and contents, as numpy.ndarray does."""
        if isinstance(state, tuple) and len(state) == 5:
            _, self._shape, self._kind, self._is_fortran, self._contents = state

    def objects(self) -> list[Any] | None:
        """The values of an array of objects; None where it has numbers."""
        return self._contents if isinstance(self._contents, list) else None

    def stored(self) -> Stored:
        """The array of numbers.

        Raises:
          ValueError: it is none, or its size is not that of its contents.
        """
        contents = self._contents
        if isinstance(contents, str):
            contents = contents.encode("latin1")
        if isinstance(contents, bytes):
            contents = Held(contents)
        if not isinstance(contents, Span | Text | Held) or not isinstance(self._kind, Kind):
            raise ValueError("an array without numbers")
        kind = self._kind
        return stored(contents, self._shape, kind.name, kind.order, bool(self._is_fortran))


def _from_buffer(contents: Any, kind: Any, shape: Any, order: Any = "C") -> Array:
    """Stands for what the fifth protocol makes arrays with."""
    array = Array()
    array.fill((1, shape, kind, order == "F", contents))
    return array


def encoded(text: Any = "", *unused) -> Any:
    """Stands for _codecs.encode, in which the older protocols wrap bytes; text it stays."""
    return text


ARRAYS = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Kind,
    ("_codecs", "encode"): encoded,
    **{(module, "_reconstruct"): Array for module in MULTIARRAY},
    **{(module, "_frombuffer"): _from_buffer for module in NUMERIC},
}
