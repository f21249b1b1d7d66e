"""Converted weights give the numbers of the programs that they are from."""

import json

import foreign
import numpy as np
import pytest

from alexnet_tf import convert
from alexnet_tf.errors import UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.weights import formats, layouts
from pipelines.preprocess import preprocess

CAFFE_NETWORKS = ("caffe", "caffenet")


def logits(config, weights, x):
    model = alexnet(config)
    assign(named_weights(model), weights)
    return model(x, training=False).numpy()


def test_torchvisions_network_gives_the_same_logits(tmp_path):
    torchvision, torch = foreign.torchvision(), pytest.importorskip("torch")
    torch.manual_seed(1)
    module = torchvision.models.alexnet(num_classes=10).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight *= 2  # logits of about 10: the default's are 0.01
    torch.save(module.state_dict(), tmp_path / "alexnet.pth")
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    mean, std = (np.array(x, np.float32) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    scaled = (images.astype(np.float32) / 255 - mean) / std
    with torch.no_grad():
        expected = module(torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())).numpy()
    config, weights = formats.load(str(tmp_path / "alexnet.pth"), network("torchvision"))
    assert config.num_classes == 10
    given = logits(config, weights, preprocess(images, config.input))
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(given, expected, atol=1e-4)  # sums of up to 9,216 products


