"""Arrays of a file: shapes and types first, numbers when they are asked for.

So sizes are compared with a network's before memory is taken, whatever a file claims.
"""

import dataclasses
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

NUMBERS = {
    **{"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2},
    **{f"float8_{kind}": 1 for kind in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz")},
    **{f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""Types that are read, and the bytes of one number."""
FLOAT8 = {"float8_e4m3fn": (3, 7), "float8_e4m3fnuz": (3, 8), "float8_e5m2fnuz": (2, 16)}
"""Bits of the fraction, and what is subtracted from the exponent; none has an infinity."""
LARGE_BYTES = 2**26
"""Above these, what a file says of a size that no network tells is doubted."""
MOST_GROWTH = 100
"""Times that such an array may grow; weights hardly do, zeros do a thousand times."""
MOST_AXES = 8
"""Of an array; no weights have more than five."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """An array of a file."""

    shape: tuple[int, ...]
    """Shape of the array."""
    dtype: str
    """NumPy's or PyTorch's name of its type; may be missing in NUMBERS."""
    read: Callable[[], np.ndarray]
    """Reads the numbers."""
    packed: int = 0
    """Number of bytes in the file; arrays may share them."""

    @property
    def grows(self) -> bool:
        """Whether it is large, and much larger than its bytes in the file."""
        num_bytes = math.prod(self.shape) * NUMBERS.get(self.dtype, 0)
        return num_bytes > LARGE_BYTES and num_bytes > MOST_GROWTH * self.packed


class Contents(Protocol):
    """Bytes of a file, read when they are needed."""

    @property
    def length(self) -> int | None:
        """Number of bytes; None if only reading tells."""

    @property
    def packed(self) -> int:
        """Number of bytes that they take in the file."""

    def read(self, first: int, num_bytes: int) -> bytes | bytearray:
        """Reads a range of them.

        Raises:
          EOFError: the file ends earlier.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class Span:
    """A part of a file, not encoded."""

    path: pathlib.Path
    """The file."""
    start: int
    """First byte."""
    length: int
    """Number of bytes."""

    @property
    def packed(self) -> int:
        """Number of bytes."""
        return self.length

    def read(self, first: int, num_bytes: int) -> bytearray:
        """Reads a range of them."""
        if self.start + first + num_bytes > os.path.getsize(self.path):
            raise EOFError("it ends inside of an array")
        contents = bytearray(num_bytes)
        with open(self.path, "rb") as file:
            file.seek(self.start + first)
            if file.readinto(contents) != num_bytes:
                raise EOFError("it ends inside of an array")
        return contents


@dataclasses.dataclass(frozen=True, eq=False)
class Text:
    """Bytes that are stored as UTF-8 text, one character for each."""

    path: pathlib.Path
    """The file."""
    start: int
    """First byte of the text."""
    packed: int
    """Number of bytes of the text."""
    length = None

    def read(self, first: int, num_bytes: int) -> bytes:
        """Reads all of them; a range is not supported."""
        text = Span(self.path, self.start, self.packed).read(0, self.packed)
        contents = text.decode().encode("latin1")
        if (first, num_bytes) != (0, len(contents)):
            raise ValueError(f"{len(contents)} bytes of text in an array of {num_bytes}")
        return contents


@dataclasses.dataclass(frozen=True, eq=False)
class Held:
    """Bytes in memory, such as the contents of small files."""

    contents: bytes
    """All bytes."""

    @property
    def length(self) -> int:
        """Number of bytes."""
        return len(self.contents)

    packed = length

    def read(self, first: int, num_bytes: int) -> bytes:
        """Reads a range of them."""
        return self.contents[first : first + num_bytes]


def stored(
    contents: Contents, shape: Any, dtype: str, order: str = "<", is_fortran: bool = False
) -> Stored:
    """Describes an array whose numbers are contiguous.

    Args:
      contents: all of its bytes.
      shape: its shape, as found in the file.
      dtype: name of its type.
      order: byte order: `<` for little-endian, `>` for big-endian.
      is_fortran: whether the first axis varies fastest.

    Raises:
      ValueError: it is not a shape, or the contents have another size.
    """
    shape = axes(shape)
    num_bytes = math.prod(shape) * NUMBERS.get(dtype, 0)
    if dtype in NUMBERS and contents.length not in (num_bytes, None):
        raise ValueError(f"{contents.length} bytes in an array of {dtype} and shape {shape}")

    def read() -> np.ndarray:
        flat = numbers(contents.read(0, num_bytes), dtype, order)
        return flat.reshape(shape, order="F" if is_fortran else "C")

    return Stored(shape, dtype, read, contents.packed)


def axes(found: Any) -> tuple[int, ...]:
    """Checks a shape, or the strides of an array, as found in a file.

    Raises:
      ValueError: it is neither.
    """
    are_sizes = isinstance(found, tuple | list) and len(found) <= MOST_AXES
    if not are_sizes or not all(type(size) is int and 0 <= size < 2**63 for size in found):
        raise ValueError("an array without a shape")
    return tuple(found)


def numbers(contents: bytes | bytearray, dtype: str, order: str = "<") -> np.ndarray:
    """Converts bytes to numbers; types that NumPy lacks become float32."""
    if dtype == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(contents, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    if dtype == "float8_e5m2":  # the upper half of a float16
        return (np.frombuffer(contents, np.uint8).astype(np.uint16) << 8).view(np.float16)
    if dtype in FLOAT8:
        return _float8(np.frombuffer(contents, np.uint8), dtype)
    return np.frombuffer(contents, np.dtype(dtype).newbyteorder(order))


def _float8(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Converts 8-bit floats to float32 by moving exponent and fraction to their places."""
    fraction_bits, bias = FLOAT8[dtype]
    wide = (bits & 0x7F).astype(np.uint32) << (23 - fraction_bits)
    values = wide.view(np.float32) * np.float32(2.0 ** (127 - bias))
    is_none = bits == 0x80 if dtype.endswith("uz") else bits & 0x7F == 0x7F
    return np.where(is_none, np.nan, np.where(bits & 0x80, -values, values))


def is_floating(dtype: str) -> bool:
    """Tells whether a type is floating-point: integers are counters and states, not weights."""
    return dtype.startswith(("float", "bfloat", "complex"))
