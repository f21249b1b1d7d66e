"""Checkpoints are there whole or not at all, and keep what they should."""

import errno
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import tiny

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.training import checkpoint
from alexnet_tf.training.checkpoint import Which
from alexnet_tf.training.state import Progress

ARRAYS = {"conv1/kernel": np.ones((2, 2), np.float32), "conv1/bias": np.zeros(2, np.float32)}


def save(run_dir, step, best_step=0, arrays=ARRAYS):
    progress = Progress(step=step, best_step=best_step).to_json()
    config = tiny.config(run_dir, run_dir)
    checkpoint.save(run_dir / "checkpoints", arrays, config, ("a", "b"), progress, {"x": 1})


def steps(run_dir):
    return [int(x.name.removeprefix("step-")) for x in sorted((run_dir / "checkpoints").iterdir())]


def test_what_is_saved_is_loaded(tmp_path):
    save(tmp_path, 3)
    loaded = checkpoint.load(tmp_path)
    assert (loaded.step, loaded.classes) == (3, ("a", "b"))
    assert loaded.config == tiny.config(tmp_path, tmp_path)
    tiny.assert_equal(loaded.arrays(), ARRAYS)


def test_the_best_and_the_last_two_are_kept(tmp_path):
    for step in range(1, 7):
        save(tmp_path, step, best_step=min(step, 2))
    assert steps(tmp_path) == [2, 5, 6]
    assert checkpoint.load(tmp_path, Which.BEST).step == 2
    assert checkpoint.load(tmp_path, Which.LAST).step == 6


def test_a_best_checkpoint_that_is_gone_is_said(tmp_path, capsys):
    for step in range(1, 5):
        save(tmp_path, step, best_step=1)
    shutil.rmtree(tmp_path / "checkpoints/step-000000001")
    assert checkpoint.load(tmp_path, Which.LAST).step == 4 and not capsys.readouterr().err
    assert checkpoint.load(tmp_path, Which.BEST).step == 4
    said = "its best checkpoint, of step 1, is gone; the last one is taken, of step 4"
    assert said in capsys.readouterr().err


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(RunFailed, match="step=2: conv1/bias is not finite"):
        save(tmp_path, 2, arrays=ARRAYS | {"conv1/bias": np.array([np.nan], np.float32)})
    assert steps(tmp_path) == [1]


def test_a_full_disk_is_one_sentence_and_the_previous_checkpoint_stays(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match="No space left on device. Earlier ones are as they were"):
        save(tmp_path, 2)
    assert steps(tmp_path) == [1]
    tiny.assert_equal(checkpoint.load(tmp_path).arrays(), ARRAYS)


@pytest.mark.parametrize("name", ["arrays.npz", "state.json"])
def test_a_damaged_file_is_named(tmp_path, name):
    save(tmp_path, 1)
    path = tmp_path / "checkpoints" / "step-000000001" / name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunFailed, match="step-000000001' cannot be read"):
        checkpoint.load(tmp_path).arrays()


def test_leftovers_of_a_killed_write_are_cleared(tmp_path):
    save(tmp_path, 1)
    directory = tmp_path / "checkpoints"
    (directory / ".unfinished-step-000000002").mkdir()
    (directory / "step-000000001").rename(directory / ".unfinished-old-step-000000001")
    checkpoint.clean(directory)
    assert steps(tmp_path) == [1]  # killed between two renames: the old one comes back


def test_saving_a_step_again_replaces_it(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 1, arrays=ARRAYS | {"conv1/bias": np.ones(2, np.float32)})
    assert steps(tmp_path) == [1]
    assert checkpoint.load(tmp_path).arrays()["conv1/bias"].tolist() == [1, 1]


def test_a_newer_format_is_refused(tmp_path):
    save(tmp_path, 1)
    path = tmp_path / "checkpoints" / "step-000000001" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 4}))
    with pytest.raises(UserError, match="format_version=4, expected at most 3"):
        checkpoint.load(tmp_path)


def test_no_run_and_no_checkpoint_are_two_sentences(tmp_path):
    with pytest.raises(UserError, match="expected a directory that"):
        checkpoint.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no checkpoint"):
        checkpoint.load(tmp_path)


