"""Transfer, whole: layers of a network on pictures of other classes, and what goes wrong."""

import contextlib
import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_run

from alexnet_tf import experiment
from alexnet_tf.command_line import flags
from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.experiments import transfer_settings
from alexnet_tf.experiments.transfer import transfer
from alexnet_tf.experiments.transfer_features import computed
from alexnet_tf.experiments.transfer_pictures import Pictures
from alexnet_tf.experiments.transfer_settings import Arguments
from alexnet_tf.laboratory.activations import Extractor
from alexnet_tf.training import checkpoint
from pipelines.sources.folder import folder


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """Three classes that differ in color, clutter, one gray picture and one that is none."""
    root = tiny.write_pictures(tmp_path_factory.mktemp("colors"), train=9, val=0) / "train"
    (root / "BACKGROUND_Google").mkdir()
    (root / "BACKGROUND_Google/1.jpg").write_bytes(tiny_run.picture())
    gray = np.full([70, 90, 1], 225, np.uint8)
    (root / "bright/3.jpg").write_bytes(tf.io.encode_png(gray).numpy())
    (root / "dark/3.jpg").write_bytes(b"no picture")
    return root


def call(pictures, output, *words, **changes) -> tuple[int, dict]:
    """Runs the experiment, without training unless `changes` say so."""
    values = {"per_class": (2, 9), "folds": 3, "tune_folds": 0}
    arguments = Arguments(output=str(output), **(values | changes))
    typed = {"data.source": f"folder:{pictures}"} | dict(words)
    return transfer(arguments, lambda config: flags.override(config, typed), "it")


@pytest.fixture(scope="module")
def whole(run_dir, colors, tmp_path_factory):
    """The directory of a finished experiment, its result, and what was said."""
    output, said = tmp_path_factory.mktemp("whole"), io.StringIO()
    with contextlib.redirect_stderr(said):
        code, result = call(colors, output, run_dir=str(run_dir))
    assert code == 0
    return output, result, said.getvalue()


def test_classes_that_a_layer_separates_are_told_apart(whole):
    output, result, said = whole
    assert (result["classes"], result["pictures"], result["undecoded"]) == (3, 26, 1)
    rows = {(row["name"], row["per_class"]): row for row in result["rows"]}
    names = ["pool1", "pool2", "conv3", "conv4", "pool5", "fc6", "fc7"]
    assert list(rows) == [(name, n) for name in names for n in (2, 9)]
    assert rows["pool5", 9]["folds"] == [1, 1, 1] and rows["pool5", 9]["stdev"] == 0
    assert (rows["pool5", 2]["trained"], rows["pool5", 2]["tested"]) == (6, 20)
    assert (rows["pool5", 9]["trained"], rows["pool5", 9]["tested"]) == (23, 3)
    assert sorted(x.name for x in output.iterdir()) == [
        *("lock", "parts.json", "transfer.csv", "transfer.json", "transfer.md")
    ]
    assert json.loads((output / "transfer.json").read_text()) == result


def test_what_is_left_out_is_named(whole):
    output, _, said = whole
    assert "left out BACKGROUND_Google: 1 pictures of no class" in said
    assert "dark/3.jpg' cannot be decoded" in said
    assert "bright (9), dark (8), red (9) have no more, and train with all but one" in said
    page = (output / "transfer.md").read_text()
    assert "Pictures: 26 of 3 classes" in page and "1 that cannot be decoded left out" in page


@pytest.mark.slow
def test_it_goes_on_where_it_was_killed(run_dir, colors, whole, tmp_path):
    """The file of parts is replaced whole: this is what a kill inside the second layer leaves."""
    output, result, _ = whole
    stored = json.loads((output / "parts.json").read_text())
    some = dict(list(stored["parts"].items())[:9])
    (tmp_path / "parts.json").write_text(json.dumps(stored | {"parts": some}))
    assert call(colors, tmp_path, run_dir=str(run_dir)) == (0, result)
    for name in ("parts.json", "transfer.json", "transfer.csv", "transfer.md"):
        assert (tmp_path / name).read_bytes() == (output / name).read_bytes()


