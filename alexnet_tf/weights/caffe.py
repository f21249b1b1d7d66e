"""Caffe's files of weights, read by the parts of caffe.proto that they need.

NetParameter       layers = 2 (V1LayerParameter), layer = 100 (LayerParameter)
V1LayerParameter   name = 4, type = 5, blobs = 6       files up to 2014
LayerParameter     name = 1, type = 2, blobs = 7
BlobProto          num, channels, height, width = 1 to 4, data = 5, shape = 7, double_data = 8
BlobShape          dim = 1

A message is a sequence of fields: number and kind, then a number, or a length and as many bytes.
Fields are read one by one from the file; the numbers of a blob stay there until they are needed.
"""

import dataclasses
import io
import os
import pathlib
from collections.abc import Iterator
from typing import BinaryIO

from alexnet_tf.errors import UserError
from alexnet_tf.weights.stored import Held, Span, Stored, axes, stored

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Kinds of fields."""
MOST_FIELDS = 1_000_000
"""Of a file; a layer has about 30."""
LAYERS = {2: (4, 5, 6), 100: (1, 2, 7)}
"""Fields of a net that are layers: where those have their name, type and blobs."""
INNER_PRODUCT = (14, b"InnerProduct")
"""Type of a fully connected layer, in both formats."""
SIDES, DATA, SHAPE, DOUBLE_DATA, DIM = (1, 2, 3, 4), 5, 7, 8, 1
TYPES = {DATA: "float32", DOUBLE_DATA: "float64"}


@dataclasses.dataclass
class _Net:
    """Reads the messages of a file."""

    path: pathlib.Path
    file: BinaryIO
    num_fields: int = 0

    def fields(self, span: Span) -> Iterator[tuple[int, int | Span]]:
        """Yields the fields of a message: numbers, or the places of their bytes.

        Raises:
          ValueError: these are not fields, or too many.
          EOFError: a field would reach beyond the message.
        """
        at, end = span.start, span.start + span.length
        while at < end:
            self.num_fields += 1
            if self.num_fields > MOST_FIELDS:
                raise ValueError(f"more than {MOST_FIELDS:,} fields")
            self.file.seek(at)
            key = _varint(self.file)
            kind, value = key & 7, None
            if kind == VARINT:
                value = _varint(self.file)
            elif kind == BYTES:
                length = _varint(self.file)
            elif kind in (FIXED32, FIXED64):
                length = 4 if kind == FIXED32 else 8
            else:
                raise ValueError(f"a field of kind {kind}")
            at = self.file.tell()
            if value is None:
                value = Span(self.path, at, length)
                at += length
            if at > end:
                raise EOFError("it ends inside of a field")
            yield key >> 3, value


def _varint(file: BinaryIO) -> int:
    """Reads a number, seven bits per byte, lowest first."""
    number = 0
    for shift in range(0, 70, 7):
        (byte,) = file.read(1) or (None,)
        if byte is None:
            raise EOFError("it ends inside of a number")
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise ValueError("a number of more than 64 bits")


def read(path: pathlib.Path) -> dict[str, Stored]:
    """Reads the weights of a .caffemodel.

    Returns:
      `conv1/kernel` float [out, in / groups, h, w], `fc6/kernel` [out, in], `conv1/bias` [out].

    Raises:
      UserError: there are none, as in an empty file.
      Exception: of several kinds, if the file is damaged.
    """
    arrays = {}
    with open(path, "rb") as file:
        net = _Net(path, file)
        for number, layer in net.fields(Span(path, 0, os.path.getsize(path))):
            if number in LAYERS and isinstance(layer, Span):
                arrays |= _layer(net, layer, *LAYERS[number])
    if not arrays:
        raise UserError("it holds no layer with weights; expected a whole .caffemodel.")
    return arrays


def _layer(net: _Net, layer: Span, name: int, kind: int, blobs: int) -> dict[str, Stored]:
    """Reads the arrays of a layer; `name`, `kind` and `blobs` are field numbers."""
    called, is_dense, found = "", False, []
    for number, value in net.fields(layer):
        if number == name:
            called = _text(value).decode("utf-8", "replace")
        elif number == kind:
            is_dense = (value if isinstance(value, int) else _text(value)) in INNER_PRODUCT
        elif number == blobs and isinstance(value, Span):
            found.append(value)
    arrays = {}
    for part, blob in zip(("kernel", "bias"), found, strict=False):
        axes_kept = 1 if part == "bias" else 2 if is_dense else 4
        arrays[f"{called}/{part}"] = _array(net, blob, axes_kept)
    return arrays


def _text(value: int | Span) -> bytes:
    """Reads a short text."""
    if isinstance(value, int) or value.length > 1000:
        raise ValueError("a layer without a name")
    return value.read(0, value.length)


def _array(net: _Net, blob: Span, axes_kept: int) -> Stored:
    """Describes the array of a blob; leading axes of 1 are dropped down to `axes_kept` axes."""
    sides, shape, contents, dtype = dict.fromkeys(SIDES, 0), None, Held(b""), "float32"
    for number, value in net.fields(blob):
        if number in SIDES:
            sides[number] = value
        elif number == SHAPE:
            shape = _dims(net, value)
        elif number in TYPES and isinstance(value, Span) and value.length:
            if contents.length:
                raise ValueError("a blob whose numbers are in several places")
            contents, dtype = value, TYPES[number]
    shape = axes(shape if shape is not None else list(sides.values()))
    while len(shape) > axes_kept and shape[0] == 1:
        shape = shape[1:]
    return stored(contents, shape, dtype)


def _dims(net: _Net, shape: Span) -> list[int]:
    """Reads a BlobShape, whose numbers are packed in one field or each in its own."""
    dims = []
    for number, value in net.fields(shape):
        if number == DIM and isinstance(value, int):
            dims.append(value)
        elif number == DIM:
            packed = io.BytesIO(value.read(0, min(value.length, 1000)))
            while packed.tell() < min(value.length, 1000):
                dims.append(_varint(packed))
    return dims
