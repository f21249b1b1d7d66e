"""Files that ask for more memory than they have bytes, or for more time."""

import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import zipfile

import foreign
import numpy as np
import pytest

from alexnet_tf.errors import UserError
from alexnet_tf.weights import formats, layouts, pytorch
from alexnet_tf.weights.stored import Held

CONFIG = foreign.small("caffe", num_classes=0)
WEIGHTS = foreign.weights(foreign.small("caffe"))
READ_ALL = """
import json, resource, sys
import foreign
from alexnet_tf.weights import formats
found, config = {}, foreign.small("caffe", num_classes=0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        formats.load(path, config)
        found[path] = "read"
    except ValueError as error:
        found[path] = str(error)
print(json.dumps([found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""


def array_header(shape, descr="<f4") -> bytes:
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def npz(shapes: dict, how=zipfile.ZIP_DEFLATED) -> bytes:
    """Arrays of zeros, which are a thousand times smaller there."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, shape in shapes.items():
            contents = array_header(shape) + bytes(4 * int(np.prod(shape)))
            archive.writestr(f"{name}.npy", contents)
    return file.getvalue()


def many_classes(count: int) -> bytes:
    shapes = {name: array.shape for name, array in WEIGHTS.items()}
    return npz(shapes | {"fc8/kernel": (16, count), "fc8/bias": (count,)})


def pickle_of(contents: bytes, end: str) -> bytes:
    """Makes a file with the given pickle."""
    if end == ".npy":
        return array_header((), "|O") + contents
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", contents)
    return file.getvalue()


def blob(dims: bytes, data: bytes) -> bytes:
    """Makes a .caffemodel with one layer and one blob, of the given fields."""
    contents = b"\x3a" + bytes([len(dims)]) + dims + data
    layer = b"\x0a\x05conv1\x3a" + bytes([len(contents)]) + contents
    return b"\xa2\x06" + bytes([len(layer)]) + layer


def safetensors(about: dict, length: int | None = None) -> bytes:
    contents = json.dumps({"features.0.weight": about}).encode()
    return struct.pack("<Q", length or len(contents)) + contents + bytes(16)


