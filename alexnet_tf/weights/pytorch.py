"""PyTorch's files of weights: a zip archive, or, before PyTorch 1.6, a sequence of pickles.

PyTorch itself is not needed.
"""

import dataclasses
import io
import math
import os
import pathlib
from typing import Any, BinaryIO

import numpy as np

from alexnet_tf.weights import archives, state_dicts
from alexnet_tf.weights.numpy_pickles import ARRAYS
from alexnet_tf.weights.pickles import Inert, Values, mapping
from alexnet_tf.weights.stored import LARGE_BYTES, NUMBERS, Contents, Span, Stored, axes, numbers

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
ZIP_MAGIC = b"PK\x03\x04"
LARGE_PICKLE_BYTES = 2**25
"""Above these, the pickle inside an archive is read where it is: it has arrays of NumPy's."""
STORAGES = {
    **{"Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16"},
    **{"Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8"},
    **{"Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128"},
    **{"QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32", "Untyped": "bytes"},
}
"""Types of their numbers by PyTorch's names for storages."""
WIDTHS = {
    **NUMBERS,
    **{
        "bool": 1,
        "complex64": 8,
        "complex128": 16,
        "qint8": 1,
        "quint8": 1,
        "qint32": 4,
        "bytes": 1,
    },
}
"""Bytes of one number, of types that are not read too."""


@dataclasses.dataclass(slots=True, eq=False)
class Storage:
    """A flat array of numbers that tensors are views of."""

    dtype: str
    """Name of their type; `bytes` if each tensor has its own."""
    contents: Contents | None = None
    """The numbers, little-endian; None before their place is known."""


@dataclasses.dataclass(slots=True, eq=False)
class Tensor:
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: Any
    offset: Any
    size: Any
    stride: Any
    dtype: str

    def stored(self) -> Stored:
        """Describes the array.

        Raises:
          ValueError: it has no shape, or no storage.
        """
        shape, steps = axes(self.size), axes(self.stride)
        (offset,) = axes((self.offset,))
        if len(shape) != len(steps) or not isinstance(self.storage, Storage):
            raise ValueError("a tensor without a shape or a storage")
        packed = self.storage.contents.packed if self.storage.contents else 0
        return Stored(shape, self.dtype, lambda: self._view(offset, shape, steps), packed)

    def _view(self, offset: int, shape: tuple[int, ...], steps: tuple[int, ...]) -> np.ndarray:
        """Reads the numbers from the first to the last of the view.

        Raises:
          ValueError: the view reaches beyond its storage.
        """
        if 0 in shape:
            return np.zeros(shape, np.float32)
        contents, width = self.storage.contents, NUMBERS[self.dtype]
        count = 1 + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
        if contents is None or (offset + count) * width > contents.length:
            raise ValueError(f"a tensor of shape {shape} beyond its storage")
        if count * width > LARGE_BYTES and count > 2 * math.prod(shape):
            raise ValueError(f"a tensor of shape {shape} spread over {count:,} numbers")
        flat = numbers(contents.read(offset * width, count * width), self.dtype)
        view = np.lib.stride_tricks.as_strided(flat, shape, [x * flat.itemsize for x in steps])
        return view.copy()


def _tensor(storage, offset, size, stride, _=None, hooks=None, bits=None) -> Tensor | Inert:
    """Makes a tensor of a typed storage; replaces PyTorch's functions for it."""
    if bits:  # of complex numbers, which are conjugated or negated when they are read
        return Inert("torch", "Tensor with a bit for conj or neg")
    return Tensor(storage, offset, size, stride, getattr(storage, "dtype", "unknown"))


def _tensor_of_type(storage, offset, size, stride, _, hooks, dtype, bits=None) -> Tensor | Inert:
    """Makes a tensor of an untyped storage; replaces PyTorch's function for it."""
    made = _tensor(storage, offset, size, stride, bits=bits)
    if isinstance(made, Tensor):
        made.dtype = getattr(dtype, "name", "unknown").removeprefix("torch.")
    return made


