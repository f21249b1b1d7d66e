"""Files of other programs: what is read from each format, and that none of their code is run."""

import collections
import json
import pickle
import sys
import zipfile

import foreign
import numpy as np
import pytest

from alexnet_tf.errors import UserError
from alexnet_tf.weights import formats, layouts, numpy_pickles, pytorch
from alexnet_tf.weights.stored import Held

CONFIG = foreign.small("caffe")
WEIGHTS = foreign.weights(CONFIG)
TORCHVISION = foreign.small("torchvision")


def load(path, config=CONFIG):
    network, arrays = formats.load(str(path), config)
    assert network.num_classes == 3
    return arrays


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("is_old", [True, False])
def test_both_formats_of_caffe_are_read(tmp_path, is_old):
    foreign.write_caffemodel(tmp_path / "net.caffemodel", CONFIG, WEIGHTS, is_old)
    assert_same(load(tmp_path / "net.caffemodel"), WEIGHTS)


@pytest.mark.parametrize("end", [".npz", ".pth", ".safetensors"])
def test_what_is_written_is_read_again(tmp_path, end):
    pytest.importorskip({".pth": "torch", ".safetensors": "safetensors"}.get(end, "numpy"))
    formats.store(str(tmp_path / f"net{end}"), WEIGHTS, CONFIG)
    assert_same(load(tmp_path / f"net{end}"), WEIGHTS)
    assert [path.name for path in tmp_path.iterdir()] == [f"net{end}"]


def test_torchs_own_layout_is_torchvisions(tmp_path):
    weights = foreign.weights(TORCHVISION)
    theirs = layouts.from_ours(weights, layouts.TORCHVISION, TORCHVISION)
    assert list(theirs)[::2] == [f"{name}.weight" for name in layouts.TORCH_MODULES.values()]
    assert theirs["features.3.weight"].shape == (12, 4, 5, 5)
    by_row = theirs["classifier.1.weight"].reshape(16, 16, 1, 1)  # C, H, W
    np.testing.assert_array_equal(by_row[:, :, 0, 0].T, weights["fc6/kernel"])


def test_the_order_of_channels_is_turned_where_it_differs():
    rgb = layouts.from_ours(WEIGHTS, layouts.TORCHVISION, CONFIG)  # CONFIG sees BGR
    bgr = layouts.from_ours(WEIGHTS, layouts.CAFFE, CONFIG)
    np.testing.assert_array_equal(rgb["features.0.weight"][:, ::-1], bgr["conv1/kernel"])


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16"])
def test_both_formats_of_pytorch_are_read(tmp_path, is_zip, kind):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.Linear(3, 5))
    values = {
        f"module.{name}": x.to(getattr(torch, kind)) for name, x in module.state_dict().items()
    }
    values["module.1.view"] = values["module.1.weight"].t()[1:]  # shares a storage
    whole = {"epoch": 3, "state_dict": collections.OrderedDict(values)}
    torch.save(whole, tmp_path / "net.pth", _use_new_zipfile_serialization=is_zip)
    found = {name: x.read() for name, x in pytorch.read(tmp_path / "net.pth").items()}
    expected = {name.removeprefix("module."): x.float().numpy() for name, x in values.items()}
    assert_same(found, expected)


def test_the_dictionary_of_bvlc_alexnet_is_read(tmp_path):
    (tmp_path / "net.npy").write_bytes(foreign.old_npy(WEIGHTS))
    assert_same(load(tmp_path / "net.npy"), WEIGHTS)
    np.save(tmp_path / "new.npy", foreign.by_layer(WEIGHTS))
    assert_same(load(tmp_path / "new.npy"), WEIGHTS)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickles_is_read(tmp_path, protocol):
    layers = foreign.by_layer(WEIGHTS, "weights", "biases")
    layers["conv2"]["weights"] = np.asfortranarray(layers["conv2"]["weights"])
    layers["conv3"]["weights"] = layers["conv3"]["weights"].astype(">f8")
    with open(tmp_path / "net.npy", "wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(np.array(layers, object), file, protocol=protocol)
    assert_same(load(tmp_path / "net.npy"), WEIGHTS)


def turned(array):
    """The same numbers, whose axes lie in neither C's nor Fortran's order in memory."""
    order = np.roll(range(array.ndim), 1)
    return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize(
    "kind", [collections.OrderedDict, lambda x: collections.defaultdict(list, x)]
)
def test_every_dictionary_and_turned_array_is_read(tmp_path, kind, protocol):
    layers = foreign.by_layer(WEIGHTS, "weights", "biases")
    for name, parts in layers.items():
        layers[name] = kind(parts | {"weights": turned(parts["weights"])})
    with open(tmp_path / "net.npy", "wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(np.array(kind(layers), object), file, protocol=protocol)
    assert_same(load(tmp_path / "net.npy"), WEIGHTS)


@pytest.mark.parametrize("order", [(0, 0), (1,), (0, 2), "01", None])
def test_an_order_of_axes_that_cannot_be_is_damage(order):
    made = numpy_pickles._from_buffer(b"\0" * 24, numpy_pickles.Kind("f4"), (2, 3), "K", order)
    if order is None:
        assert made.stored().shape == (2, 3)
    else:
        with pytest.raises(
            ValueError, match="axes in order .* of an array of shape|without a shape"
        ):
            made.stored()


def test_arrays_of_any_order_are_read_from_npz(tmp_path):
    odd = {name: np.asfortranarray(array).astype(">f4") for name, array in WEIGHTS.items()}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "net.npz", **odd, **{"conv1/kernel/momentum": np.array([{}], object)})
        assert_same(load(tmp_path / "net.npz"), WEIGHTS)


class Harm:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return (sys.modules["os"].system, ("touch harmed",))


def write_harm(path, how):
    if how == "npy":
        return np.save(path, np.array({"conv1": [Harm(), Harm()]}, object))
    if how == "legacy":
        info = {"little_endian": True}
        values = (pytorch.LEGACY_MAGIC, 1001, info, {"features.0.weight": Harm()}, [])
        return path.write_bytes(b"".join(pickle.dumps(value, 2) for value in values))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps({"features.0.weight": Harm()}))