def test_a_checkpoint_of_the_first_version_stays_readable():
    stored = checkpoint.load(pathlib.Path(__file__).parents[1] / "golden" / "run_v1")
    assert (stored.step, stored.classes) == (5, ("a", "b", "c"))
    assert stored.versions["order_version"] == 1
    progress = Progress.from_json(stored.progress)
    assert progress.evaluation["top1_error"] == progress.best_error == 0.25
    arrays = stored.arrays()
    assert set(np.unique(arrays["fc6/kernel/momentum"])) == {0.5}
    model = alexnet(stored.config.network, seed=1)  # another seed: the weights come from the file
    assign(named_weights(model), stored.weights())
    image = np.linspace(-1, 1, 67 * 67 * 3, dtype=np.float32).reshape(1, 67, 67, 3)
    expected = [[0.01578989, 0.01369295, -0.02600253]]  # written down with the file
    np.testing.assert_allclose(model(image), expected, atol=1e-6)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"fc8/bias": None}, r"missing \['fc8/bias'\]"),
        ({"fc9/bias": np.zeros(3)}, r"unknown \['fc9/bias'\]"),
        (
            {"fc8/bias": np.zeros(4)},
            r"do not fit: fc8/bias has shape \(4,\), expected \(3,\). Expected those",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(change, text):
    stored = checkpoint.load(pathlib.Path(__file__).parents[1] / "golden" / "run_v1")
    arrays = {name: x for name, x in (stored.weights() | change).items() if x is not None}
    with pytest.raises(ValueError, match=text):
        assign(named_weights(alexnet(stored.config.network)), arrays)


@pytest.mark.parametrize("name", ["state.json", "evaluation.json"])
@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "3", '"x"', "{}", '{"config": []}', "[" * 100_000, '{"a": NaN}', "\udcff"],
)
def test_a_description_of_any_shape_is_one_sentence(tmp_path, name, text):
    save(tmp_path, 1)
    path = tmp_path / "checkpoints" / "step-000000001" / name
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RunFailed, match="step-000000001' cannot be read") as raised:
        checkpoint.load(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("place", ["config", "classes", "progress", "versions", "format_version"])
@pytest.mark.parametrize("value", [None, 3, "x", [1], [None], {"x": 1}, {"step": "1"}])
def test_a_description_with_any_wrong_part_is_no_traceback(tmp_path, place, value):
    save(tmp_path, 1)
    path = tmp_path / "checkpoints" / "step-000000001" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {place: value}))
    try:
        checkpoint.load(tmp_path)
    except (RunFailed, UserError) as error:
        assert "step-000000001" in str(error) and "\n" not in str(error)


def test_what_was_loaded_can_be_read_after_it_was_pruned(tmp_path):
    save(tmp_path, 1, best_step=1)
    loaded = checkpoint.load(tmp_path)
    for step in (2, 3, 4):
        save(tmp_path, step, best_step=4)
    assert not loaded.path.exists()
    tiny.assert_equal(loaded.arrays(), ARRAYS)


def test_a_best_that_is_pruned_while_it_is_looked_for_gives_way_to_the_next(tmp_path, monkeypatch):
    save(tmp_path, 1, best_step=1)
    save(tmp_path, 2, best_step=1)
    read_last = checkpoint.read_last

    def then_pruned(directory):
        monkeypatch.setattr(checkpoint, "read_last", read_last)
        last = read_last(directory)
        for step in (3, 4):
            save(tmp_path, step, best_step=4)
        return last

    monkeypatch.setattr(checkpoint, "read_last", then_pruned)
    assert checkpoint.load(tmp_path).step == 4


def test_a_checkpoint_and_its_names_are_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    synced, rename = [], pathlib.Path.rename

    def fsync(descriptor):
        synced.append(pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    def renamed(path, target):
        assert {path, path / "arrays.npz", path / "state.json"} <= set(synced)
        synced.clear()
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(pathlib.Path, "rename", renamed)
    save(tmp_path, 1)
    assert synced == [tmp_path / "checkpoints"]
