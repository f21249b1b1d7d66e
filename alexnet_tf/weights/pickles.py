"""Pickles read as values: what a file names is looked up in a list, none of its code is run.

A pickle is a program that may call anything. Here every name in it stands for one of a few
functions of ours that only keep what they are given; a file that names another is refused.
"""

import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

from alexnet_tf.errors import UserError

MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before NumPy 2, and since
FLOATS = ("f2", "f4", "f8")


class Values(pickle.Unpickler):
    """Reads one pickle.

    Args:
      file: open for reading bytes, at the beginning of the pickle.
      known: what stands for each (module, name); all others are refused.
      persistent: gives the value of an identifier that the file has in the place of a value.
    """

    def __init__(
        self,
        file: BinaryIO,
        known: Mapping[tuple[str, str], Any],
        persistent: Callable[[Any], Any] | None = None,
    ):
        """Takes strings of Python 2 as they are, byte by byte."""
        super().__init__(file, encoding="latin1")
        self._known, self._persistent = known, persistent

    def find_class(self, module: str, name: str) -> Any:
        """Looks a name up.

        Raises:
          UserError: it is not one of those known.
        """
        if (module, name) not in self._known:
            raise UserError(
                f"it would run {module}.{name}; expected nothing but arrays by name, since none of "
                "a file's code is run here. Save its weights alone, as a dictionary."
            )
        return self._known[module, name]

    def persistent_load(self, identifier: Any) -> Any:
        """Asks whoever reads the file."""
        if self._persistent is None:
            raise pickle.UnpicklingError("a persistent identifier, expected values")
        return self._persistent(identifier)


class Kind:
    """What a pickle says about the type of an array: its letter and width, then its order."""

    def __init__(self, name: str, *unused):
        """Takes the arguments of numpy.dtype."""
        self.name, self.order = name, "<"

    def __setstate__(self, state: tuple):
        """Takes the order of the bytes."""
        self.order = "<" if state[1] == "|" else state[1]


class Array:
    """An array of a pickle; `value` once it is read."""

    def __init__(self, *unused):
        """Holds nothing yet; what follows in the pickle fills it."""
        self.value: Any = None

    def __setstate__(self, state: tuple):
        """Takes version, shape, type, order and contents, as numpy.ndarray does."""
        _, shape, kind, is_fortran, contents = state
        if kind.name in ("O", "O8") and shape == ():
            (self.value,) = contents
            return
        if kind.name not in FLOATS:
            raise ValueError(f"an array of type {kind.name}, expected {', '.join(FLOATS)}")
        contents = contents.encode("latin1") if isinstance(contents, str) else contents
        flat = np.frombuffer(contents, np.dtype(kind.order + kind.name))
        if flat.size != math.prod(shape):
            raise ValueError(f"{flat.size} numbers in an array of shape {shape}")
        self.value = flat.reshape(shape, order="F" if is_fortran else "C")


def _encoded(text: str, *unused) -> bytes:
    """Stands for _codecs.encode, in which Python 3 wraps bytes for older readers."""
    return text.encode("latin1")


ARRAYS = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Kind,
    ("_codecs", "encode"): _encoded,
    **{(module, "_reconstruct"): Array for module in MULTIARRAY},
}
"""What a pickle of NumPy arrays names."""
