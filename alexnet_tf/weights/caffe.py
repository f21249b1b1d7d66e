"""Caffe's files of weights, read with the parts of caffe.proto that they need.

NetParameter       layers = 2 (V1LayerParameter), layer = 100 (LayerParameter)
V1LayerParameter   name = 4, type = 5, blobs = 6       files up to 2014
LayerParameter     name = 1, type = 2, blobs = 7
BlobProto          num, channels, height, width = 1 to 4, data = 5, shape = 7, double_data = 8
"""

import functools
import pathlib

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from alexnet_tf.errors import UserError

Field = descriptor_pb2.FieldDescriptorProto
INNER_PRODUCT = (14, "InnerProduct")
"""Type of a fully connected layer, in both formats."""

# Packed numbers are declared as the bytes they are stored as: sixty million of them would
# otherwise become as many objects of Python.
MESSAGES = {
    "BlobShape": {"dim": (1, Field.TYPE_INT64, True)},
    "BlobProto": {
        "num": (1, Field.TYPE_INT32, False),
        "channels": (2, Field.TYPE_INT32, False),
        "height": (3, Field.TYPE_INT32, False),
        "width": (4, Field.TYPE_INT32, False),
        "data": (5, Field.TYPE_BYTES, False),
        "shape": (7, "BlobShape", False),
        "double_data": (8, Field.TYPE_BYTES, False),
    },
    "V1LayerParameter": {
        "name": (4, Field.TYPE_BYTES, False),
        "type": (5, Field.TYPE_INT32, False),
        "blobs": (6, "BlobProto", True),
    },
    "LayerParameter": {
        "name": (1, Field.TYPE_BYTES, False),
        "type": (2, Field.TYPE_STRING, False),
        "blobs": (7, "BlobProto", True),
    },
    "NetParameter": {
        "layers": (2, "V1LayerParameter", True),
        "layer": (100, "LayerParameter", True),
    },
}
"""Each message's fields: number, type or message, whether there may be several."""


@functools.cache
def net_parameter() -> type:
    """Makes the class of a whole file from the description above."""
    file = descriptor_pb2.FileDescriptorProto(
        name="alexnet_tf/caffe.proto", package="alexnet_tf.caffe", syntax="proto2"
    )
    for message, fields in MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, (number, kind, is_repeated) in fields.items():
            label = Field.LABEL_REPEATED if is_repeated else Field.LABEL_OPTIONAL
            field = described.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{file.package}.{kind}"
            else:
                field.type = kind
            field.options.packed = name == "dim"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{file.package}.NetParameter")
    )


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the weights of a .caffemodel.

    Returns:
      `conv1/kernel` float [out, in / groups, h, w], `fc6/kernel` [out, in], `conv1/bias` [out].

    Raises:
      UserError: there are none, as in an empty file.
      Exception: of several kinds, where the file is damaged.
    """
    net = net_parameter().FromString(path.read_bytes())
    arrays = {}
    for layer in (*net.layers, *net.layer):
        name = layer.name.decode()
        for part, blob in zip(("kernel", "bias"), layer.blobs, strict=False):
            array = _array(blob)
            if part == "bias":
                array = array.reshape(-1)  # [1, 1, 1, out] in the old format
            elif layer.type in INNER_PRODUCT:
                array = array.reshape(array.shape[-2:])  # [1, 1, out, in]
            arrays[f"{name}/{part}"] = array
    if not arrays:
        raise UserError("it holds no layer with weights; expected a whole .caffemodel.")
    return arrays


def _array(blob) -> np.ndarray:
    """Gives the numbers of a blob their shape."""
    shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
    contents, kind = (blob.double_data, "<f8") if blob.double_data else (blob.data, "<f4")
    return np.frombuffer(contents, kind).reshape(shape)
