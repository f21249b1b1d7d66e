"""The loop: resuming, replicas, launches and Keras' own fit all end with the same weights."""

import dataclasses
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.training import checkpoint
from alexnet_tf.training.optimizer import optimizer
from alexnet_tf.training.run import run
from pipelines.config import DataConfig
from pipelines.dataset import train_dataset
from pipelines.order import ORDER_VERSION
from pipelines.preprocess import preprocess
from pipelines.sources import open_source


def last_arrays(run_dir):
    return checkpoint.load(run_dir, "last").arrays()


def test_a_run_logs_evaluates_and_saves_where_it_should(undisturbed):
    lines = tiny.metrics(undisturbed)
    trained = [line["step"] for line in lines if "train/loss" in line]
    evaluated = [line["step"] for line in lines if "eval/loss" in line]
    assert trained == [3, 4, 6, 8, 9, 12]  # every three steps, and at the end of each epoch
    assert evaluated == [4, 8, 12]  # 30 examples, 8 to a step
    assert all(line["eval/seen"] == 15 for line in lines if "eval/seen" in line)
    assert sum(line["train/seen"] for line in lines if "train/seen" in line) == 96


def test_a_run_learns(undisturbed):
    lines = tiny.metrics(undisturbed)
    losses = [line["eval/loss"] for line in lines if "eval/loss" in line]
    assert losses[-1] < losses[0]