@pytest.mark.parametrize("how, end", [("npy", ".npy"), ("legacy", ".pth"), ("zip", ".pt")])
def test_code_inside_of_a_file_is_not_run(tmp_path, monkeypatch, how, end):
    monkeypatch.chdir(tmp_path)
    write_harm(tmp_path / f"net{end}", how)
    with pytest.raises(UserError, match=r"from=.*(holds no state dict|conv1/kernel is no array)"):
        formats.load(str(tmp_path / f"net{end}"), TORCHVISION)
    assert not (tmp_path / "harmed").exists()
    pickle.loads(pickle.dumps(Harm()))  # which would have been seen
    assert (tmp_path / "harmed").exists()


def test_a_tensor_beyond_its_storage_is_refused():
    storage = pytorch.Storage("float32", Held(bytes(16)))

    def tensor(offset, size, stride):
        return pytorch.Tensor(storage, offset, size, stride, "float32").stored().read()

    assert tensor(0, (2, 2), (2, 1)).shape == (2, 2)
    assert tensor(0, (2, 0), (1, 1)).shape == (2, 0)
    assert tensor(3, (), ()).shape == ()
    for offset, size, stride, text in (
        (0, (5,), (1,), r"a tensor of shape \(5,\) beyond its storage"),
        (0, (9,), (9,), "beyond"),
        (0, (2, 2), (2**62, 1), "beyond"),
        (-1, (1,), (1,), "without a shape"),
        (3, (2,), (-1,), "without a shape"),
        (0, (2,), (1, 1), "without a shape"),
        (0, (1.5,), (1,), "without a shape"),
        ("0", (1,), (1,), "without a shape"),
    ):
        with pytest.raises(ValueError, match=text):
            tensor(offset, size, stride)


@pytest.mark.parametrize("end", [".npz", ".npy", ".caffemodel", ".pth", ".safetensors", ".zip.pt"])
@pytest.mark.parametrize("part", [0, 0.5, 0.97])
def test_a_truncated_file_is_one_sentence(tmp_path, end, part):
    path = tmp_path / f"net{end}"
    if end == ".caffemodel":
        foreign.write_caffemodel(path, CONFIG, WEIGHTS, is_old=True)
    elif end == ".npy":
        path.write_bytes(foreign.old_npy(WEIGHTS))
    elif end == ".pth":
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        theirs = layouts.from_ours(WEIGHTS, layouts.TORCHVISION, CONFIG)
        tensors = {name: torch.from_numpy(array) for name, array in theirs.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=False)
    else:
        pytest.importorskip({".npz": "numpy", ".safetensors": "safetensors"}.get(end, "torch"))
        formats.store(str(path), WEIGHTS, CONFIG)
    contents = path.read_bytes()
    load(path)
    path.write_bytes(contents[: int(part * len(contents))])
    with pytest.raises(UserError, match=r"from='.*' ?.*expected") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end, package", [(".pth", "torch"), (".safetensors", "safetensors")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, end, package):
    for name in (package, f"{package}.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=f"output=.*expected the package {package} .*pip install"):
        formats.store(str(tmp_path / f"net{end}"), WEIGHTS, CONFIG)


def test_the_list_of_an_archives_entries_is_read_once(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", **{f"a{i}": np.ones(1) for i in range(50)})
    reads, opened = [], zipfile.ZipFile.__init__
    monkeypatch.setattr(
        zipfile.ZipFile, "__init__", lambda *x, **y: (reads.append(x), opened(*x, **y))[1]
    )
    assert len(formats.read(str(tmp_path / "a.npz"), formats.FORMATS[".npz"])) == 50
    assert len(reads) == 1


@pytest.mark.parametrize("dtype, is_counter", [("F8_E8M0", False), ("C64", False), ("U128", True)])
def test_only_whole_numbers_of_safetensors_are_counters(tmp_path, dtype, is_counter):
    pytest.importorskip("safetensors")
    formats.store(str(tmp_path / "a.safetensors"), foreign.weights(TORCHVISION), TORCHVISION)
    contents = (tmp_path / "a.safetensors").read_bytes()
    end = 8 + int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8:end])
    header["scale"] = {"dtype": dtype, "shape": [0], "data_offsets": [0, 0]}
    text = json.dumps(header).encode()
    whole = len(text).to_bytes(8, "little") + text + contents[end:]
    (tmp_path / "b.safetensors").write_bytes(whole)
    if is_counter:
        load(tmp_path / "b.safetensors", TORCHVISION)
    else:
        with pytest.raises(UserError, match="scale"):
            load(tmp_path / "b.safetensors", TORCHVISION)