def _first(value=None, *unused) -> Any:
    """Returns the first argument; replaces functions that wrap it."""
    return value


def _of_type(function=None, kind=None, arguments=(), *unused) -> Any:
    """Makes a tensor; replaces the function for subclasses and tensors with attributes."""
    if not callable(function) or not isinstance(arguments, tuple) or len(arguments) > 8:
        return kind
    return function(*arguments)


KNOWN = {
    **ARRAYS,
    ("collections", "OrderedDict"): mapping,
    ("torch", "Size"): _first,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_type,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): _first,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): _first,
    ("torch._tensor", "_rebuild_from_type"): _of_type,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
}
"""What stands for the names in a file of tensors."""


def read(path: pathlib.Path) -> dict[str, Stored]:
    """Reads a state dict, whatever else the file contains.

    Returns:
      arrays by PyTorch's names without the prefixes of wrappers: `features.0.weight`, ...

    Raises:
      UserError: the file has no state dict, or several.
      Exception: of many kinds, if the file is damaged.
    """
    with open(path, "rb") as file:
        is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        file.seek(0)
        found = _read_zip(path) if is_zip else _read_legacy(path, file)
    return state_dicts.arrays_of(found)


def _read_zip(path: pathlib.Path) -> Any:
    """Reads the format since PyTorch 1.6: NAME/data.pkl, and NAME/data/KEY for each storage."""
    entries = archives.entries(path)
    (main,) = [name for name in entries if name.endswith("/data.pkl")]
    top = main.removesuffix("data.pkl")
    if f"{top}byteorder" in entries:
        order = bytes(entries[f"{top}byteorder"].read(0, len("little")))
        if order != b"little":
            raise ValueError(f"byteorder={order!r}, expected little")

    def storage(identifier: Any) -> Storage:
        dtype, key = _identified(identifier)
        return Storage(dtype, entries.get(f"{top}data/{key}"))

    if entries[main].length <= LARGE_PICKLE_BYTES:
        pickled = io.BytesIO(entries[main].read(0, entries[main].length))
        return Values(pickled, KNOWN, storage).load()
    with open(path, "rb") as file:
        entries[main].go_to(file)
        return Values(file, KNOWN, storage, path).load()


def _read_legacy(path: pathlib.Path, file: BinaryIO) -> Any:
    """Reads the older format: three pickles about the file, the object, then all storages."""
    magic, _, about = (Values(file, {}).load() for _ in range(3))
    if magic != LEGACY_MAGIC or not about["little_endian"]:
        raise ValueError("no mark of PyTorch's at its beginning, or another order of bytes")
    storages: dict[str, Storage] = {}

    def storage(identifier: Any) -> Any:
        if identifier[0] == "module":  # a class, and its source
            return identifier[1]
        dtype, key = _identified(identifier)
        if identifier[5:] not in ((), (None,)):
            raise ValueError("a view of a storage, expected whole storages")
        return storages.setdefault(key, Storage(dtype))

    found = Values(file, KNOWN, storage, path).load()
    for key in Values(file, {}).load():
        num_bytes = int.from_bytes(file.read(8), "little") * WIDTHS[storages[key].dtype]
        storages[key].contents = Span(path, file.tell(), num_bytes)
        if file.tell() + num_bytes > os.path.getsize(path):
            raise EOFError("it ends inside of an array")
        file.seek(num_bytes, os.SEEK_CUR)
    return found


def _identified(identifier: Any) -> tuple[str, str]:
    """Returns type and key of a storage."""
    _, kind, key, *_ = identifier
    if not isinstance(kind, Inert) or not isinstance(key, str):
        raise ValueError("a storage without a type or a key")
    return STORAGES.get(kind.name.rpartition(".")[2].removesuffix("Storage"), kind.name), key
