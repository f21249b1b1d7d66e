"""NumPy's files of weights: the pickled dictionary of bvlc_alexnet.npy, and plain .npz."""

import io
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from alexnet_tf.config.optimizer import is_slot
from alexnet_tf.errors import UserError
from alexnet_tf.weights import archives
from alexnet_tf.weights.numpy_pickles import ARRAYS, Array
from alexnet_tf.weights.pickles import Inert, Values
from alexnet_tf.weights.stored import Stored, stored

MOST_HEADER_BYTES = 12_000
"""Before the numbers of an array; NumPy itself reads no longer ones."""
MOST_ARRAYS = 10_000
"""Of a dictionary; one may refer to the same again and again."""
READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
PARTS = {
    **dict.fromkeys(("kernel", "weights", "weight", "W", "w"), "kernel"),
    **dict.fromkeys(("bias", "biases", "b"), "bias"),
}
"""What programs call the arrays of a layer, and what we do."""


def read_npy(path: pathlib.Path) -> dict[str, Stored]:
    """Reads a pickled dictionary from the name of a layer to its arrays.

    A layer's arrays are a list of kernel and bias, or a dictionary, as in caffe-tensorflow.

    Returns:
      `conv1/kernel` float [h, w, in / groups, out], `fc6/kernel` [in, out], `conv1/bias` [out].

    Raises:
      UserError: the file has no such dictionary.
      Exception: of many kinds, if the file is damaged.
    """
    found = None
    with open(path, "rb") as file:
        *_, dtype, num_bytes = _header(file.read(MOST_HEADER_BYTES))
        if dtype.hasobject:
            file.seek(num_bytes)
            found = _entries(_only(Values(file, ARRAYS, path=path).load()))
    if not isinstance(found, Mapping):
        raise UserError(
            "expected a dictionary from the name of a layer to its arrays, such as "
            "{'conv1': [kernel, bias]}, and it holds something else."
        )
    arrays: dict[str, Stored] = {}
    for layer, parts in found.items():
        for part, array in _parts(parts, _text(layer)):
            name = f"{_text(layer)}/{part}"
            if not isinstance(array, Array) or len(arrays) >= MOST_ARRAYS:
                raise UserError(f"{name} is no array, or one too many; expected a layer's numbers.")
            arrays[name] = array.stored()
    return arrays


def _only(found: Any) -> Any:
    """Takes the value out of the array that NumPy puts around it."""
    objects = found.objects() if isinstance(found, Array) else None
    return objects[0] if objects and len(objects) == 1 else found


def _entries(found: Any) -> Any:
    """Takes the items of an object that would have some, such as a defaultdict."""
    return found.entries if isinstance(found, Inert) and found.entries else found


def _parts(arrays: Any, layer: str) -> Iterator[tuple[str, Any]]:
    """Names the arrays of a layer."""
    if isinstance(arrays, Array) and arrays.objects() is not None:
        arrays = arrays.objects()
    arrays = _entries(arrays)
    if isinstance(arrays, Mapping):
        yield from ((PARTS.get(_text(name), _text(name)), x) for name, x in arrays.items())
    elif isinstance(arrays, list | tuple):
        yield from zip(("kernel", "bias"), arrays, strict=False)
    else:
        raise UserError(
            f"{layer} is no layer; expected a list of kernel and bias, or a dictionary."
        )


def _text(key: str | bytes | int) -> str:
    """Converts a key to text; files from Python 2 have bytes."""
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def read_npz(path: pathlib.Path) -> dict[str, Stored]:
    """Reads arrays by our own names, such as those of a checkpoint; slots are left out.

    Raises:
      Exception: of several kinds, if the file is damaged.
    """
    return {
        name.removesuffix(".npy"): _of_entry(entry)
        for name, entry in archives.entries(path).items()
        if name.endswith(".npy") and not is_slot(name.removesuffix(".npy"))
    }


def _of_entry(entry: archives.Entry) -> Stored:
    """Reads the header of an array in an .npz."""
    begin = entry.read(0, min(entry.length, MOST_HEADER_BYTES))
    shape, is_fortran, dtype, num_bytes = _header(begin)
    kind = "objects" if dtype.hasobject else dtype.name
    order = ">" if dtype.byteorder == ">" else "<"
    return stored(_After(entry, num_bytes), shape, kind, order, is_fortran)


def _header(begin: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Reads the header of an array: shape, order of the axes, type, and its own length."""
    file = io.BytesIO(begin)
    return *READERS[np.lib.format.read_magic(file)](file), file.tell()


class _After:
    """The contents of an entry after its first bytes."""

    def __init__(self, entry: archives.Entry, first: int):
        """Skips `first` bytes."""
        self._entry, self._first = entry, first
        self.length, self.packed = entry.length - first, entry.packed

    def read(self, first: int, num_bytes: int) -> bytes | bytearray:
        """Reads a range of them."""
        return self._entry.read(self._first + first, num_bytes)


def write_npz(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by their names."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)
