"""The names in a pickle of NumPy arrays, and what replaces each of them."""

import dataclasses
from typing import Any

import numpy as np

from alexnet_tf.weights.pickles import mapping
from alexnet_tf.weights.stored import Held, Span, Stored, Text, axes, stored

MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before NumPy 2, and since
NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
LONGEST_TYPE = 10
"""Letters of a type of numbers, as f4."""


class Kind:
    """The type of an array in a pickle: its letter and width, then its byte order."""

    def __init__(self, name: Any = "", *unused):
        """Takes the arguments of numpy.dtype."""
        self._name, self.order = name, "<"

    def fill(self, state: Any) -> None:
        """Takes the byte order."""
        if isinstance(state, tuple) and state[1:2] == (">",):
            self.order = ">"

    @property
    def name(self) -> str:
        """NumPy's long name of the type; record types are refused, as they may be huge."""
        if not isinstance(self._name, str) or len(self._name) > LONGEST_TYPE:
            return "unknown"
        try:
            return np.dtype(self._name).name
        except TypeError:
            return self._name


class Array:
    """An array of a pickle; checked only when it is used."""

    def __init__(self, *unused):
        """Starts empty; `fill` is called by what follows in the pickle."""
        self._shape, self._kind, self._is_fortran, self._contents = (), Kind("O"), False, None
        self.axis_order = None

    def fill(self, state: Any) -> None:
        """Takes version, shape, type, order and contents, as numpy.ndarray does."""
        if isinstance(state, tuple) and len(state) == 5:
            _, self._shape, self._kind, self._is_fortran, self._contents = state

    def objects(self) -> list[Any] | None:
        """Returns the values of an array of objects; None if it has numbers."""
        return self._contents if isinstance(self._contents, list) else None

    def stored(self) -> Stored:
        """Describes an array of numbers.

        Raises:
          ValueError: it is not one, or its size is not that of its contents.
        """
        contents = self._contents
        if isinstance(contents, str):
            contents = contents.encode("latin1")
        if isinstance(contents, bytes):
            contents = Held(contents)
        if not isinstance(contents, Span | Text | Held) or not isinstance(self._kind, Kind):
            raise ValueError("an array without numbers")
        kind = self._kind
        found = stored(contents, self._shape, kind.name, kind.order, bool(self._is_fortran))
        return found if self.axis_order is None else transposed(found, self.axis_order)


def transposed(array: Stored, axis_order: Any) -> Stored:
    """Describes an array whose axes are taken in another order.

    Raises:
      ValueError: it is no order of these axes.
    """
    order = axes(axis_order)
    if sorted(order) != list(range(len(array.shape))):
        raise ValueError(f"axes in order {order} of an array of shape {array.shape}")
    shape = tuple(array.shape[axis] for axis in order)
    return dataclasses.replace(array, shape=shape, read=lambda: array.read().transpose(order))


def _from_buffer(
    contents: Any, kind: Any, shape: Any, order: Any = "C", axis_order: Any = None
) -> Array:
    """Makes an array, as protocol 5 does; with order K its axes follow, since NumPy 2.3."""
    array = Array()
    array.fill((1, shape, kind, order == "F", contents))
    array.axis_order = axis_order if order == "K" else None
    return array


def encoded(text: Any = "", *unused) -> Any:
    """Replaces _codecs.encode, in which older protocols wrap bytes; leaves them as text."""
    return text


ARRAYS = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Kind,
    ("_codecs", "encode"): encoded,
    ("collections", "OrderedDict"): mapping,
    **{(module, "_reconstruct"): Array for module in MULTIARRAY},
    **{(module, "_frombuffer"): _from_buffer for module in NUMERIC},
}
