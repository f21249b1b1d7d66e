"""The command that converts weights: what it makes serves like a run, and what it refuses."""

import dataclasses
import json
import os
import subprocess
import sys

import foreign
import numpy as np
import pytest
import tiny

from alexnet_tf import convert, evaluate, export, predict, train
from alexnet_tf.command_line import flags
from alexnet_tf.config.fields import settings_of
from alexnet_tf.errors import UserError
from alexnet_tf.networks.family.names import network
from alexnet_tf.training import checkpoint
from alexnet_tf.weights import layouts
from pipelines.config import InputConfig

CONFIG = foreign.small("caffe")
WEIGHTS = foreign.weights(CONFIG)
CAFFE = ("--network.name=caffe", *foreign.SMALL)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A .caffemodel and the names of its three classes."""
    path = tmp_path_factory.mktemp("caffe")
    foreign.write_caffemodel(path / "net.caffemodel", CONFIG, WEIGHTS, is_old=False)
    (path / "names.txt").write_text("\n".join(tiny.CLASSES) + "\n")
    return path


@pytest.fixture(scope="module")
def run_dir(model):
    path = model / "runs" / "caffe"
    flags = [f"--from={model / 'net.caffemodel'}", f"--output={path}", *CAFFE]
    assert convert.main([*flags, f"--classes={model / 'names.txt'}"]) == 0
    return path


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_directory_holds_the_weights_their_preprocessing_and_the_names(run_dir):
    stored = checkpoint.load(run_dir)
    assert (stored.step, stored.classes) == (None, tiny.CLASSES)
    assert stored.config.network == CONFIG
    assert stored.config.network.input.channel_order == "bgr"
    assert stored.config.network.input.resize_rule == "warp"
    tiny.assert_equal(stored.weights(), WEIGHTS)
    tiny.assert_equal(stored.arrays(), WEIGHTS)  # no velocities, since nothing moved them
    assert (run_dir / "classes.txt").read_text().split() == list(tiny.CLASSES)


@pytest.mark.long
def test_it_is_evaluated_exported_and_asked(run_dir, pictures, tmp_path, capsys):
    source = f"--data.source=folder:{pictures}"
    assert evaluate.main([f"--run_dir={run_dir}", source]) == 0
    result = last_line(capsys)
    assert (result["seen"], result["step"]) == (15, None)
    output = tmp_path / "export"
    assert export.main([f"--run_dir={run_dir}", f"--output={output}"]) == 0
    picture = str(pictures / "val" / "dark" / "0.jpg")
    answers = []
    for place in (output, run_dir):
        capsys.readouterr()
        assert predict.main([f"--model={place}", "--json", picture]) == 0
        answers.append(last_line(capsys)["images"][0]["top"])
    assert answers[0] == answers[1] and {x["class"] for x in answers[0]} == set(tiny.CLASSES)


@pytest.mark.long
def test_a_run_starts_from_it_with_settings_and_classes_of_its_own(run_dir, tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures", classes=("ant", "bee"))
    places = [f"--run_dir={tmp_path / 'on'}", f"--data.source=folder:{pictures}"]
    rest = ["--recipe=imagenette", "--steps=1", "--global_batch_size=8", "--notensorboard"]
    assert train.main([f"--start_from={run_dir}", *places, *rest]) == 0
    trained = checkpoint.load(tmp_path / "on", "last")
    assert (trained.step, trained.classes) == (1, ("ant", "bee"))
    assert trained.config.network == dataclasses.replace(CONFIG, num_classes=2)
    difference = np.abs(trained.weights()["conv1/kernel"] - WEIGHTS["conv1/kernel"]).max()
    assert 0 < difference < 10


@pytest.mark.parametrize("end", ["npz", "pth", "safetensors"])
def test_there_and_back_nothing_changes(run_dir, tmp_path, capsys, end):
    pytest.importorskip({"pth": "torch"}.get(end, "numpy" if end == "npz" else end))
    file = tmp_path / f"net.{end}"
    assert convert.main([f"--from={run_dir}", f"--output={file}"]) == 0
    expected = {"from": str(run_dir), "output": str(file), "network": "caffe", "num_classes": 3}
    expected["parameters"] = sum(array.size for array in WEIGHTS.values())
    assert last_line(capsys) == expected
    assert convert.main([f"--from={file}", f"--output={tmp_path / 'again'}", *CAFFE]) == 0
    again = checkpoint.load(tmp_path / "again")
    tiny.assert_equal(again.weights(), WEIGHTS)
    assert again.classes == ("class_0000", "class_0001", "class_0002")
    said = "classes: called class_0000 to class_0002; --classes=FILE gives them names"
    assert said in capsys.readouterr().err


def test_mistakes_are_refused(model, run_dir, tmp_path):
    caffe, new = f"--from={model / 'net.caffemodel'}", f"--output={tmp_path / 'new'}"
    names = tmp_path / "names.txt"
    names.write_text("one\ntwo\n")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04")
    for argv, text in (
        ([new], "from: expected a value. Add --from=...; see --help"),
        ([caffe], "output: expected a value"),
        ([caffe, new], "network.name: expected the network .*usually caffe or caffenet"),
        (
            [caffe, new, "--network.name=caffe"],
            r"conv1: conv1/kernel has shape \(6, 3, 11, 11\), exp",
        ),
        ([caffe, new, *CAFFE, "--network.groups=1"], r"conv2: .*\(16, 3, 5, 5\), expected \(16, 6"),
        ([caffe, new, *CAFFE, "--network.num_classes=4"], r"fc8: .*\(3, 16\), expected \(4, 16\)"),
        ([caffe, new, *CAFFE, "--network.without=conv4"], "missing nothing; unknown conv4/kernel"),
        (
            [caffe, new, *CAFFE, "--network.input.mean=dataset"],
            "network.input.mean=dataset: expected the mean color that these weights were trained",
        ),
        ([caffe, new, *CAFFE, f"--classes={names}"], "2 names in 2 lines; expected 3"),
        (
            [caffe, new, *CAFFE, "--classes=nowhere"],
            "classes='nowhere': .*; expected a file with a name in each line",
        ),
        ([caffe, f"--output={model}", *CAFFE], "output=.* exists; expected a new place"),
        ([caffe, f"{new}.h5", *CAFFE], "are not written; expected a directory, or a file .* .npz"),
        ([caffe, f"{new}.npy", *CAFFE], "only read; expected a directory, or a file .* .npz"),
        (
            [f"--from={run_dir}", f"{new}.npz", "--network.width=1"],
            "network.width: expected no settings of the network, which the run",
        ),
        (["--from=nowhere.npz", new, *CAFFE], "from='nowhere.npz': No such file"),
        (["--from=nowhere", new], "from='nowhere': expected a run directory, or a file that ends"),
        ([f"--from={tmp_path / 'broken.pth'}", new, *CAFFE], "cannot be read .*expected a whole"),
        (
            [caffe, f"--output={names}/new.npz", *CAFFE],
            "output=.*new.npz' cannot be written: File exists. Expected a file",
        ),
        (
            [caffe, "--output=/proc/new.npz", *CAFFE],
            "output=.* cannot be written: .*Expected a fi",
        ),
        (
            [caffe, f"--output={tmp_path}/{'a' * 300}.npz", *CAFFE],
            "written: File name too long. E",
        ),
        (
            [caffe, f"--output={names}/new", *CAFFE],
            "output=.* cannot be written: Not a directory. Expected a directory",
        ),
        (["--check=a.npz", new], "check=a.npz: expected no from, output"),
        (["--check=a.npz"], "check='a.npz': No such file"),
    ):
        with pytest.raises(UserError, match=text):
            convert.main(argv)
    assert not (tmp_path / "new").exists()


def test_a_network_without_a_place_in_torchvisions_layout_is_refused(tmp_path):
    network = foreign.small("conv6", size=96)
    convert.write_weights(
        tmp_path / "run", network, foreign.weights(network), ("a", "b", "c"), "a.npz"
    )
    with pytest.raises(UserError, match="output=.*conv6/kernel has no place in torchvision's lay"):
        convert.main([f"--from={tmp_path / 'run'}", f"--output={tmp_path / 'net.pth'}"])


def test_a_network_that_fits_torchvisions_by_its_shapes_alone_is_refused():
    config = dataclasses.replace(network("torchvision"), num_classes=3)
    other = [dataclasses.replace(x, pad=(2, 0)) if x.name == "conv3" else x for x in config.layers]
    config = dataclasses.replace(config, name="moved", layers=other)
    text = "network.name=moved fits torchvision's alexnet by its shapes alone: conv3 is another"
    with pytest.raises(UserError, match=text):
        layouts.from_ours({}, layouts.TORCHVISION, config)  # before it looks at weights


@pytest.mark.parametrize(
    "changes, layer",
    [
        ({"pooling": "plain"}, "pool1"),  # at 224 pixels its maps have the same sizes
        ({"activation": "tanh"}, "conv1"),
        ({"dropout": "program"}, "drop6"),
        ({"dropout": "program", "dropout_rate": 0.0}, ""),
        ({"dropout": "none"}, ""),
        ({"input": InputConfig(size=227)}, ""),
    ],
)
def test_a_network_that_uses_its_weights_otherwise_than_torchvision_is_refused(changes, layer):
    config = dataclasses.replace(network("torchvision"), num_classes=3, **changes)
    if layer:
        with pytest.raises(UserError, match=f"by its shapes alone: {layer} is another layer there"):
            layouts.from_ours({}, layouts.TORCHVISION, config)
    else:
        with pytest.raises(KeyError):  # of the first array, as there are none
            layouts.from_ours({}, layouts.TORCHVISION, config)


def test_a_file_of_weights_has_no_place_for_classes(model, tmp_path, capsys):
    flags = [f"--from={model / 'net.caffemodel'}", *CAFFE, f"--output={tmp_path / 'a.npz'}"]
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    assert convert.main([*flags, f"--classes={tmp_path / 'names.txt'}"]) == 0
    assert "classes: a file of weights has no place for them" in capsys.readouterr().err


def test_a_field_with_a_trailing_underscore_is_typed_without_it():
    names = {setting.name: setting.path for setting in settings_of(convert.Arguments)}
    assert names["from"] == ("from_",)
    call = flags.parse(["--from=a", "--output", "b"], convert.Arguments)
    assert (call.arguments.from_, call.arguments.output) == ("a", "b")


def test_a_mistake_is_one_sentence_and_exit_code_2():
    command = [sys.executable, "-m", "alexnet_tf.convert", "--from=no.pth", "--output=o"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "--network.name=NAME" in done.stderr