def test_finished_parts_are_not_computed_anew(run_dir, colors, whole, tmp_path):
    stored = json.loads((whole[0] / "parts.json").read_text())
    stored["parts"]["pool5/9/0"]["accuracy"] = 0.5
    (tmp_path / "parts.json").write_text(json.dumps(stored))
    _, found = call(colors, tmp_path, run_dir=str(run_dir))
    assert [row["folds"] for row in found["rows"] if row["name"] == "pool5"][1] == [0.5, 1, 1]


def test_other_settings_in_the_same_place_are_refused(run_dir, colors, whole, tmp_path):
    output, where = whole[0], {"run_dir": str(run_dir)}
    with pytest.raises(UserError, match="holds a table of other settings: seed=0 there, 1 here"):
        call(colors, output, seed=1, **where)
    shutil.copytree(colors, tmp_path / "colors")
    (tmp_path / "colors/red/1.jpg").unlink()
    with pytest.raises(UserError, match="table of other settings: pictures="):
        call(tmp_path / "colors", output, **where)


def test_damaged_parts_are_one_sentence(run_dir, colors, tmp_path):
    (tmp_path / "parts.json").write_text("[]")
    with pytest.raises(RunFailed, match="parts.json' cannot be read as a table: TypeError"):
        call(colors, tmp_path, run_dir=str(run_dir))


