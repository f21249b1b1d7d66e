"""Weight files as other programs write them, with random weights of networks small enough."""

import dataclasses
import functools
import importlib.util
import io
import pickle
import struct

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.weights import layouts

SMALL = ("--network.width=0.0625", "--network.fc_width=16", "--network.input.size=67")
"""Flags that make any network of the family small; 67 pixels leave it all of its layers."""


def small(name: str, num_classes: int = 3, size: int = 67) -> NetworkConfig:
    """Applies SMALL to a network."""
    found = network(name)
    inputs = dataclasses.replace(found.input, size=size)
    return dataclasses.replace(
        found, width=1 / 16, fc_width=16, input=inputs, num_classes=num_classes
    )


def weights(config: NetworkConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Draws random weights and biases by our names; activations keep their scale."""
    draw = np.random.default_rng(seed)
    return {
        f"{row.name}/{part}": draw.normal(
            scale=1.4 / np.sqrt(row.fan_in) if part == "kernel" else 0.1, size=shape
        ).astype(np.float32)
        for row in table(config)
        for part, shape in row.weights.items()
    }


Field = descriptor_pb2.FieldDescriptorProto

# Of caffe.proto; packed numbers are declared as the bytes they are stored as.
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
        name="tests/caffe.proto", package="tests.caffe", syntax="proto2"
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


def write_caffemodel(
    path, config: NetworkConfig, arrays: dict, is_old: bool, called=lambda name: name
) -> None:
    """Writes the arrays as Caffe did up to 2014 (is_old), or as it has since.

    Args:
      path: of the file.
      config: caffe or caffenet.
      arrays: by our names.
      is_old: which of its two formats.
      called: gives the name that a layer has in the file.
    """
    theirs = layouts.from_ours(arrays, layouts.CAFFE, config)
    net = net_parameter()()
    data = (net.layers if is_old else net.layer).add()
    data.name, data.type = b"data", 5 if is_old else "Data"
    for name in dict.fromkeys(name.partition("/")[0] for name in theirs):
        layer = (net.layers if is_old else net.layer).add()
        old, new = (4, "Convolution") if name.startswith("conv") else (14, "InnerProduct")
        layer.name, layer.type = called(name).encode(), old if is_old else new
        for part in ("kernel", "bias"):
            array, blob = theirs[f"{name}/{part}"], layer.blobs.add()
            blob.data = array.astype("<f4").tobytes()
            if is_old:
                sides = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = sides
            else:
                blob.shape.dim.extend(array.shape)
    path.write_bytes(net.SerializeToString())


class Python2(pickle._Pickler):
    """Writes strings as Python 2 did, text and arrays' contents alike."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, text):
        contents = text if isinstance(text, bytes) else text.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(contents)) + contents)
        self.memoize(text)

    dispatch[bytes] = dispatch[str] = save_string


def old_npy(arrays) -> bytes:
    """Makes bvlc_alexnet.npy as Python 2 and NumPy 1 wrote it."""
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    Python2(file, protocol=2).dump(np.array(by_layer(arrays), object))
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def by_layer(arrays, *names: str) -> dict:
    """Groups arrays by layer, in a list, or in a dictionary by names of kernel and bias."""
    layers = dict.fromkeys(name.partition("/")[0] for name in arrays)
    found = {name: [arrays[f"{name}/{part}"] for part in ("kernel", "bias")] for name in layers}
    return {name: dict(zip(names, x, strict=True)) if names else x for name, x in found.items()}


def caffe_by_torch(config: NetworkConfig, theirs: dict, x) -> dict:
    """Runs the convolutions of a Caffe network with PyTorch's primitives, in Caffe's own order.

    Args:
      config: caffe or caffenet.
      theirs: kernels and biases in Caffe's layout.
      x: float [1, 3, H, W], BGR.

    Returns:
      relu1, pool1, norm1,... pool5, each float [1, C, H, W].
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    tensors = {name: torch.from_numpy(array) for name, array in theirs.items()}
    strides, pads, groups = (4, 1, 1, 1, 1), (0, 2, 1, 1, 1), (1, 2, 1, 2, 2)

    def conv(n):
        kernel, bias = tensors[f"conv{n}/kernel"], tensors[f"conv{n}/bias"]
        place = n - 1
        return functional.relu(
            functional.conv2d(x, kernel, bias, strides[place], pads[place], 1, groups[place])
        )

    def pool(n):
        return functional.max_pool2d(x, 3, 2, ceil_mode=True)

    def norm(n):  # alpha / n, as Caffe and PyTorch have it; k = 1
        return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)

    after = {"caffe": (norm, pool), "caffenet": (pool, norm)}[config.name]
    steps = [(conv, 1), *((step, 1) for step in after), (conv, 2), *((step, 2) for step in after)]
    steps += [(conv, 3), (conv, 4), (conv, 5), (pool, 5)]
    blobs = {}
    for step, n in steps:
        x = step(n)
        blobs[f"{step.__name__.replace('conv', 'relu')}{n}"] = x
    return blobs


@functools.cache
def torchvision():
    """Imports the package; skips the test if it is missing."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:  # it lacks its compiled part and asks for two of its operators
        LIBRARIES.append(torch.library.Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            LIBRARIES[-1].define(f"{name}(Tensor a, Tensor b, float c) -> Tensor")
        return importlib.import_module("torchvision")


LIBRARIES = []
"""An operator goes when its library does."""
