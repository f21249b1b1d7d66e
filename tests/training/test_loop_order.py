"""A step is saved before it is evaluated: nothing that happens meanwhile costs an epoch."""

import dataclasses
import json
import os
import signal

import keras
import numpy as np
import pytest
import tiny

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import checkpoint, evaluation
from alexnet_tf.training.run import run
from pipelines.config import DataConfig


def last(run_dir):
    return checkpoint.load(run_dir, checkpoint.Which.LAST)


class KillAt(keras.callbacks.Callback):
    """Sends this process a signal, or raises, when the n-th evaluation begins or has ended."""

    def __init__(self, number=None, evaluation=1, has_ended=False):
        super().__init__()
        self.number, self.left, self.has_ended = number, evaluation, has_ended

    def on_test_begin(self, logs=None):
        if not self.has_ended:
            self.strike()

    def on_test_end(self, logs=None):
        if self.has_ended:
            self.strike()

    def strike(self):
        self.left -= 1
        if self.left == 0 and self.number:
            os.kill(os.getpid(), self.number)
        elif self.left == 0:
            raise MemoryError


def assert_ends_like(run_dir, undisturbed):
    tiny.assert_equal(last(run_dir).arrays(), last(undisturbed).arrays())
    assert tiny.metrics(run_dir) == tiny.metrics(undisturbed)
    assert checkpoint.load(run_dir).step == checkpoint.load(undisturbed).step


@pytest.mark.parametrize(
    "number, code, which, step",
    [
        (signal.SIGTERM, 143, 1, 4),  # the first
        pytest.param(signal.SIGINT, 130, 3, 12, marks=pytest.mark.slow),  # the end of the run
    ],
)
@pytest.mark.long
def test_a_signal_is_heard_during_an_evaluation_and_costs_nothing(
    pictures, tmp_path, undisturbed, number, code, which, step, capsys
):
    config = tiny.config(pictures, tmp_path)
    assert run(config, [KillAt(number, which)])[0] == code
    said = f"stopped at step {step} of 12, which is saved. The same command goes on from there."
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert last(tmp_path).step == step
    assert last(tmp_path).progress["evaluated_step"] == step - 4
    assert not (tmp_path / "result.json").exists()
    assert run(config)[0] == 0
    assert_ends_like(tmp_path, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("has_ended", [False, True])
def test_a_kill_around_an_evaluation_repeats_it_and_no_step(
    pictures, tmp_path, undisturbed, has_ended
):
    config = tiny.config(pictures, tmp_path)
    with pytest.raises(MemoryError):
        run(config, [KillAt(evaluation=2, has_ended=has_ended)])
    assert last(tmp_path).step == 8
    assert last(tmp_path).progress["best_step"] == 4
    run(config)
    assert_ends_like(tmp_path, undisturbed)


@pytest.mark.slow
def test_an_undecodable_validation_picture_does_not_cost_the_epoch(tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    (pictures / "val" / "red" / "3.jpg").write_bytes(b"no picture")
    config = tiny.config(pictures, tmp_path / "run")
    text = "red/3.jpg' cannot be decoded: .*. Mend or remove the file, or leave it out: --data.on"
    for _ in range(2):  # the second time no step is made
        with pytest.raises(UserError, match=text):
            run(config)
        assert last(tmp_path / "run").step == 4
    assert [line["step"] for line in tiny.metrics(tmp_path / "run")] == [3, 4]
    skipping = dataclasses.replace(config.data, on_error="skip")
    assert run(dataclasses.replace(config, data=skipping))[0] == 0


def test_the_best_is_marked_in_a_small_file_beside_its_weights(undisturbed):
    path = undisturbed / "checkpoints" / "step-000000012"
    state = json.loads((path / "state.json").read_text())
    found = json.loads((path / "evaluation.json").read_text())
    assert (state["progress"]["evaluated_step"], found["evaluated_step"]) == (8, 12)
    errors = [x["eval/top1_error"] for x in tiny.metrics(undisturbed) if "eval/loss" in x]
    assert found["best_error"] == min(errors)


@pytest.mark.slow
def test_the_end_of_a_plateau_run_that_is_extended_counts_no_evaluation_more(pictures, tmp_path):
    def plateau(name, steps):
        config = tiny.config(pictures, tmp_path / name, steps=steps)
        stuck = {"schedule": "plateau", "learning_rate": 1e-9, "patience_epochs": 2}
        optimizer = dataclasses.replace(config.optimizer, **stuck)
        return dataclasses.replace(config, optimizer=optimizer)

    run(plateau("whole", 15))
    for steps in (6, 15):  # epochs end at 4, 8, 12 and 15; every end of a run is evaluated
        run(plateau("pieces", steps))
    whole, pieces = (last(tmp_path / name) for name in ("whole", "pieces"))
    assert pieces.progress["plateau"] == whole.progress["plateau"]
    tiny.assert_equal(pieces.arrays(), whole.arrays())


@pytest.mark.long
@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_end"])
def test_a_callback_that_changes_weights_at_the_end_is_saved(pictures, tmp_path, hook):
    def change(*unused):
        layer = callback.model.get_layer("fc8")
        layer.bias.assign(np.full(3, 7.0, np.float32))

    callback = keras.callbacks.Callback()
    setattr(callback, hook, change)
    run(tiny.config(pictures, tmp_path, steps=4), [callback])
    assert last(tmp_path).arrays()["fc8/bias"].tolist() == [7, 7, 7]


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_picture_that_can_be_read_again_is_no_bad_picture(pictures, on_error):
    class Source:
        """Its files are good by the time that the host looks."""

        def name(self, index):
            return "DIR/red/3.jpg"

        def read(self, index):
            import tensorflow as tf

            path = str(pictures / "train" / "red" / "3.jpg")
            return tf.io.read_file(path), tf.constant(0)

    with pytest.raises(
        RunFailed, match="DIR/red/3.jpg' could not be read: .*for a moment.* This is no fault of"
    ):
        evaluation.report(np.array([3]), Source(), DataConfig(on_error=on_error))
    with pytest.raises(RunFailed, match="See that all workers of data.service reach it by this p"):
        evaluation.report(np.array([3]), Source(), DataConfig(on_error=on_error), "grpc://there:1")


@pytest.mark.slow
def test_deleted_checkpoints_do_not_take_the_metrics_with_them(pictures, tmp_path, capsys):
    import shutil

    config = tiny.config(pictures, tmp_path, steps=4)
    run(config)
    before = (tmp_path / "metrics.jsonl").read_text()
    for number in (1, 2):
        shutil.rmtree(tmp_path / "checkpoints")
        (tmp_path / "per_class").mkdir()
        capsys.readouterr()
        run(config)
        aside = tmp_path / f"aside-{number}"
        assert f"was moved to {str(aside)!r}" in capsys.readouterr().err
        assert json.loads((aside / "result.json").read_text())["step"] == 4
        assert (aside / "per_class").is_dir() and not (tmp_path / "per_class").exists()
    assert (tmp_path / "aside-1" / "metrics.jsonl").read_text() == before
    assert len(tiny.metrics(tmp_path)) == len(before.splitlines())
