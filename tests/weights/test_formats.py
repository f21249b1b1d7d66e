"""What each kind of damage in a weight file is called; no file here is longer than it must be."""

import io
import os
import pickle
import zipfile

import foreign
import numpy as np
import pytest

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.weights import formats
from alexnet_tf.weights.pytorch import LEGACY_MAGIC

BEFORE_OLD = b"".join(pickle.dumps(x, 2) for x in (LEGACY_MAGIC, 1001, {"little_endian": True}))
"""What stands before the values in a .pth of before PyTorch 1.6."""


def text(word: str) -> bytes:
    return b"U" + bytes([len(word)]) + word.encode()


def old(identifier: bytes, after: bytes = b".") -> bytes:
    """Makes a .pth whose only value is a storage."""
    return BEFORE_OLD + b"(" + identifier + b"tQ" + after


FLOATS = text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04"


def npy(value) -> bytes:
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()


def zipped(method=zipfile.ZIP_STORED, **entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, contents in entries.items():
            archive.writestr(f"net/{name.replace('_', '.')}", contents)
    return file.getvalue()


def caffemodel(**blob: bytes) -> bytes:
    net = foreign.net_parameter()()
    layer = net.layer.add()
    layer.name, shape = b"conv1", blob.pop("shape", ())
    layer.blobs.add(**blob).shape.dim.extend(shape)
    return net.SerializeToString()


def text_of_another_length() -> bytes:
    """Makes an array whose contents are a long text, as the protocols before 3 have them."""
    pickled = pickle.dumps({"conv1": [np.ones(1200, np.float32)]}, 2)
    assert pickled.count(b"M\xb0\x04") == 1
    whole = npy(np.array({}, object))
    return whole[: -len(pickle.dumps({}))] + pickled.replace(b"M\xb0\x04", b"M\xb1\x04")


@pytest.mark.parametrize(
    "end, contents, said",
    [
        ("pth", b"K", "it ends inside of a value"),
        ("pth", b"I12", "it ends inside of a line"),
        ("pth", b"?", r"no pickle has the operation b'\?'"),
        ("pth", b"K\x01K\x02\x93.", "a name that is no text"),
        ("pth", b"Pkey\n.", "a persistent identifier, expected values"),
        ("pth", BEFORE_OLD + b"ctorch\nSize\nK\x01R.", "a call without a list of arguments"),
        ("pth", pickle.dumps(1) * 3, "no mark of PyTorch's at its beginning, or another order of"),
        ("pth", old(text("storage") + b"K\x03K\x04"), "a storage without a type or a key"),
        ("pth", old(FLOATS + b"K\x01"), "a view of a storage, expected whole storages"),
        ("pth", old(FLOATS, b".](" + text("0") + b"e.\x64"), "it ends inside of an array"),
        (
            "pth",
            BEFORE_OLD + b"}" + text("w") + b"ctorch._utils\n_rebuild_tensor\n(NK\x00))tRs.].",
            "a tensor without a shape or a storage",
        ),
        ("pth", zipped(data_pkl=b"N.", byteorder=b"bigger"), "byteorder=b'bigger', expected littl"),
        ("pth", zipped(data_pkl=b"N."), "it holds no state dict; write one with torch.save"),
        ("npz", zipped(zipfile.ZIP_BZIP2, a_npy=npy(np.ones(3))), "an entry packed by method 12"),
        (
            "npz",
            zipped(a_npy=npy(np.ones(3))).replace(b"PK\3\4", b"KP\3\4"),
            "an entry that does not begin where the list of entries says",
        ),
        ("caffemodel", b"", "it holds no layer with weights; expected a whole .caffemodel"),
        ("caffemodel", b"\xff" * 11, "a number of more than 64 bits"),
        ("caffemodel", b"\x80", "it ends inside of a number"),
        ("caffemodel", b"\x0a\x05", "it ends inside of a field"),
        ("caffemodel", b"\x0b", "a field of kind 3"),
        ("caffemodel", b"\xa2\x06\x02\x08\x01", "a layer without a name"),
        (
            "caffemodel",
            caffemodel(data=b"1234", double_data=b"12345678"),
            "a blob whose numbers are in several places",
        ),
        (
            "caffemodel",
            caffemodel(data=b"1234", shape=[2]),
            r"4 bytes in an array of float32 and shape \(2,\)",
        ),
        (
            "safetensors",
            (2**40).to_bytes(8, "little"),
            "a list of arrays of 1,099,511,627,776 bytes",
        ),
        (
            "safetensors",
            (52).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":3,"data_offsets":[0,0]}} ',
            "an array without a shape",
        ),
        ("npy", npy(np.ones(3)), "expected a dictionary from the name of a layer to its arrays"),
        (
            "npy",
            npy({"conv1": 3}),
            "conv1 is no layer; expected a list of kernel and bias, or a dic",
        ),
        ("npy", npy({"conv1": [3]}), "conv1/kernel is no array, or one too many; expected a laye"),
        (
            "npy",
            npy({"conv1": [np.array([None])]}),
            "an array without numbers.*; expected a whole file as its program wrote it",
        ),
        ("npy", text_of_another_length(), "4800 bytes of text in an array of 4804"),
    ],
)
def test_damage_is_called_by_its_name(tmp_path, end, contents, said):
    path = tmp_path / f"net.{end}"
    path.write_bytes(contents)
    with pytest.raises(UserError, match=said):
        for array in formats.read(str(path), formats.format_of(path.name)).values():
            array.read()


@pytest.mark.parametrize(
    "limit, most, end, contents, said",
    [
        ("archives.MOST_ENTRIES", 1, "npz", zipped(a=b"", b=b""), "2 entries, expected up to 1"),
        ("archives.CHUNK_BYTES", 40, "npz", zipped(a=b"", b=b""), "a list of entries of .* bytes"),
        ("caffe.MOST_FIELDS", 1, "caffemodel", b"\x08\x01" * 2, "more than 1 fields"),
        (
            "pytorch.LARGE_PICKLE_BYTES",
            1,
            "pth",
            zipped(zipfile.ZIP_DEFLATED, data_pkl=b"N."),
            "a packed entry of 2 bytes",
        ),
    ],
)
def test_what_would_take_long_has_a_limit(tmp_path, monkeypatch, limit, most, end, contents, said):
    monkeypatch.setattr(f"alexnet_tf.weights.{limit}", most)
    path = tmp_path / f"net.{end}"
    path.write_bytes(contents)
    with pytest.raises(UserError, match=said):
        formats.read(str(path), formats.format_of(path.name))


def test_a_file_that_is_not_there_is_no_damage(tmp_path):
    path = str(tmp_path / "net.npz")
    with pytest.raises(UserError, match="No such file or directory; expected a file that can be"):
        formats.read(path, formats.format_of(path))


def test_a_place_that_takes_no_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    config = foreign.small("paper")
    path = str(tmp_path / "file" / "net.npz")
    text = f"output='{path}' could not be written: .* Make room or permit writing, and run"
    with pytest.raises(RunFailed, match=text):
        formats.store(path, foreign.weights(config), config)
    assert os.listdir(tmp_path) == ["file"]
