"""Checkpoints of chosen epochs stay, whatever else a run saves, and nothing else does."""

import dataclasses
import itertools

import numpy as np
import pytest
import tiny

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.errors import RunFailed
from alexnet_tf.training import checkpoint
from alexnet_tf.training.cadence import Cadence
from alexnet_tf.training.run import run
from alexnet_tf.training.schedules import Plateau
from alexnet_tf.training.state import Progress


def steps(run_dir):
    return [int(x.name.removeprefix("step-")) for x in sorted((run_dir / "checkpoints").iterdir())]


def save(run_dir, step, best_step=0, kept_epoch=0):
    checkpoint.save(
        run_dir / "checkpoints",
        {"conv1/bias": np.full(2, step, np.float32)},
        tiny.config(run_dir, run_dir),
        ("a", "b"),
        Progress(step=step, best_step=best_step).to_json(),
        {},
        kept_epoch,
    )


@pytest.mark.slow
def test_what_is_kept_stays_through_a_kill_and_later_settings(pictures, tmp_path):
    def config(steps, *epochs):  # 30 examples, 8 to a step: epochs end after steps 4, 8, 12, 15
        often = {"save_every_seconds": 1e-9, "steps_per_launch": 1}
        keep = {"keep_epochs": epochs, "evaluate_every_epochs": 9}
        return tiny.config(pictures, tmp_path, steps=steps, **often, **keep)

    with pytest.raises(KeyboardInterrupt):
        run(config(12, 1), [tiny.StopAt(7)])
    assert steps(tmp_path) == [4, 5, 6]
    run(config(12, 2, 4))  # epoch 1 is left out, and stays
    assert steps(tmp_path) == [4, 8, 11, 12]
    run(config(18, 2, 4))
    assert {4, 8, 15, 17, 18} <= set(steps(tmp_path)) <= {4, 8, 12, 15, 17, 18}  # 12 if best
    assert [(x.kept_epoch, x.step) for x in checkpoint.kept(tmp_path)] == [(1, 4), (2, 8), (4, 15)]
    assert checkpoint.load(tmp_path, "last").step == 18


def test_what_is_kept_is_neither_the_best_nor_the_last(tmp_path):
    for step in range(1, 9):
        save(tmp_path, step, best_step=min(step, 3), kept_epoch=step // 2 if step in (2, 4) else 0)
    assert steps(tmp_path) == [2, 3, 4, 7, 8]
    assert (checkpoint.load(tmp_path).step, checkpoint.load(tmp_path, "last").step) == (3, 8)
    assert [x.arrays()["conv1/bias"][0] for x in checkpoint.kept(tmp_path)] == [2, 4]
    checkpoint.clean(tmp_path / "checkpoints")
    assert steps(tmp_path) == [2, 3, 4, 7, 8]


def test_the_space_asked_for_counts_what_will_be_kept(tmp_path):
    directory, arrays = tmp_path / "checkpoints", {"x": np.zeros(10, np.float32)}
    assert checkpoint.needed_bytes(directory, arrays, 3) == (4 + 3) * 40
    save(tmp_path, 1, kept_epoch=1)
    assert checkpoint.needed_bytes(directory, arrays, 2) == (4 + 2) * 40
    for step in (2, 3):
        save(tmp_path, step)
    assert checkpoint.needed_bytes(directory, arrays, 2) == (2 + 2) * 40


def test_epochs_end_where_steps_complete_them(tmp_path):
    config = tiny.config(tmp_path, tmp_path, steps=12, keep_epochs=(1, 3, 5, 90))
    cadence = Cadence(config, 30)
    assert [cadence.kept_epoch(step) for step in range(13)] == [0] * 4 + [1] + [0] * 7 + [3]
    assert [cadence.num_still_to_keep(step) for step in (0, 3, 4, 12)] == [2, 2, 1, 0]
    assert Cadence(config, 2).kept_epoch(1) == 3  # a step that completes four


def test_a_step_that_is_saved_again_is_kept(tmp_path):
    save(tmp_path, 1, kept_epoch=2)
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    assert [x.kept_epoch for x in checkpoint.kept(tmp_path)] == [2]


def test_evaluations_are_due_where_a_step_completes_several_epochs(tmp_path):
    def due(num_examples, batch, every, num_epochs):
        run = {"global_batch_size": batch, "evaluate_every_epochs": every}
        cadence = Cadence(
            tiny.config(tmp_path, tmp_path, epochs=num_epochs, steps=0, **run), num_examples
        )
        steps = [x for x in range(1, cadence.num_steps + 1) if cadence.is_scheduled(x)]
        return [cadence.epochs_done(step) for step in steps]

    assert due(30, 8, 2, 7) == [2, 4, 6]
    assert due(50, 128, 10, 100) == [10, 20, 30, 40, 51, 61, 71, 81, 92, 102]
    assert due(60, 64, 5, 20) == [5, 10, 16, 20]


def test_a_part_of_an_epoch_is_no_step_longer_than_it_is(tmp_path):
    config = tiny.config(tmp_path, tmp_path, epochs=1.1, steps=0, global_batch_size=100)
    assert Cadence(config, 3000).num_steps == 33  # as floats 1.1 * 3000 is more than 3300
    assert Cadence(config, 3001).num_steps == 34


def test_a_rate_drops_with_the_step_after_its_epoch(tmp_path):
    def drops(num_examples, batch, epochs):
        config = tiny.config(tmp_path, tmp_path, global_batch_size=batch)
        rule = OptimizerConfig(learning_rate=1.0, schedule="step", drop_epochs=epochs)
        cadence = Cadence(dataclasses.replace(config, optimizer=rule), num_examples)
        rates = [cadence.learning_rate(step, Plateau()) for step in range(1, 300)]
        return [i + 2 for i, (a, b) in enumerate(itertools.pairwise(rates)) if a != b]

    assert drops(59, 25, (25, 50)) == [60, 119]  # as floats 59 / (59 / 25) is less than 25
    assert drops(30, 3, (0.1, 0.7, 1.1)) == [2, 8, 12]


@pytest.mark.parametrize("text", ["", "[]", '{"epoch": "1"}'])
def test_a_damaged_mark_is_one_sentence(tmp_path, text):
    save(tmp_path, 1, kept_epoch=1)
    (tmp_path / "checkpoints" / "step-000000001" / "kept.json").write_text(text)
    with pytest.raises(RunFailed, match="step-000000001' cannot be read"):
        checkpoint.kept(tmp_path)
