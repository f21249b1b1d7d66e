"""A run that stops because nothing gets better: when, what it says, and how it goes on."""

import dataclasses
import json
import shutil

import pytest
import tiny

from alexnet_tf.config.run import RunConfig
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run


def stuck(pictures, run_dir, **changes):
    """Configures up to 30 steps, eight epochs of 30 pictures, whose weights hardly move."""
    config = tiny.config(
        pictures, run_dir, **{"steps": 30, "stop_after_stalled_epochs": 2} | changes
    )
    frozen = dataclasses.replace(config.optimizer, learning_rate=1e-9)
    return dataclasses.replace(config, optimizer=frozen)


@pytest.fixture(scope="module")
def stalled(pictures, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("stalled")
    assert run(stuck(pictures, run_dir))[0] == 0
    return run_dir


def evaluated(run_dir) -> list[int]:
    return [line["step"] for line in tiny.metrics(run_dir) if "eval/loss" in line]


@pytest.mark.long
def test_a_run_stops_once_no_evaluation_was_better_for_so_many_epochs(stalled):
    assert evaluated(stalled) == [4, 8, 12]  # the first is the best; two epochs are waited for
    last = checkpoint.load(stalled, "last")
    assert (last.step, last.progress["best_step"]) == (12, 4)
    assert json.loads((stalled / "result.json").read_text())["step"] == 12


@pytest.mark.slow
def test_a_stopped_run_is_finished_and_goes_on_when_more_epochs_are_waited_for(
    pictures, tmp_path, stalled, capsys
):
    shutil.copytree(stalled, tmp_path, dirs_exist_ok=True)
    said = "since no evaluation was better than that of step 4 for stop_after_stalled_epochs="
    assert run(stuck(pictures, tmp_path))[1]["step"] == 12
    assert f"finished at step 12, {said}2. Go on with a higher" in capsys.readouterr().err
    assert tiny.metrics(tmp_path) == tiny.metrics(stalled)
    assert run(stuck(pictures, tmp_path, stop_after_stalled_epochs=3))[1]["step"] == 15
    assert f"finished at step 15, {said}3." in capsys.readouterr().err


@pytest.mark.slow
def test_the_end_of_a_run_that_is_extended_counts_for_nothing(pictures, tmp_path, stalled):
    run(stuck(pictures, tmp_path, steps=3))  # ends inside of the first epoch
    assert checkpoint.load(tmp_path, "last").progress["best_step"] == 3
    run(stuck(pictures, tmp_path, steps=10))  # two epochs later, and no end of one
    assert run(stuck(pictures, tmp_path))[1]["step"] == 12
    ends = [checkpoint.load(run_dir, "last") for run_dir in (stalled, tmp_path)]
    tiny.assert_equal(*(end.arrays() for end in ends))


@pytest.mark.slow
def test_a_killed_run_stops_at_the_same_step_with_the_same_bits(pictures, tmp_path, stalled):
    often = {"save_every_seconds": 1e-9, "steps_per_launch": 1}
    with pytest.raises(KeyboardInterrupt):
        run(stuck(pictures, tmp_path, **often), [tiny.StopAt(10)])
    run(stuck(pictures, tmp_path))
    tiny.assert_equal(*(checkpoint.load(x, "last").arrays() for x in (stalled, tmp_path)))
    assert tiny.metrics(tmp_path) == tiny.metrics(stalled)


def test_a_number_of_epochs_is_not_negative():
    with pytest.raises(ValueError, match="stop_after_stalled_epochs=-1: expected 0 or more"):
        RunConfig(stop_after_stalled_epochs=-1)