def test_resuming_in_the_middle_of_an_epoch_ends_with_the_same_bits(
    pictures, tmp_path, undisturbed
):
    config = tiny.config(pictures, tmp_path, save_every_seconds=1e-9, steps_per_launch=1)
    with pytest.raises(KeyboardInterrupt):
        run(config, [tiny.StopAt(7)])
    assert checkpoint.load(tmp_path, "last").step == 6
    assert run(config)[0] == 0
    tiny.assert_equal(last_arrays(undisturbed), last_arrays(tmp_path))
    assert tiny.metrics(tmp_path) == tiny.metrics(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("steps_per_launch", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_the_length_of_a_launch_changes_nothing(pictures, tmp_path, undisturbed, steps_per_launch):
    run(tiny.config(pictures, tmp_path, steps_per_launch=steps_per_launch))
    tiny.assert_equal(last_arrays(undisturbed), last_arrays(tmp_path))
    assert tiny.metrics(tmp_path) == tiny.metrics(undisturbed)


@pytest.mark.long
def test_20_steps_of_keras_fit_equal_20_steps_of_ours(pictures, tmp_path):
    config = tiny.with_network(tiny.config(pictures, tmp_path, steps=20), dropout="none")
    run(config)
    stored = checkpoint.load(tmp_path, "last")
    assert stored.versions["order_version"] == ORDER_VERSION  # as train_dataset has it below
    network = stored.config.network
    model = alexnet(network, config.run.seed)
    model.compile(
        optimizer(config.optimizer), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    source = open_source(config.data, "train", config.run.seed)
    ds = train_dataset(source, config.data, network.input, config.run.seed, 0, 8)
    ds = ds.map(lambda b: (preprocess(b.image, network.input, b.shift, divide_by=1.1), b.label))
    model.fit(ds, steps_per_epoch=20, epochs=1, verbose=0, shuffle=False)
    tiny.assert_equal(tiny.weights(model), stored.weights(), atol=1e-5)


@pytest.mark.long
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    pictures, tmp_path, undisturbed
):
    run_dir = shutil.copytree(undisturbed, tmp_path / "run")
    config = tiny.config(pictures, run_dir, steps=17)
    wild = dataclasses.replace(config.optimizer, learning_rate=1e30)
    (run_dir / "config.json").unlink()  # as if the run had been begun with that rate
    with pytest.raises(RunFailed, match=r"step=1[45]: the loss is not finite"):
        run(dataclasses.replace(config, optimizer=wild))
    assert checkpoint.load(run_dir, "last").step == 12


@pytest.mark.long
def test_a_finished_run_says_so_and_can_be_extended(pictures, tmp_path, capsys, undisturbed):
    run(tiny.config(pictures, tmp_path, steps=8))
    capsys.readouterr()
    code, result = run(tiny.config(pictures, tmp_path, steps=8))
    assert code == 0
    assert result["step"] == 8
    assert "is finished at step 8" in capsys.readouterr().err
    found, going_on = [], keras.callbacks.Callback()
    going_on.on_train_end = lambda logs=None: found.append((tmp_path / "result.json").exists())
    assert run(tiny.config(pictures, tmp_path, steps=12), [going_on])[1]["step"] == 12
    assert found == [False] and (tmp_path / "result.json").exists()
    tiny.assert_equal(last_arrays(undisturbed), last_arrays(tmp_path))


@pytest.mark.slow
def test_a_run_whose_schedule_needs_its_length_cannot_be_extended(pictures, tmp_path):
    def cosine(steps):
        config = tiny.config(pictures, tmp_path, steps=steps)
        schedule = dataclasses.replace(config.optimizer, schedule="cosine")
        return dataclasses.replace(config, optimizer=schedule)

    run(cosine(4))
    with pytest.raises(UserError, match="steps=6: the run in .* was begun for 4 steps, these "):
        run(cosine(6))


@pytest.mark.long
def test_other_settings_in_the_same_directory_are_refused_by_name(pictures, undisturbed):
    with pytest.raises(UserError, match="seed: 0 -> 1"):
        run(tiny.config(pictures, undisturbed, seed=1))


@pytest.mark.long
def test_changed_data_are_refused(pictures, undisturbed, tmp_path):
    shutil.copytree(pictures, tmp_path / "pictures")
    (tmp_path / "pictures" / "train" / "red" / "0.jpg").unlink()
    with pytest.raises(
        UserError, match="has changed since the run .* train_num_examples: 30 -> 29"
    ):
        run(tiny.config(tmp_path / "pictures", undisturbed, steps=16))


@pytest.fixture
def damaged(pictures, tmp_path):
    """The pictures, one of which is none."""
    copy = shutil.copytree(pictures, tmp_path / "damaged")
    (copy / "train" / "red" / "3.jpg").write_bytes(b"no picture")
    return copy


@pytest.mark.slow
@pytest.mark.long
def test_a_bad_picture_is_named(damaged, tmp_path):
    with pytest.raises(UserError, match="red/3.jpg"):
        run(tiny.config(damaged, tmp_path / "fails", steps=4))


@pytest.mark.long
def test_a_bad_picture_is_skipped_and_counted(damaged, tmp_path, capsys):
    config = tiny.config(damaged, tmp_path / "skips", steps=4)
    data = DataConfig(source=config.data.source, on_error="skip")
    _, result = run(dataclasses.replace(config, data=data))
    assert (result["seen"], result["skipped"]) == (31, 1)  # 4 steps of 8: one epoch and two rows
    assert "red/3.jpg" in capsys.readouterr().err


class Spy(keras.callbacks.Callback):
    """Notes when it is called, and ends a run after two epochs."""

    def __init__(self):
        super().__init__()
        self.called = []

    def on_epoch_begin(self, epoch, logs=None):
        self.called.append(("begin", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.called.append(("end", epoch, sorted(logs)[:1], logs["val_seen"]))
        self.model.stop_training = epoch == 1


@pytest.mark.long
def test_the_plateau_schedule_divides_the_rate_and_remembers_it(pictures, tmp_path):
    config = tiny.config(pictures, tmp_path, steps=12)
    stuck = dataclasses.replace(
        config.optimizer, schedule="plateau", learning_rate=1e-9, patience_epochs=1
    )
    run(dataclasses.replace(config, optimizer=stuck))
    rates = [line["train/learning_rate"] for line in tiny.metrics(tmp_path) if "train/loss" in line]
    assert rates[0] == pytest.approx(1e-9)
    assert rates[-1] == pytest.approx(1e-10)
    assert checkpoint.load(tmp_path, "last").progress["plateau"]["drops"] == 2


def test_named_weights_are_those_of_the_paper(pictures):
    model = alexnet(tiny.with_network(tiny.config(pictures, pictures), num_classes=3).network)
    names = list(named_weights(model))
    assert names[:2] == ["conv1/kernel", "conv1/bias"]
    assert names[-1] == "fc8/bias"
    assert len(names) == 16
    assert tf.config.list_logical_devices("CPU")[1].name.endswith("CPU:1")


class Held(keras.callbacks.Callback):
    """Counts the bytes of arrays that functions of the loop hold while it trains."""

    def __init__(self):
        super().__init__()
        self.num_bytes = []

    def on_train_batch_end(self, batch, logs=None):
        frame, total = sys._getframe(), 0
        while frame := frame.f_back:
            if "/alexnet_tf/" in frame.f_code.co_filename:
                values = frame.f_locals.values()
                dicts = [x.values() for x in values if isinstance(x, dict)]
                arrays = [x for some in (values, *dicts) for x in some if isinstance(x, np.ndarray)]
                total += sum(array.nbytes for array in arrays)
        self.num_bytes.append(total)


@pytest.fixture(scope="module")
def watched(pictures, tmp_path_factory):
    """The callbacks of a run, when it has ended."""
    spy, held = Spy(), Held()
    run(tiny.config(pictures, tmp_path_factory.mktemp("watched")), [spy, held])
    return spy, held


@pytest.mark.long
def test_keras_callbacks_are_driven_as_fit_drives_them(watched):
    spy, _ = watched
    ends = [("end", epoch, ["loss"], 15) for epoch in (0, 1)]
    assert spy.called == [("begin", 0), ends[0], ("begin", 1), ends[1]]


@pytest.mark.long
def test_the_loop_holds_no_weights_beside_the_variables(watched):
    _, held = watched
    assert held.num_bytes and not any(held.num_bytes)
