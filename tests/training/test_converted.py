"""Converted weights, in the form of today and in that of version 0.1.0: all but a run."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tiny
import tiny_run

from alexnet_tf import convert, evaluate, export, predict, train
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import checkpoint, converted, start

OLD = pathlib.Path(__file__).parents[1] / "golden" / "converted_v1"
"""Written by `convert` of version 0.1.0: caffe at network.width=1/64, network.fc_width=2."""


@pytest.fixture(scope="module", params=["old", "new"])
def directory(request, tmp_path_factory):
    """The same weights in either form."""
    place = tmp_path_factory.mktemp("converted") / request.param
    if request.param == "old":
        shutil.copytree(OLD, place)
    else:
        assert convert.main([f"--from={OLD}", f"--output={place}"]) == 0
    return place


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_new_form_is_no_run(tmp_path):
    convert.main([f"--from={OLD}", f"--output={tmp_path / 'new'}"])
    files = sorted(str(x.relative_to(tmp_path / "new")) for x in (tmp_path / "new").rglob("*.*"))
    assert files == ["classes.txt", "weights/arrays.npz", "weights/state.json"]
    state = json.loads((tmp_path / "new" / "weights" / "state.json").read_text())
    assert (state["format_version"], state["source"]) == (1, str(OLD))
    assert "run" not in state and "progress" not in state


@pytest.mark.parametrize("name", ["x.npz", "arrays.npz", ""])
def test_a_run_may_have_a_folder_of_that_name(undisturbed, tmp_path, name):
    run_dir = tmp_path / "run"
    shutil.copytree(undisturbed, run_dir)
    (run_dir / "weights").mkdir()
    if name:
        assert convert.main([f"--from={run_dir}", f"--output={run_dir / 'weights' / name}"]) == 0
    assert checkpoint.load(run_dir).step == checkpoint.load(undisturbed).step
    assert not converted.is_converted(run_dir) and not converted.is_converted(tmp_path)


def test_both_forms_hold_the_same(directory):
    found, old = checkpoint.load(directory), checkpoint.load(OLD)
    tiny.assert_equal(found.weights(), old.weights())
    assert (found.config.network, found.classes) == (old.config.network, old.classes)
    assert found.step == (0 if directory.name == "old" else None)
    assert found.weights()["conv1/kernel"].any() and found.config.network.name == "caffe"


@pytest.mark.long
def test_both_serve_every_command_but_train(directory, pictures, tmp_path, capsys):
    source = f"--data.source=folder:{pictures}"
    for which in ("best", "last"):
        assert evaluate.main([f"--run_dir={directory}", f"--checkpoint={which}", source]) == 0
    assert last_line(capsys)["seen"] == 15
    assert export.main([f"--run_dir={directory}", f"--output={tmp_path / 'export'}"]) == 0
    assert last_line(capsys)["top1_error"] is None
    picture = str(pictures / "val" / "dark" / "0.jpg")
    answers = []
    for model in (directory, tmp_path / "export"):
        assert predict.main([f"--model={model}", "--json", picture]) == 0
        answers.append(last_line(capsys))
    assert answers[0]["images"] == answers[1]["images"]
    assert answers[0]["step"] == answers[1]["step"] == checkpoint.load(directory).step
    assert convert.main([f"--from={directory}", f"--output={tmp_path / 'back.npz'}"]) == 0
    with np.load(tmp_path / "back.npz") as back:
        tiny.assert_equal(dict(back), checkpoint.load(OLD).weights())


def test_both_are_refused_as_the_directory_of_a_run_with_the_line_to_type(directory, pictures):
    flags = [f"--run_dir={directory}", f"--data.source=folder:{pictures}", "--recipe=paper"]
    line = f"--start_from={directory} --run_dir={directory}-tuned"
    with pytest.raises(UserError, match=f"converted weights, which are no run; .* Type {line}"):
        train.main(flags)
    assert not list(directory.glob("lock"))


def test_a_run_that_the_old_version_began_there_may_go_on(tmp_path):
    shutil.copytree(OLD, tmp_path / "run")
    settings = tiny.config(tmp_path, tmp_path / "run")
    with pytest.raises(UserError, match="which are no run"):
        start.check_place(settings)
    tiny_run.write_checkpoint(tmp_path / "run", step=3)
    start.check_place(settings)


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"format_version": 2}, UserError, "format_version=2, expected at most 1"),
        ({"format_version": None}, RunFailed, "weights' cannot be read"),
        ({"network": {"nmae": 1}}, UserError, "network.field=nmae: .*Did you mean name"),
        ({"classes": None}, RunFailed, "weights' cannot be read: .*convert once more"),
        (None, RunFailed, "weights' cannot be read"),
    ],
)
def test_a_damaged_description_is_one_sentence(tmp_path, change, error, text):
    place = tmp_path / "new"
    convert.main([f"--from={OLD}", f"--output={place}"])
    path = place / converted.FOLDER / "state.json"
    state = json.loads(path.read_text())
    path.write_text("{" if change is None else json.dumps(state | change))
    with pytest.raises(error, match=text):
        checkpoint.load(place)


def test_a_place_that_takes_no_weights_is_one_sentence(tmp_path):
    text = "output=.* could not be written: .* Make room or permit writing, remove what is there"
    with pytest.raises(RunFailed, match=text):
        converted.write(tmp_path / "nowhere", {}, NetworkConfig(), ("a",), "a.npz", {})


def test_damaged_arrays_are_one_sentence(tmp_path):
    convert.main([f"--from={OLD}", f"--output={tmp_path / 'new'}"])
    path = tmp_path / "new" / converted.FOLDER / "arrays.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunFailed, match="weights' cannot be read"):
        checkpoint.load(tmp_path / "new").weights()