def name(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


STEPS = 100_000
"""Of a pickle that goes on and on."""


def files() -> dict[str, bytes]:
    """What each is refused for does not matter: that it ends so, and takes no memory, does."""
    return {
        "one.npz": npz({"conv1/kernel": (11, 11, 3, 100_000)}),
        "unknown.npz": npz({"x": (20_000_000,)}),
        "packed.npz": npz({"conv1/kernel": (11, 11, 3, 100_000)}, zipfile.ZIP_BZIP2),
        "classes.npz": many_classes(2_000_000),
        "object.npz": npz({"conv1/kernel": (3,)}).replace(b"'<f4'", b"'|O' "),
        "memo.pth": pickle_of(b"\x80\x04Nr\xff\xff\xff\x7f.", ".pth"),
        "memo.npy": pickle_of(b"\x80\x04Nr\xff\xff\xff\x7f.", ".npy"),
        "bytes.npy": pickle_of(b"\x80\x04\x8e" + struct.pack("<Q", 2**33) + b"x.", ".npy"),
        "bytearray.pth": pickle_of(b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"x.", ".pth"),
        "long.npy": pickle_of(b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"x.", ".npy"),
        "dicts.pth": pickle_of(b"(" + b"}\x94" * STEPS + b"l.", ".pth"),
        "tuples.npy": pickle_of(b"})" + b"\x85" * STEPS + b"Ns.", ".npy"),
        "names.pth": pickle_of(
            name("x" * 4000) + b"\x940(" + b"h\x00h\x00\x93" * 99_999 + b"l.", ".pth"
        ),
        "copies.pth": pickle_of(
            b"("
            + b"N" * STEPS
            + b"t\x940ctorch\nSize\n\x940("
            + b"h\x01h\x00\x85R" * 99_999
            + b"l.",
            ".pth",
        ),
        "itself.pth": pickle_of(
            b"}\x94" + name("model") + b"h\x00s" + name("a") + b"h\x00s.", ".pth"
        ),
        "shape.caffemodel": blob(b"\x08\xff\xff\xff\xff\xff\x1f\x08\x08", b"\x2a\x04abcd"),
        "data.caffemodel": blob(b"\x08\x01", b"\x2a\xff\xff\xff\xff\xff\x1f"),
        "fields.caffemodel": b"\x08\x00" * 1_000_001,
        "header.safetensors": safetensors({}, 2**40),
        "offsets.safetensors": safetensors(
            {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
        ),
        "negative.safetensors": safetensors(
            {"dtype": "F32", "shape": [-1, -4], "data_offsets": [0, 16]}
        ),
    }


@pytest.mark.long
def test_no_file_takes_more_than_it_has(tmp_path):
    whole = files()
    for called, contents in whole.items():
        (tmp_path / called).write_bytes(contents)
    here = pathlib.Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    command = [sys.executable, "-W", "error", "-c", READ_ALL, *sorted(map(str, tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    found, mebibytes = json.loads(done.stdout)
    assert len(found) == len(whole) and mebibytes < 100
    for path, text in found.items():
        assert "expected" in text.lower() or "write one" in text, (path, text)
        assert text.isprintable() and len(text) < 1500


def test_steps_of_a_tensor_may_repeat_a_number_but_not_beyond_the_network(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    state = {"features.0.weight": torch.ones(1).expand(2**40)}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError, match="missing features.0.bias"):
        formats.load(str(tmp_path / "a.pth"), CONFIG)
    found = formats.read(str(tmp_path / "a.pth"), formats.FORMATS[".pth"])
    assert found["features.0.weight"].shape == (2**40,)
    torch.save({"w": torch.ones(1).expand(3, 5)}, tmp_path / "a.pth")
    found = formats.read(str(tmp_path / "a.pth"), formats.FORMATS[".pth"])
    np.testing.assert_array_equal(found["w"].read(), np.ones((3, 5)))


def test_classes_that_a_file_makes_up_are_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    config = foreign.small("torchvision")
    theirs = layouts.from_ours(foreign.weights(config), layouts.TORCHVISION, config)
    state = {name: torch.from_numpy(array) for name, array in theirs.items()}
    state["classifier.6.weight"] = torch.ones(1).expand(2**40, 16)
    state["classifier.6.bias"] = torch.ones(1).expand(2**40)
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"fc8: its kernel has shape .* in 4 bytes of the file; ex"):
        formats.load(str(tmp_path / "a.pth"), foreign.small("torchvision", num_classes=0))


def test_a_view_over_much_more_than_it_shows_is_refused(tmp_path):
    storage = pytorch.Storage("float32", Held(bytes(2**27)))
    tensor = pytorch.Tensor(storage, 0, (2,), (2**25 - 1,), "float32")
    with pytest.raises(ValueError, match="spread over 33,554,432 numbers"):
        tensor.stored().read()


def test_a_pickle_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr("alexnet_tf.weights.pickles.MOST_STEPS", 1000)
    (tmp_path / "a.npy").write_bytes(pickle_of(b"N0" * 501 + b"N.", ".npy"))
    with pytest.raises(UserError, match="a pickle of more than 1,000 steps"):
        formats.load(str(tmp_path / "a.npy"), CONFIG)


def test_shapes_are_compared_before_anything_is_read(tmp_path, monkeypatch):
    formats.FORMATS[".npz"].write(tmp_path / "a.npz", WEIGHTS | {"conv5/bias": np.ones(17)})
    monkeypatch.setattr("alexnet_tf.weights.stored.numbers", None)  # so reading fails
    with pytest.raises(UserError, match=r"conv5: conv5/bias has shape \(17,\), expected \(16,\)"):
        formats.load(str(tmp_path / "a.npz"), CONFIG)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(UserError, match="no file with a beginning and an end"):
        formats.load(str(tmp_path / "a.npz"), CONFIG)
