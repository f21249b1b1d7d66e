"""How runs start and end: after failed starts, mended mistakes, early stops, moved devices."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf.config.run import RunConfig
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import checkpoint, versions
from alexnet_tf.training.run import run
from alexnet_tf.training.state import Progress
from pipelines.sources import open_source


@pytest.mark.slow
def test_a_start_that_failed_is_not_compared(tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    (pictures / "train" / "red" / "3.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="red/3.jpg"):
        run(tiny.config(pictures, tmp_path / "run", steps=4))
    (pictures / "train" / "red" / "3.jpg").unlink()  # as the sentence advises
    assert run(tiny.config(pictures, tmp_path / "run", steps=4))[0] == 0


@pytest.mark.slow
def test_another_batch_size_may_follow_one_that_replicas_cannot_share(pictures, tmp_path):
    place = {"steps": 2, "strategy": "mirrored", "devices": ("cpu:0", "cpu:1")}
    with pytest.raises(UserError, match="global_batch_size=7: expected a multiple of 2"):
        run(tiny.config(pictures, tmp_path, global_batch_size=7, **place))
    assert run(tiny.config(pictures, tmp_path, global_batch_size=8, **place))[0] == 0


def test_an_input_that_is_too_small_is_a_mistake_of_the_user(pictures, tmp_path):
    config = tiny.config(pictures, tmp_path)
    small = dataclasses.replace(config.network.input, size=32, resize=40)
    with pytest.raises(UserError, match="network.input.size=32: .* Raise the size"):
        run(tiny.with_network(config, input=small))


def test_weights_that_nobody_evaluated_are_not_the_best(tmp_path):
    for step in (0, 5):
        progress = Progress(step=step).to_json()
        config = tiny.config(tmp_path, tmp_path)
        arrays = {"conv1/bias": np.zeros(2, np.float32)}
        checkpoint.save(tmp_path / "checkpoints", arrays, config, ("a", "b"), progress, {})
    assert checkpoint.load(tmp_path, checkpoint.Which.BEST).step == 5
    assert len(checkpoint._paths(tmp_path / "checkpoints")) == 2
    (tmp_path / "checkpoints" / "step-000000005.bak").mkdir()  # somebody's copy
    assert checkpoint.load(tmp_path).step == 5


@pytest.mark.slow
def test_the_result_is_that_of_the_last_checkpoint(pictures, tmp_path):
    run(tiny.config(pictures, tmp_path, steps=4))
    old = (tmp_path / "result.json").read_text()
    run(tiny.config(pictures, tmp_path, steps=8))
    (tmp_path / "result.json").write_text(old)  # as if killed before it was written
    assert run(tiny.config(pictures, tmp_path, steps=8))[1]["step"] == 8
    assert json.loads((tmp_path / "result.json").read_text())["step"] == 8


@pytest.mark.long
def test_what_an_early_stop_has_learned_is_saved(pictures, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert logs["loss"] > 0
            self.model.stop_training = True

    config = tiny.config(pictures, tmp_path, steps_per_launch=3)
    assert run(config, [Stop()])[1]["step"] == 3
    assert checkpoint.load(tmp_path, checkpoint.Which.LAST).step == 3


@pytest.mark.slow
def test_a_mean_is_measured_once(pictures, tmp_path, monkeypatch):
    config = tiny.config(pictures, tmp_path, steps=4)
    config = tiny.with_network(
        config, input=dataclasses.replace(config.network.input, mean="dataset")
    )
    run(config)
    mean = checkpoint.load(tmp_path).config.network.input.mean
    assert len(mean) == 3 and all(30 < level < 220 for level in mean)
    monkeypatch.setattr("alexnet_tf.training.run.dataset_mean", None)
    longer = dataclasses.replace(config, run=dataclasses.replace(config.run, steps=8))
    assert run(longer)[1]["step"] == 8


@pytest.mark.slow
def test_a_mean_that_was_given_is_not_taken_for_a_measured_one(pictures, tmp_path):
    config = tiny.config(pictures, tmp_path, steps=2)
    run(config)
    measured = dataclasses.replace(config.network.input, mean="dataset")
    with pytest.raises(UserError, match="network.input.mean"):
        run(tiny.with_network(config, input=measured))


def test_a_picture_that_cannot_be_read_for_the_mean_asks_for_another_try(tmp_path, monkeypatch):
    pictures = tiny.write_pictures(tmp_path / "pictures", 2, 1)
    lost = pictures / "train" / "red" / "0.jpg"

    def opened(*arguments, **named):
        source = open_source(*arguments, **named)
        if lost.is_file() and "val" in arguments:  # both splits have been looked through
            lost.unlink()
            lost.mkdir()
        return source

    monkeypatch.setattr("alexnet_tf.training.run.open_source", opened)
    config = tiny.config(pictures, tmp_path / "run")
    inputs = dataclasses.replace(config.network.input, mean="dataset")
    text = (
        "^data.source: .*red/0.jpg' could not be read: Is a directory. Run the same command again"
    )
    with pytest.raises(RunFailed, match=text):
        run(tiny.with_network(config, input=inputs))


def test_another_number_of_classes_than_the_data_have_is_refused(pictures, tmp_path):
    text = "network.num_classes=4: expected 3, the number of classes in data.source='folder:"
    with pytest.raises(UserError, match=text):
        run(tiny.with_network(tiny.config(pictures, tmp_path), num_classes=4))


@pytest.mark.slow
def test_going_on_elsewhere_is_remarked_on(pictures, tmp_path, capsys):
    run(tiny.config(pictures, tmp_path, steps=4))
    place = {"strategy": "mirrored", "devices": ("cpu:0", "cpu:1")}
    run(tiny.config(pictures, tmp_path, steps=8, **place))
    assert "not be bit-identical" in (text := capsys.readouterr().err)
    assert "devices CPU:0 -> CPU:0, CPU:1" in text
    now = versions.versions()
    assert "processor elsewhere ->" in versions.check_versions(
        now | {"processor": "elsewhere"}, now
    )


def test_instructions_that_are_hidden_are_remarked_on():
    now = versions.versions()
    less = now | {"instructions": "avx"}
    assert f"instructions avx -> {now['instructions']}" in versions.check_versions(less, now)
    before = {name: value for name, value in now.items() if name != "instructions"}
    assert versions.check_versions(before, now) is None  # a checkpoint that does not say


def test_other_towers_and_parts_of_a_step_are_remarked_on():
    devices = ("cpu:0", "cpu:1")
    now = versions.versions(["CPU:0"], RunConfig(towers=2, devices=devices))
    whole = versions.versions(["CPU:0"], RunConfig())
    assert versions.check_versions(whole, now).endswith("undisturbed run: towers 1 -> 2")
    parts = versions.versions(["CPU:0"], RunConfig(accumulate_steps=4))
    assert versions.check_versions(whole, parts).endswith(": accumulate_steps 1 -> 4")
    before = {name: whole[name] for name in whole.keys() - {"towers", "accumulate_steps"}}
    assert versions.check_versions(before, now) is None  # a checkpoint that does not say


@pytest.mark.long
def test_a_class_whose_name_is_not_utf8_is_trained(tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    for split in ("train", "val"):
        os.rename(pictures / split / "red", os.fsencode(pictures / split) + b"/caf\xe9")
    assert run(tiny.config(pictures, tmp_path / "run", steps=2))[0] == 0
    assert b"caf\xe9" in (tmp_path / "run" / "classes.txt").read_bytes()


@pytest.mark.long
def test_a_run_goes_on_with_its_own_classes_alone(undisturbed, pictures, tmp_path):
    renamed = shutil.copytree(pictures, tmp_path / "pictures")
    for split in ("train", "val"):
        (renamed / split / "red").rename(renamed / split / "scarlet")
    run_dir = shutil.copytree(undisturbed, tmp_path / "run")
    (run_dir / "data.json").unlink()  # nothing else would tell the two apart
    with pytest.raises(UserError, match=r"other classes: red -> scarlet \(1 of 3 differ\)"):
        run(tiny.config(renamed, run_dir, steps=16))


@pytest.mark.long
def test_a_damaged_description_of_a_run_is_one_sentence(pictures, undisturbed, tmp_path):
    run_dir = shutil.copytree(undisturbed, tmp_path / "run")
    (run_dir / "config.json").write_text("{")
    with pytest.raises(RunFailed, match="config.json' cannot be read"):
        run(tiny.config(pictures, run_dir, steps=16))


@pytest.mark.slow
def test_float32_means_float32(pictures, tmp_path):
    tf.config.experimental.enable_tensor_float_32_execution(True)
    run(tiny.config(pictures, tmp_path / "float32", steps=1))
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    run(tiny.config(pictures, tmp_path / "tf32", steps=1, precision="tf32"))
    assert tf.config.experimental.tensor_float_32_execution_enabled()


@pytest.mark.slow
def test_devices_make_logical_ones_and_no_gpu_is_said(pictures, tmp_path):
    flags = [*tiny.FLAGS, f"--data.source=folder:{pictures}", f"--run_dir={tmp_path}", "--steps=2"]
    flags += ["--strategy=mirrored", "--devices=cpu:0,cpu:1", "--tensorboard=false"]
    command = [sys.executable, "-m", "alexnet_tf.train", *flags]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=hidden, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "training on 2 CPU replicas; TensorFlow sees no GPU here" in done.stderr
