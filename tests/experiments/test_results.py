"""The file of finished rows: what comes back, what is refused."""

import json
import pathlib
import re

import numpy as np
import pytest
import tiny

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.experiments import results
from alexnet_tf.experiments.results import Finished, Results

CONFIG = tiny.config(pathlib.Path("pictures"), pathlib.Path("run"))
DATA = {"train_num_examples": 30, "train_digest": "a", "val_num_examples": 15, "val_digest": "b"}


def finished(row="base", seed=0, **values) -> Finished:
    settings = results.settings_text(CONFIG)
    return Finished(row=row, seed=seed, settings=settings, data=DATA, planned_steps=12, **values)


def test_what_is_written_comes_back(tmp_path):
    correct = np.random.default_rng(0).random(3925) < 0.8
    stored = Results(
        (
            finished(seed=1, top1_error=0.2, correct=correct, seconds=3.5, images_per_second=9.0),
            finished(epochs_to=2.5, curve=((0.5, 0.6), (1.0, 0.25)), steps=7, version="0.2.0"),
            finished("other", failed="step=3: the loss is not finite."),
        )
    )
    results.write(tmp_path, "any", stored)
    found = results.read(tmp_path, "any")
    for one, other in zip(stored.finished, found.finished, strict=True):
        np.testing.assert_array_equal(one.correct, other.correct)
        assert {**vars(one), "correct": 0} == {**vars(other), "correct": 0}
    assert [x.seed for x in found.of("base")] == [0, 1]
    assert found.find("other", 0).failed
    assert found.find("other", 1) is None


def test_times_stand_apart_from_what_is_the_same_in_every_run(tmp_path):
    for seconds in (1.0, 2.0):
        results.write(tmp_path, "any", Results((finished(seconds=seconds),)))
        (row,) = json.loads((tmp_path / results.FILE).read_text())["rows"]
        assert row.pop("time") == {"seconds": seconds, "images_per_second": None}
        assert "seconds" not in row


def test_nothing_is_finished_without_a_file(tmp_path):
    assert results.read(tmp_path, "any").finished == ()


def test_settings_without_what_may_change_are_those_of_the_run():
    stored = results.settings_text(CONFIG)
    assert "run_dir" not in stored["run"]
    assert "source" not in stored["data"]
    assert stored["run"]["seed"] == 0
    results.check_same(finished(), CONFIG, DATA, 12, pathlib.Path("out"))


@pytest.mark.parametrize(
    "config, data, steps, text",
    [
        (tiny.with_network(CONFIG, groups=1), {}, 12, "network.groups: 2 -> 1. Expected the same."),
        (CONFIG, {"train_digest": "c"}, 12, "train_digest: a -> c"),
        (CONFIG, {}, 24, "steps: 12 -> 24"),
    ],
)
def test_a_row_of_other_settings_is_refused_with_the_difference(config, data, steps, text):
    begin = "output='out': base with seed 0 was trained with other settings: "
    with pytest.raises(UserError, match=re.escape(begin + text)):
        results.check_same(finished(), config, DATA | data, steps, pathlib.Path("out"))


def test_a_file_of_another_version_is_refused(tmp_path):
    (tmp_path / results.FILE).write_text('{"format_version": 9}')
    text = "written by another alexnet_tf, as rows of format 9 where this one knows up to 2"
    with pytest.raises(UserError, match=text):
        results.read(tmp_path, "any")


def test_rows_of_another_experiment_are_refused(tmp_path):
    results.write(tmp_path, "ablations", Results((finished(),)))
    with pytest.raises(UserError, match="holds rows of the experiment ablations; expected those"):
        results.read(tmp_path, "depth")


def test_what_version_1_wrote_comes_back(tmp_path):
    docs = pathlib.Path(__file__).parents[2] / "docs" / "laboratory"
    (tmp_path / results.FILE).write_bytes((docs / "figure1.json").read_bytes())
    found = results.read(tmp_path, "figure1")
    assert len(found.of("relu")) == 3 and found.of("relu")[0].command == ""
    assert found.of("tanh")[0].epochs_to == pytest.approx(4.06, abs=0.01)


def test_rows_that_saw_other_pictures_are_not_compared():
    rows = [finished(correct=np.ones(9, bool)), finished("other", 1, correct=np.ones(8, bool))]
    text = "'out': other with seed 1 saw 8 and base with seed 0 saw 9 validation pictures; expected"
    with pytest.raises(UserError, match=text):
        results.check_pictures(rows, pathlib.Path("out"))
    results.check_pictures([*rows[:1], finished("failed", failed="why")], pathlib.Path("out"))


@pytest.mark.parametrize(
    "change, why",
    [
        ({"correct": {"length": 9, "bits": "AA=="}}, "9 pictures in 1 bytes"),
        ({"odd": 1}, "unexpected keyword argument 'odd'"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, why):
    results.write(tmp_path, "any", Results((finished(),)))
    stored = json.loads((tmp_path / results.FILE).read_text())
    stored["rows"][0] |= change
    (tmp_path / results.FILE).write_text(json.dumps(stored))
    with pytest.raises(RunFailed, match="rows.json' cannot be used: .* Expected finished rows as"):
        results.read(tmp_path, "any")
    with pytest.raises(RunFailed, match=why):
        results.read(tmp_path, "any")