@pytest.mark.parametrize("name", CAFFE_NETWORKS)
@pytest.mark.parametrize("size", [67, 75])  # at 75 the windows of pool2 and pool5 hang over
def test_caffes_networks_give_what_pytorchs_primitives_give_in_caffes_order(name, size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    config = foreign.small(name, size=size)
    ours = foreign.weights(config)
    theirs = layouts.from_ours(ours, layouts.CAFFE, config)
    x = np.random.default_rng(1).normal(scale=50, size=(1, 3, size, size)).astype(np.float32)
    y = foreign.caffe_by_torch(config, theirs, torch.from_numpy(x))["pool5"].flatten(1)
    for layer in ("fc6", "fc7", "fc8"):
        kernel, bias = (torch.from_numpy(theirs[f"{layer}/{part}"]) for part in ("kernel", "bias"))
        y = torch.nn.functional.linear(y, kernel, bias)
        y = y if layer == "fc8" else torch.relu(y)
    given = logits(config, ours, x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(given, y.numpy(), rtol=1e-4, atol=1e-4)


@pytest.fixture
def blobs(request):
    """What another program stores about its network: input, weights and activations."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    config = foreign.small(request.param)
    theirs = layouts.from_ours(foreign.weights(config), layouts.CAFFE, config)
    x = np.random.default_rng(1).normal(scale=50, size=(1, 3, 67, 67)).astype(np.float32)
    outputs = foreign.caffe_by_torch(config, theirs, torch.from_numpy(x))
    stored = {"input": x[0]} | {name: y[0].numpy() for name, y in outputs.items()}
    for n in range(1, 6):
        stored |= {f"conv{n}_w": theirs[f"conv{n}/kernel"], f"conv{n}_b": theirs[f"conv{n}/bias"]}
    return stored


def check(tmp_path, capsys, blobs, *flags):
    np.savez(tmp_path / "comparison.npz", **blobs)
    assert convert.main(["--check", str(tmp_path / "comparison.npz"), *flags]) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


NAMES = ("relu1", "pool1", "norm1", "relu2", "pool2", "norm2", "relu3", "relu4", "relu5", "pool5")


@pytest.mark.parametrize("blobs", CAFFE_NETWORKS, indirect=True)
def test_a_check_finds_the_network_and_no_layer_that_differs(blobs, tmp_path, capsys, request):
    result, text = check(tmp_path, capsys, blobs)
    assert result["network"] == request.node.callspec.params["blobs"]
    found = {layer["layer"]: layer for layer in result["layers"]}
    assert set(found) == set(NAMES) and result["skipped"] == []
    for name, layer in found.items():
        assert layer["largest_difference"] <= 1e-5 * layer["largest_value"] + 1e-6, name
        assert f"{name}: largest difference" in text


@pytest.mark.parametrize("blobs", CAFFE_NETWORKS, indirect=True)
def test_a_check_finds_the_network_by_numbers_where_shapes_do_not_tell(
    blobs, tmp_path, capsys, request
):
    for name in ("norm1", "norm2"):
        del blobs[name]
    result, _ = check(tmp_path, capsys, blobs)
    assert result["network"] == request.node.callspec.params["blobs"]


@pytest.mark.parametrize("blobs", ["caffe"], indirect=True)
def test_a_check_names_the_layer_that_differs(blobs, tmp_path, capsys):
    blobs["conv2_b"] = blobs["conv2_b"] + 0.5
    result, _ = check(tmp_path, capsys, blobs, "--network.name=caffe")
    wrong = [x["layer"] for x in result["layers"] if x["largest_difference"] > 0.1]
    assert wrong == ["relu2"]


@pytest.mark.parametrize("blobs", ["caffenet"], indirect=True)
def test_a_check_skips_what_has_no_weights_up_to_the_next_stored_input(blobs, tmp_path, capsys):
    for name in ("conv2_w", "relu2", "pool2", "conv4_w", "pool1"):
        del blobs[name]
    result, _ = check(tmp_path, capsys, blobs)
    assert result["skipped"] == ["relu2", "pool2", "norm2", "relu4"]
    names = [layer["layer"] for layer in result["layers"]]
    assert names == ["relu1", "norm1", "relu3", "relu5", "pool5"]
    assert max(layer["largest_difference"] for layer in result["layers"]) < 1e-3


@pytest.mark.parametrize("blobs", ["caffe"], indirect=True)
@pytest.mark.parametrize(
    "change, text",
    [
        (
            {"conv2_w": np.zeros((16, 6, 5, 5))},
            r"conv2_w has shape \(16, 6, 5, 5\), expected \(16, 3",
        ),
        (
            {"norm1": np.zeros((6, 7, 7))},
            r"norm1 has shape .*, expected \(6, 15, 15\) in network.name=caffe",
        ),
        ({"relu3": np.zeros((2, 24, 3, 3))}, r"relu3 has shape .*expected \(C, H, W\)"),
        ({"relu9": np.zeros((1, 1, 1))}, "unknown relu9; expected some of input, relu1"),
        ({"relu1": np.array(["a"])}, "relu1 is of type str32; expected numbers"),
        ({"relu1": np.full((3, 4, 4), np.inf)}, "relu1 has values that are not finite; expected n"),
        ({"input": np.zeros((3, 9, 9))}, r"conv1 sees \(9, 9\) pixels; expected enough for a win"),
    ],
)
def test_a_check_refuses_what_does_not_fit(blobs, tmp_path, change, text):
    np.savez(tmp_path / "comparison.npz", **blobs | change)
    with pytest.raises(UserError, match=f"check=.*{text}"):
        convert.main([f"--check={tmp_path / 'comparison.npz'}", "--network.name=caffe"])


def test_activations_to_compare_with_have_a_limit_too(tmp_path, monkeypatch):
    monkeypatch.setattr("alexnet_tf.weights.comparison.MOST_BYTES", 30_000)
    np.savez(tmp_path / "a.npz", input=np.zeros((3, 50, 51), np.float32))
    text = r"check=.*: its arrays are of 30,600 bytes; expected up to 30,000\."
    with pytest.raises(UserError, match=text):
        convert.main([f"--check={tmp_path / 'a.npz'}"])


def test_a_check_of_nothing_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", input=np.zeros((3, 67, 67), np.float32))
    text = "check=.*there is nothing to compare; expected the output of a layer, such as relu1"
    with pytest.raises(UserError, match=text):
        convert.main([f"--check={tmp_path / 'a.npz'}"])


def test_activations_without_an_input_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", relu1=np.zeros((3, 5, 5), np.float32))
    text = "check=.*no array has the name input; BUILD.md has all names"
    with pytest.raises(UserError, match=text):
        convert.main([f"--check={tmp_path / 'a.npz'}"])
