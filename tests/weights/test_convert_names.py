"""Layers under other names: what is missing and unknown is said, with the line to type."""

import json

import foreign
import numpy as np
import pytest
import tiny

from alexnet_tf import convert
from alexnet_tf.command_line import flags
from alexnet_tf.errors import UserError
from alexnet_tf.weights import formats, layouts

CONFIG = foreign.small("caffe", num_classes=0)
WEIGHTS = foreign.weights(foreign.small("caffe"))
MODULES = layouts.TORCH_MODULES


def fine_tuned(arrays, old, new):
    """Copies the arrays with one layer under another name."""
    return {
        new + name.removeprefix(old) if name.startswith(old) else name: array
        for name, array in arrays.items()
    }


def write(path, old, new, extra=()):
    """Writes the file, whatever its kind, with a layer called otherwise, and with layers beside."""
    network = foreign.small("torchvision" if path.suffix in (".pth", ".safetensors") else "caffe")
    arrays = foreign.weights(network)
    if path.suffix == ".caffemodel":
        foreign.write_caffemodel(path, network, arrays, False, lambda x: new if x == old else x)
    elif path.suffix == ".npy":
        np.save(path, foreign.by_layer(fine_tuned(arrays, old, new)))
    else:
        kind = formats.FORMATS[path.suffix]
        theirs = layouts.from_ours(arrays, kind.layout, network)
        theirs = fine_tuned(theirs, kind.layout.modules.get(old, old), new)
        kind.write(path, theirs | {name: np.ones(3, np.float32) for name in extra})
    return network, arrays


@pytest.mark.parametrize(
    "end, new",
    [
        (".caffemodel", "fc8_flickr"),
        (".npy", "fc8_flickr"),
        (".npz", "fc8_flickr"),
        (".pth", "fc8_flickr"),
        (".pth", "classifier.8"),
        (".safetensors", "head.last"),
    ],
)
def test_a_layer_under_another_name_is_named_and_taken(tmp_path, capsys, end, new):
    pytest.importorskip({".pth": "torch", ".safetensors": "safetensors"}.get(end, "numpy"))
    network, arrays = write(tmp_path / f"a{end}", "fc8", new)
    call = [f"--from={tmp_path / f'a{end}'}", f"--output={tmp_path / 'b.npz'}", *foreign.SMALL]
    call.append(f"--network.name={network.name}")
    with pytest.raises(UserError, match=rf"missing .*; unknown {new}.*add --rename={new}=fc8\."):
        convert.main(call)
    assert convert.main([*call, f"--rename={new}=fc8"]) == 0
    assert json.loads(capsys.readouterr().out)["num_classes"] == 3
    tiny.assert_equal(dict(np.load(tmp_path / "b.npz")), arrays)


def test_all_layers_may_have_other_names_or_one_beginning(tmp_path):
    pytest.importorskip("torch")
    network = foreign.small("torchvision")
    ours = foreign.weights(network)
    theirs = layouts.from_ours(ours, layouts.TORCHVISION, network)
    kind = formats.FORMATS[".pth"]
    kind.write(tmp_path / "a.pth", {f"net.{name}": array for name, array in theirs.items()})
    with pytest.raises(UserError, match="rename=net.features.0=conv1,net.features.3=conv2") as one:
        formats.load(str(tmp_path / "a.pth"), network)
    suggested = str(one.value).partition("--rename=")[2].rstrip(".").split(",")
    for rename in (suggested, ["net.features=features", "net.classifier=classifier"]):
        tiny.assert_equal(formats.load(str(tmp_path / "a.pth"), network, rename)[1], ours)


def test_layers_beside_the_network_are_named(tmp_path):
    write(tmp_path / "a.npz", "fc8", "fc8", extra=["loss1/kernel", "step"])
    with pytest.raises(UserError, match="missing nothing; unknown loss1/kernel, step. Expected"):
        formats.load(str(tmp_path / "a.npz"), CONFIG)


def test_a_file_of_another_network_is_named_by_what_it_lacks_and_has(tmp_path):
    torch = pytest.importorskip("torch")
    names = [f"layer{i}.{j}.conv1.weight" for i in range(4) for j in range(3)]
    state = {name: torch.ones(2, 2, 3, 3) for name in ["conv1.weight", *names]}
    state |= {"bn1.num_batches_tracked": torch.tensor(1), "fc.bias": torch.ones(1000)}
    torch.save(state, tmp_path / "resnet.pth")
    with pytest.raises(
        UserError,
        match="missing features.0.weight, features.0.bias, .* and 8 more; unknown conv1.weight, "
        "layer0.0.conv1.weight, .* and 6 more. Expected those of the same network",
    ):
        formats.load(str(tmp_path / "resnet.pth"), foreign.small("torchvision", num_classes=0))


@pytest.mark.parametrize(
    "rename, text",
    [
        ("fc9=fc8", r"rename=fc9=\.\.\.: expected one of its layers conv1, conv2, .*fc8"),
        ("fc7=fc8", "rename=.*: expected another name for each array, but two would be fc8/"),
        ("fc=fc8", "rename=fc=...: expected one of its layers conv1"),
        ("fc8_flickr", "rename=fc8_flickr: expected OLD=NEW, such as"),
        ("a=b=c", "rename=a=b=c: expected OLD=NEW"),
        ("=fc8", "rename==fc8: expected OLD=NEW"),
    ],
)
def test_a_wrong_name_is_refused(tmp_path, rename, text):
    formats.FORMATS[".npz"].write(tmp_path / "a.npz", WEIGHTS)
    call = [f"--from={tmp_path / 'a.npz'}", f"--output={tmp_path / 'b.npz'}", *foreign.SMALL]
    with pytest.raises(ValueError, match=text):
        convert.main([*call, "--network.name=caffe", f"--rename={rename}"])


def test_several_names_are_separated_by_commas():
    call = flags.parse(["--from=a", "--output=b", "--rename=c=d,e=f"], convert.Arguments)
    assert call.arguments.rename == ("c=d", "e=f")


@pytest.mark.parametrize(
    "names",
    [("weights", "biases"), ("kernel", "bias"), ("weight", "bias"), (b"weights", b"biases")],
)
def test_dictionaries_of_dictionaries_are_read(tmp_path, names):
    np.save(tmp_path / "a.npy", foreign.by_layer(WEIGHTS, *names))
    tiny.assert_equal(formats.load(str(tmp_path / "a.npy"), CONFIG)[1], WEIGHTS)


def test_names_may_be_bytes_and_arrays_in_an_array(tmp_path):
    layers = foreign.by_layer(WEIGHTS)
    found = {name.encode(): tuple(arrays) for name, arrays in layers.items()}
    found[b"fc8"] = np.empty(2, object)
    found[b"fc8"][:] = layers["fc8"]
    np.save(tmp_path / "a.npy", found)
    tiny.assert_equal(formats.load(str(tmp_path / "a.npy"), CONFIG)[1], WEIGHTS)
