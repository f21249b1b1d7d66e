"""Directories whose small files are no longer as they were written: one sentence, every command."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tiny
import tiny_run

from alexnet_tf import convert, evaluate, export, predict
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import checkpoint, converted
from alexnet_tf.training.run import run
from alexnet_tf.training.state import Progress

VALUES = (None, True, -1, 0.5, "x", [], [1], {}, {"x": 1}, 10**30)
READERS = {
    "evaluate": lambda place, new: evaluate.main([f"--run_dir={place}", "--split=val"]),
    "export": lambda place, new: export.main([f"--run_dir={place}", f"--output={new}"]),
    "predict": lambda place, new: predict.main([f"--model={place}", __file__]),
    "convert": lambda place, new: convert.main([f"--from={place}", f"--output={new}.npz"]),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run of one checkpoint, and the same weights converted."""
    place = tmp_path_factory.mktemp("written")
    tiny_run.write_checkpoint(place / "run")
    convert.main([f"--from={place / 'run'}", f"--output={place / 'converted'}"])
    return place


def places(values, above=()):
    """Yields the path of every value of a JSON object, the inner ones too."""
    for key in values if isinstance(values, dict) else range(len(values)):
        yield (*above, key)
        if isinstance(values[key], dict | list):
            yield from places(values[key], (*above, key))


def change(path, place, value):
    """Replaces one value in a file of JSON."""
    whole = json.loads(path.read_text())
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize("form", ["run", "converted"])
def test_any_value_in_a_description_is_read_or_refused_in_one_sentence(written, tmp_path, form):
    shutil.copytree(written / form, tmp_path / form)
    path = next((tmp_path / form).rglob("state.json"))
    text = path.read_text()
    refused, draw = 0, np.random.default_rng(0)
    for place in places(json.loads(text)):
        for value in draw.choice(np.array(VALUES, object), 2, replace=False):
            change(path, place, value)
            try:
                stored = checkpoint.load(tmp_path / form)
                export.description(stored)
                stored.weights()
                if form == "run":
                    try:
                        Progress.from_json(stored.progress)
                    except (KeyError, TypeError, ValueError):  # what a trainer takes for damage
                        refused += 1
            except (RunFailed, UserError) as error:
                refused += 1
                assert str(path.parent) in str(error) and "\n" not in str(error)
            path.write_text(text)
    assert refused > 200


DAMAGES = {
    "classes has 6 names for 7 outputs": lambda state: state["classes"].pop(),
    "has shape .*, but the settings in state.json expect": (
        lambda state: state_network(state).update(width=0.125)
    ),
    "would see .* pixels a side and give none": (
        lambda state: state_network(state)["input"].update(size=20)
    ),
}
"""What is done, by what is said of it."""


def state_network(state):
    return state["network"] if "network" in state else state["config"]["network"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("form", ["run", "converted"])
def test_every_command_says_so(written, tmp_path, form, damage):
    shutil.copytree(written / form, tmp_path / form)
    path = next((tmp_path / form).rglob("state.json"))
    state = json.loads(path.read_text())
    DAMAGES[damage](state)
    path.write_text(json.dumps(state))
    for command, read in READERS.items():
        with pytest.raises(RunFailed, match=f"checkpoint=.* cannot be read: .*{damage}") as raised:
            read(tmp_path / form, tmp_path / "new")
        advice = "convert once more" if form == "converted" else "the last one that is left"
        assert advice in str(raised.value), command
    assert not list(tmp_path.glob("new*"))


def test_arrays_that_are_not_the_networks_are_named(written, tmp_path):
    shutil.copytree(written / "run", tmp_path / "run")
    path = next((tmp_path / "run").rglob("arrays.npz"))
    with np.load(path) as arrays:
        whole = dict(arrays)
    lacking = {name: x for name, x in whole.items() if name != "fc7/bias"}
    words = whole | {"conv1/bias": np.full(whole["conv1/bias"].shape, "x")}
    for arrays, text in (
        (lacking, r"fc7/bias has shape None, but .* expect \(24,\)"),
        (words, r"conv1/bias has shape None, but .* expect \(6,\)"),
        (whole | {"fc9/bias": np.zeros(3)}, r"fc9/bias has shape \(3,\), but .* expect None"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(RunFailed, match=text):
            checkpoint.load(tmp_path / "run").weights()


@pytest.mark.parametrize(
    "place, value",
    [
        ("best_error", "x"),
        ("sums", [1.0]),
        ("sums", "abcde"),
        ("plateau", {"drops": "x"}),
        ("evaluation", 3),
        ("loss_scale", None),
        ("metrics_bytes", -1),
    ],
)
def test_a_run_does_not_go_on_from_damaged_progress(pictures, undisturbed, tmp_path, place, value):
    shutil.copytree(undisturbed, tmp_path / "run")
    change(max((tmp_path / "run").rglob("evaluation.json")), (place,), value)
    with pytest.raises(RunFailed, match="step-000000012' cannot be read"):
        run(tiny.config(pictures, tmp_path / "run", cache="none", steps=16))


def test_damaged_settings_of_a_run_are_named_with_their_file(pictures, undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    for place, value in (
        (("network", "layers", 0, "kind"), []),
        (("network", "width"), "x"),
        (("schema_version",), {}),
    ):
        text = path.read_text()
        change(path, place, value)
        with pytest.raises(UserError, match="run/config.json': "):
            run(tiny.config(pictures, tmp_path / "run", cache="none", steps=16))
        path.write_text(text)


@pytest.mark.slow
def test_a_damaged_mean_is_noticed(pictures, tmp_path):
    config = tiny.config(pictures, tmp_path, steps=2)
    inputs = dataclasses.replace(config.network.input, mean="dataset")
    config = tiny.with_network(config, input=inputs)
    run(config)
    for value in (5, "dataset", [1, 2], ["a", "b", "c"]):
        change(tmp_path / "data.json", ("measured_mean",), value)
        with pytest.raises(UserError, match="measured_mean: .* Expected the same"):
            run(config)


def test_a_best_checkpoint_that_lacks_a_file_is_not_passed_over(tmp_path):
    for step in (10, 20):
        tiny_run.write_checkpoint(tmp_path, step=step, best_step=10)
    (tmp_path / "checkpoints" / "step-000000010" / "state.json").unlink()
    with pytest.raises(RunFailed, match="step-000000010' cannot be read: a file of it is missing"):
        checkpoint.load(tmp_path)
    assert checkpoint.load(tmp_path, "last").step == 20


def test_a_directory_without_weights_is_named_by_its_flag(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="^from=.* holds no checkpoint"):
        convert.main([f"--from={tmp_path}", f"--output={tmp_path / 'new'}"])
    with pytest.raises(UserError, match="^model=.* holds no checkpoint"):
        predict.main([f"--model={tmp_path}", __file__])
    assert not converted.is_converted(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(UserError, match="from=.* is an export; expected the run that it was made"):
        convert.main([f"--from={tmp_path}", f"--output={tmp_path / 'new'}"])
