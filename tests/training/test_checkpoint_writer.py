"""Checkpoints are written while training goes on, as they were when that began."""

import json
import threading

import keras
import numpy as np
import pytest
import tiny

from alexnet_tf.errors import RunFailed
from alexnet_tf.training import checkpoint, device_loop
from alexnet_tf.training.checkpoint_writer import CheckpointWriter
from alexnet_tf.training.run import run
from alexnet_tf.training.state import Progress, TrainState
from alexnet_tf.training.strategy import make_strategy
from alexnet_tf.training.task import classification
from pipelines.sources import open_source

BIAS = np.arange(3, dtype=np.float32)


class Slow:
    """An array that can be read once `may_go_on` is set, and says when somebody tries."""

    def __init__(self):
        self.may_go_on, self.is_asked_for = threading.Event(), threading.Event()

    def __array__(self, dtype=None, copy=None):
        self.is_asked_for.set()
        assert self.may_go_on.wait(60)
        return np.zeros(1, np.float32)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "checkpoints"


def save(writer, step, **arrays):
    config = tiny.config("pictures", "run")
    writer.save(arrays or {"fc8/bias": BIAS}, config, ("a",), Progress(step=step).to_json(), {})


def last(directory):
    return checkpoint.load(directory.parent, checkpoint.Which.LAST)


def test_the_caller_goes_on_and_the_end_waits(directory):
    slow = Slow()
    with CheckpointWriter(directory) as writer:
        save(writer, 1, slow=slow)
        assert slow.is_asked_for.wait(60)
        writer.check()  # neither waits nor fails
        assert not directory.exists()
        threading.Timer(0.2, slow.may_go_on.set).start()
    assert last(directory).step == 1


def test_a_second_save_waits_for_the_first(directory):
    slow, order = Slow(), []
    with CheckpointWriter(directory) as writer:
        save(writer, 1, slow=slow)
        assert slow.is_asked_for.wait(60)
        threading.Timer(0.2, lambda: (order.append("first"), slow.may_go_on.set())).start()
        save(writer, 2)
        order.append("second")
        assert (directory / "step-000000001").exists()
    assert order == ["first", "second"]
    assert last(directory).step == 2


def test_an_evaluation_marks_the_checkpoint_of_its_step_once_that_is_written(directory):
    slow = Slow()
    with CheckpointWriter(directory) as writer:
        save(writer, 1)
        save(writer, 2, slow=slow)
        assert slow.is_asked_for.wait(60)
        threading.Timer(0.2, slow.may_go_on.set).start()
        writer.mark_evaluated(Progress(step=2, evaluated_step=2).to_json())
        path = directory / "step-000000002" / checkpoint.EVALUATION
        assert json.loads(path.read_text())["evaluated_step"] == 2
    assert not (directory / "step-000000001" / checkpoint.EVALUATION).exists()


NEXT = {
    "save": lambda writer: save(writer, 3),
    "mark_evaluated": lambda writer: writer.mark_evaluated(Progress(step=2).to_json()),
    "wait": CheckpointWriter.wait,
}


@pytest.mark.parametrize("name", NEXT)
def test_what_fails_is_raised_once_by_the_next_call(directory, name):
    directory.write_text("a file in its place")
    with CheckpointWriter(directory) as writer:
        save(writer, 2)
        with pytest.raises(RunFailed, match="step-000000002' could not be written: Not a dir"):
            NEXT[name](writer)
        writer.wait()
    assert directory.is_file()


def test_a_check_raises_what_has_failed(directory):
    with CheckpointWriter(directory) as writer:
        save(writer, 2, bias=np.array([np.inf], np.float32))

        def poll():
            while True:
                writer.check()

        with pytest.raises(RunFailed, match="step=2: bias is not finite, so nothing was saved"):
            poll()
    assert not directory.exists()


@pytest.mark.parametrize("error", [None, RunFailed("step=3: the loss is not finite."), MemoryError])
def test_what_fails_is_not_lost_at_the_end_whatever_happened_since(directory, error):
    directory.write_text("a file in its place")
    with pytest.raises(RunFailed, match="could not be written"), CheckpointWriter(directory) as w:
        save(w, 2)
        if error:
            raise error


def test_a_run_that_is_broken_off_has_written_what_it_began(directory):
    slow = Slow()
    with pytest.raises(KeyboardInterrupt), CheckpointWriter(directory) as writer:
        save(writer, 1, slow=slow)
        threading.Timer(0.2, slow.may_go_on.set).start()
        raise KeyboardInterrupt
    assert last(directory).step == 1


TWO = ("cpu:0", "cpu:1")
FORMS = {
    "single": ({}, "lrn"),
    "mirrored": ({"strategy": "mirrored", "devices": TWO}, "batch"),
    "towers": ({"towers": 2, "devices": TWO}, "lrn"),
    "bfloat16": ({"precision": "bfloat16"}, "batch"),
}


@pytest.mark.parametrize(
    "form", ["single"] + [pytest.param(x, marks=pytest.mark.slow) for x in list(FORMS)[1:]]
)
@pytest.mark.long
def test_what_is_written_is_the_state_at_its_step_although_training_went_on(
    pictures, directory, form
):
    run_settings, normalization = FORMS[form]
    config = tiny.config(pictures, directory.parent, **run_settings)
    config = tiny.with_network(config, num_classes=3, normalization=normalization)
    source = open_source(config.data, "train", 0)
    strategy = make_strategy(config.run)
    state, task = TrainState(config, strategy), classification(config, source)
    launch = device_loop.Launcher(task, state, config, strategy, source)
    carried = device_loop.carried(task.zero, 1.0, 0)
    carried, _ = launch(1, [0.02, 0.02], carried)  # momentum is no longer 0
    then = {name: array.copy() for name, array in state.arrays().items()}
    slow = Slow()
    with CheckpointWriter(directory) as writer:
        save(writer, 2, slow=slow, **state.snapshot())
        assert slow.is_asked_for.wait(60)
        launch(3, [0.02, 0.02], carried)
        now = state.arrays()
        slow.may_go_on.set()
    written = last(directory).arrays()
    del written["slow"]
    tiny.assert_equal(written, then)
    assert all((now[name] != then[name]).any() for name in then)


@pytest.mark.long
def test_a_run_ends_by_what_fails_beside_it(pictures, tmp_path):
    class Block(keras.callbacks.Callback):
        def set_model(self, model):
            (tmp_path / "run" / "checkpoints").write_text("a file in its place")

    first = tiny.with_network(tiny.config(pictures, tmp_path / "first"), num_classes=3)
    arrays = TrainState(first, make_strategy(first.run)).arrays()
    progress = Progress(step=1).to_json()
    checkpoint.save(tmp_path / "first" / "checkpoints", arrays, first, tiny.CLASSES, progress, {})
    settings = {"steps": 400, "steps_per_launch": 1, "evaluate_every_epochs": 200}
    settings["start_from"] = str(tmp_path / "first")  # saved at the start, then no more
    with pytest.raises(RunFailed, match="could not be written: Not a directory. Earlier ones"):
        run(tiny.config(pictures, tmp_path / "run", **settings), [Block()])
    lines = tiny.metrics(tmp_path / "run")
    assert not lines or lines[-1]["step"] < 100
