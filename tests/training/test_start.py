"""Runs that start from other weights: what is taken, what starts anew, what is refused."""

import dataclasses
import os
import pathlib

import foreign
import numpy as np
import pytest
import tiny

from alexnet_tf import convert
from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.networks.family.names import network
from alexnet_tf.training import checkpoint, start
from alexnet_tf.training.run import run

CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
NETWORK = dataclasses.replace(tiny.config("unused", "unused").network, num_classes=3)
WEIGHTS = foreign.weights(NETWORK)
DATA = os.environ.get("ALEXNET_TF_DATA")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A converted directory of NETWORK with WEIGHTS."""
    place = tmp_path_factory.mktemp("source") / "converted"
    convert.write_weights(place, NETWORK, WEIGHTS, tiny.CLASSES, "nowhere.npz")
    return place


def config(source, pictures="unused", run_dir="run", network=None, **settings) -> Config:
    """Configures a tiny run that starts from there."""
    whole = tiny.config(pictures, run_dir, start_from=str(source), **settings)
    return tiny.with_network(whole, **{"num_classes": 3} | (network or {}))


def load(source, classes=tiny.CLASSES, **settings):
    return start.load(config(source, **settings), classes)


def layers(arrays) -> set[str]:
    return {name.partition("/")[0] for name in arrays}


def partial(path, *names):
    """Writes some layers of WEIGHTS into a file."""
    np.savez(path, **{name: x for name, x in WEIGHTS.items() if name.startswith(names)})
    return path


def test_every_layer_is_taken_by_its_name(source):
    first = load(source)
    tiny.assert_equal(first.arrays, WEIGHTS)
    assert first.lines == (f"starting from {source}: {', '.join(sorted(layers(WEIGHTS)))}",)


def test_a_run_gives_its_best_checkpoint_without_velocities():
    golden = pathlib.Path(__file__).parents[1] / "golden" / "run_v1"
    stored = checkpoint.load(golden)
    whole = config(golden)
    first = start.load(dataclasses.replace(whole, network=stored.config.network), stored.classes)
    tiny.assert_equal(first.arrays, stored.weights())
    assert first.lines[0].startswith(f"starting from {golden}, step 5: conv1, ")


def test_another_number_of_classes_starts_the_last_layer_anew(source):
    first = load(source, network={"num_classes": 7})
    assert layers(first.arrays) == {*CONVOLUTIONS, "fc6", "fc7"}
    assert first.lines[0].endswith("fc7; anew: fc8")


def test_other_classes_of_the_same_number_are_remarked_on(source):
    first = load(source, classes=("a", "b", "c"))
    assert "fc8" in layers(first.arrays)
    assert "fc8 has the weights of other classes (bright, dark, red); to start it" in first.lines[1]


def test_layers_are_picked(source):
    first = load(source, start_from_layers=("conv2", "conv1"))
    assert layers(first.arrays) == {"conv1", "conv2"}
    assert first.lines[0].endswith(": conv1, conv2; anew: conv3, conv4, conv5, fc6, fc7, fc8")


def test_a_layer_that_the_network_lacks_is_said_not_to_be_used(source):
    first = load(source, network={"without": ("conv4",)})
    assert first.lines[0].endswith("; not used: conv4")


def test_a_source_that_is_missing_is_noticed_before_the_data_are_opened(tmp_path):
    with pytest.raises(UserError, match="nowhere': there is no such file or directory"):
        run(config(tmp_path / "nowhere", "no folder", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_colors_are_turned_around_where_their_order_differs(source):
    bgr = dataclasses.replace(NETWORK.input, channel_order="bgr")
    first = load(source, network={"input": bgr})
    expected = WEIGHTS["conv1/kernel"][:, :, ::-1]
    np.testing.assert_array_equal(first.arrays["conv1/kernel"], expected)
    again = load(source, network={"input": bgr}, start_from_layers=("fc7",))
    assert layers(again.arrays) == {"fc7"}


@pytest.mark.parametrize("end", ["npz", "pth", "safetensors", "caffemodel"])
def test_a_file_of_any_program_gives_its_layers(tmp_path, end):
    pytest.importorskip({"pth": "torch", "safetensors": "safetensors"}.get(end, "numpy"))
    whole = foreign.small("caffe" if end == "caffemodel" else "torchvision", num_classes=5)
    arrays, path = foreign.weights(whole), tmp_path / f"net.{end}"
    if end == "caffemodel":
        foreign.write_caffemodel(path, whole, arrays, is_old=False)
    else:
        convert.formats.store(str(path), arrays, whole)
    settings = dataclasses.replace(config(path), network=whole)
    first = start.load(settings, ())
    tiny.assert_equal(first.arrays, arrays)
    fewer = dataclasses.replace(whole, num_classes=2)
    first = start.load(dataclasses.replace(settings, network=fewer), ())
    assert layers(first.arrays) == {*CONVOLUTIONS, "fc6", "fc7"}


def test_a_caffe_file_under_an_rgb_network_is_turned_around(tmp_path):
    whole = foreign.small("caffe")
    arrays = foreign.weights(whole)
    foreign.write_caffemodel(tmp_path / "net.caffemodel", whole, arrays, is_old=True)
    rgb = dataclasses.replace(whole, input=dataclasses.replace(whole.input, channel_order="rgb"))
    first = start.load(dataclasses.replace(config(tmp_path / "net.caffemodel"), network=rgb), ())
    np.testing.assert_array_equal(first.arrays["conv1/kernel"], arrays["conv1/kernel"][:, :, ::-1])


def test_a_partial_file_is_welcome(tmp_path):
    first = load(partial(tmp_path / "conv.npz", *CONVOLUTIONS))
    assert layers(first.arrays) == set(CONVOLUTIONS)
    assert first.lines[0].endswith("conv5; anew: fc6, fc7, fc8")
    frozen = load(tmp_path / "conv.npz", freeze=("all_but_last",))
    assert frozen.lines[1] == "frozen at random first weights: fc6, fc7"


@pytest.mark.skipif(not DATA, reason="ALEXNET_TF_DATA is not set")
def test_the_published_convolutions_of_torchvision_fit(tmp_path):
    published = pathlib.Path(DATA, "alexnet-torchvision-conv.npz")
    whole = dataclasses.replace(network("torchvision"), num_classes=10)
    first = start.load(dataclasses.replace(config(published), network=whole), ())
    assert layers(first.arrays) == set(CONVOLUTIONS)


REFUSED = [
    (
        {"input": {"size": 99, "resize": 99}},
        {},
        r"fc6/kernel has shape \(16, 16\), expected \(64, 16\)",
    ),
    ({"groups": 1}, {}, r"conv2/kernel has shape \(5, 5, 3, 16\), expected \(5, 5, 6, 16\)"),
    ({"fc_width": 8}, {}, r"fc6/kernel has shape \(16, 16\), expected \(16, 8\)"),
    ({"num_classes": 2}, {"start_from_layers": ("fc8",)}, r"fc8/kernel has shape \(16, 3\), exp"),
]


@pytest.mark.parametrize("changes, settings, text", REFUSED)
def test_what_does_not_fit_is_refused_with_both_shapes(source, changes, settings, text):
    changes = dict(changes)
    if "input" in changes:
        changes["input"] = dataclasses.replace(NETWORK.input, **changes["input"])
    with pytest.raises(UserError, match=text):
        load(source, network=changes, **settings)


def test_what_cannot_be_started_from_is_one_sentence(source, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "notes.txt").write_text("no weights")
    half = {name: x for name, x in WEIGHTS.items() if name != "conv1/bias"}
    np.savez(tmp_path / "half.npz", **half)
    np.savez(tmp_path / "others.npz", **{"a/kernel": np.zeros(3), "b/kernel": np.zeros(3)})
    np.savez(tmp_path / "nan.npz", **WEIGHTS | {"conv1/bias": np.full(6, np.nan)})
    np.savez(tmp_path / "wide.npz", **foreign.weights(dataclasses.replace(NETWORK, width=1 / 8)))
    for place, settings, text in (
        ("nowhere", {}, "start_from='.*nowhere': there is no such file or directory"),
        ("empty", {}, "start_from='.*empty' holds no checkpoint"),
        ("text.npz", {}, "start_from='.*text.npz': it cannot be read"),
        ("notes.txt", {}, "start_from='.*notes.txt': expected the directory of a run, or a file"),
        ("half.npz", {}, "half.npz': conv1 has kernel, expected kernel, bias"),
        ("others.npz", {}, "no weights of paper's layers .*; it has a/kernel, b/kernel"),
        ("nan.npz", {}, "conv1: conv1/bias has values that are not finite"),
        ("wide.npz", {}, r"conv1: conv1/kernel has shape \(11, 11, 3, 12\), expected \(11, 11, 3,"),
        (
            partial(tmp_path / "conv.npz", "conv"),
            {"start_from_layers": ("fc6",)},
            "conv.npz': fc6 is not in it. Leave it out of --start_from_layers",
        ),
    ):
        with pytest.raises((UserError, RunFailed), match=text) as caught:
            load(tmp_path / place, **settings)
        assert "\n" not in str(caught.value)