@pytest.mark.long
def test_features_are_those_of_the_layer(run_dir, colors, tmp_path):
    stored = checkpoint.load(run_dir)
    config = flags.override(stored.config, {"data.on_error": "skip", "global_batch_size": 8})
    source = folder(str(colors), "all", 0.1)
    found = computed(config, stored.weights(), ["conv1", "pool5"], source, tmp_path)
    assert len(found.index) == source.num_examples - 1 and not any(tmp_path.iterdir())
    whole = np.concatenate([x.values for x in Extractor(stored, config, "conv1")(source)])
    assert whole.shape[1:3] == (15, 15)
    windows = [slice(15 * i // 6, -(-15 * (i + 1) // 6)) for i in range(6)]
    rows = np.stack([whole[:, x].max(1) for x in windows], 1)
    expected = np.stack([rows[:, :, x].max(2) for x in windows], 2).reshape(len(whole), -1)
    np.testing.assert_allclose(found.of_layer["conv1"], expected, atol=1e-6)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"run_dir": ""}, "expected one of the two, which says where the features come from"),
        ({"folds": 11}, "folds=11: expected 1 to 10 folds"),
        ({"tune_folds": 4}, "tune_folds=4: expected 0 to folds=3, of which these are some"),
        ({"per_class": (0, 5)}, "per_class=0,5: expected numbers of pictures to train on"),
        ({"epochs": 0}, "epochs=0: expected at least 1 pass"),
        ({"seed": -1}, "seed=-1: expected a seed from 0 to 4294967295"),
    ],
)
def test_numbers_outside_their_range_are_refused(colors, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(colors, "x", **({"run_dir": "run"} | changes))


@pytest.mark.parametrize(
    "changes, typed, sentence",
    [
        ({"layers": ("fc77",)}, {}, "layers=fc77: expected one of conv1, .*Did you mean fc7"),
        ({}, {"data.source": "shapes"}, "data.source='shapes': expected folder:DIR with a folder"),
        ({}, {"data.source": "folder:nowhere"}, "nowhere': there is no such folder"),
        ({"run_dir": "", "start_from": "HERE"}, {}, "expected a file with weights, found a direct"),
        ({"run_dir": "nowhere"}, {}, "run_dir='nowhere'"),
        ({}, {"network.input.size": 20}, "network.input.size=20: "),
        ({}, {"network.input.mean": "dataset"}, "three levels, since features are compared over"),
    ],
)
def test_mistakes_are_one_sentence(run_dir, colors, tmp_path, changes, typed, sentence):
    changes = {name: str(tmp_path) if x == "HERE" else x for name, x in changes.items()}
    with pytest.raises(UserError, match=sentence) as found:
        call(colors, tmp_path, *typed.items(), **({"run_dir": str(run_dir)} | changes))
    assert "\n" not in str(found.value) and not any(tmp_path.iterdir())


def test_no_place_among_the_pictures_is_taken(run_dir, colors):
    with pytest.raises(UserError, match="lies in data.source='folder:.*, where each folder is a c"):
        call(colors, colors / "out", run_dir=str(run_dir))
    assert not (colors / "out").exists()


def some_layers(run_dir, path, *prefixes) -> str:
    """Writes the arrays of some layers of a run as a file."""
    arrays = checkpoint.load(run_dir).weights()
    np.savez(path, **{name: x for name, x in arrays.items() if name.startswith(prefixes)})
    return str(path)


NETWORK = {f"network.{name}": getattr(tiny_run.NETWORK, name) for name in ("width", "fc_width")}
NETWORK |= {"network.input.size": 64, "network.input.resize": 72, "network.input.scale": 1 / 64}


def test_a_file_that_lacks_a_layer_is_refused_for_what_stands_on_it(run_dir, colors, tmp_path):
    convs = some_layers(run_dir, tmp_path / "x.npz", "conv")
    with pytest.raises(UserError, match="layers=fc7: .* has no weights of fc6, which fc7 needs"):
        call(colors, tmp_path, *NETWORK.items(), start_from=convs, layers=("fc7",))
    upper = some_layers(run_dir, tmp_path / "y.npz", "conv2")
    with pytest.raises(UserError, match="has no weights of conv1, the first layer, so there is"):
        call(colors, tmp_path, *NETWORK.items(), start_from=upper)
    (tmp_path / "z.npz").write_bytes(b"PK no archive")
    with pytest.raises(UserError, match="z.npz"):
        call(colors, tmp_path, *NETWORK.items(), start_from=str(tmp_path / "z.npz"))


def test_a_dry_run_says_on_how_many_pictures(run_dir, colors, tmp_path, capsys):
    about = {"dry_run": True, "tune_folds": 1, "per_class": (9, 2, 2)}
    found = call(colors, tmp_path / "out", run_dir=str(run_dir), **about)
    assert found == (0, {}) and not (tmp_path / "out").exists()
    said = capsys.readouterr().out
    assert "of 3 classes of folder:" in said
    assert "frozen layers: pool1, pool2, conv3, conv4, pool5, fc6, fc7; 2 and 9 pictures" in said
    assert "From scratch and fine-tuned, in 1 of the folds" in said


def test_the_command_that_is_stored_has_what_was_switched_off(run_dir, colors, tmp_path):
    words = ["--tune_folds=0", "--folds=1", "--layers=fc7", "--per_class=2", f"--run_dir={run_dir}"]
    words += [f"--data.source=folder:{colors}", f"--output={tmp_path / 'out'}"]
    assert experiment.main(["transfer", *words]) == 0
    stored = json.loads((tmp_path / "out/transfer.json").read_text())["command"]
    assert " --tune_folds=0 " in stored and "--dry_run" not in stored


def test_too_few_pictures_are_refused(run_dir, colors, tmp_path):
    shutil.copytree(colors, tmp_path / "few")
    for path in sorted((tmp_path / "few/dark").iterdir())[1:]:
        path.unlink()
    with pytest.raises(UserError, match="1 in the class 'dark' that can be decoded; expected two"):
        call(tmp_path / "few", tmp_path / "out", run_dir=str(run_dir))
    for name in ("dark", "red"):
        shutil.rmtree(tmp_path / "few" / name)
    with pytest.raises(UserError, match="or more beside clutter, got bright. Add some."):
        call(tmp_path / "few", tmp_path / "out", run_dir=str(run_dir))
    (tmp_path / "few/bright").rename(tmp_path / "few/257.clutter")
    with pytest.raises(UserError, match="beside clutter, got nothing. Add some."):
        call(tmp_path / "few", tmp_path / "out", run_dir=str(run_dir))


def test_pictures_that_cannot_be_decoded_may_leave_too_few():
    some = Pictures(np.array([2, 3, 7, 8, 9]), np.array([0, 0, 1, 1, 1]), ("a", "b"))
    good = some.without([8, 100])
    assert good.index.tolist() == [2, 3, 7, 9] and good.label.tolist() == [0, 0, 1, 1]
    with pytest.raises(UserError, match="1 in the class 'a' that can be decoded"):
        some.without([2])


def test_a_network_without_a_hidden_layer_has_no_features():
    below = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
    config = Config(network=dataclasses.replace(tiny_run.NETWORK, groups=1, without=below))
    arrays = {"fc8/kernel": np.zeros(1), "fc8/bias": np.zeros(1)}
    with pytest.raises(
        UserError, match="expected a network with a layer below its last, whose fea"
    ):
        transfer_settings.probed(config, (), arrays)
