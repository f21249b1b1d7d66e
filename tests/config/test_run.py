"""Runs that cannot be are refused where they are written."""

import dataclasses

import pytest

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Config, RunConfig
from pipelines.config import DataConfig


@pytest.mark.parametrize(
    "values, message",
    [
        ({"learning_rate": 0}, "optimizer.learning_rate=0.0: expected a positive number"),
        ({"drop_factor": -1}, "optimizer.drop_factor=-1.0: expected a positive number"),
        ({"weight_decay": -1}, "optimizer.weight_decay=-1.0: expected 0 or a positive number"),
        ({"warmup_epochs": -1}, "optimizer.warmup_epochs=-1.0: expected 0 or a positive number"),
        ({"clip_norm": -1}, "optimizer.clip_norm=-1.0: expected 0 or a positive number"),
        ({"clip_norm": 1e-39}, "optimizer.clip_norm=1e-39: expected 1e-30 to 1e30, or 0"),
        ({"momentum": 1}, "optimizer.momentum=1.0: expected 0 to 0.999999, below 1"),
        ({"label_smoothing": 1}, "optimizer.label_smoothing=1.0: expected 0 to below 1"),
        ({"max_drops": 0}, "optimizer.max_drops=0: expected at least 1"),
        ({"patience_epochs": 0}, "optimizer.patience_epochs=0: expected at least 1"),
        ({"drop_epochs": (-1,)}, r"optimizer.drop_epochs=\(-1.0,\): expected rising epochs, as 25"),
        ({"drop_epochs": (50, 25)}, r"optimizer.drop_epochs=\(50.0, 25.0\): expected rising epoch"),
        ({"rates": ("fc8=1", "fc8=2")}, "optimizer.rates=.*: expected one rate for fc8"),
        ({"rates": ("fc8=0",)}, "optimizer.rates=fc8=0: .* a layer that stays as it is use --fre"),
        ({"rates": ("fc8",)}, "optimizer.rates=fc8: expected a layer and a positive number"),
    ],
)
def test_an_optimizer_that_cannot_train_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        OptimizerConfig(**values)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"global_batch_size": 0}, "^global_batch_size=0: expected at least 1"),
        ({"accumulate_steps": 0}, "^accumulate_steps=0: expected at least 1"),
        ({"log_every_steps": 0}, "^log_every_steps=0: expected at least 1"),
        ({"evaluate_every_epochs": 0}, "^evaluate_every_epochs=0: expected at least 1"),
        ({"keep_epochs": (5, 0)}, r"^keep_epochs=\(5, 0\): expected at least 1"),
        ({"stop_after_stalled_epochs": -1}, "^stop_after_stalled_epochs=-1: expected 0 or more"),
        ({"steps": -1}, "^steps=-1: expected 0 or more"),
        ({"steps_per_launch": -1}, "^steps_per_launch=-1: expected 0 or more"),
        ({"epochs": 0}, "^epochs=0.0: expected a positive number, or --steps=N"),
        ({"save_every_seconds": 0}, "^save_every_seconds=0.0: expected more than 0"),
        ({"seed": 2**32}, "^seed=4294967296: expected 0 to 4294967295"),
        ({"start_from_layers": ("conv1",)}, "^start_from_layers=conv1: expected --start_from"),
        ({"freeze": ("all_but_last", "conv1")}, "expected all_but_last alone, or layers by name"),
        ({"devices": ("cpu:0", "cpu:0")}, "^devices=cpu:0,cpu:0: expected each device once"),
    ],
)
def test_a_run_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        RunConfig(**values)


def test_another_command_needs_none_of_what_trained():
    data = DataConfig(source="records:x", service="grpc://h:1")
    config = Config(data=data).elsewhere()
    assert config.data == DataConfig(source="records:x")
    assert dataclasses.replace(config.data, stage="/local").stage == "/local"  # with a service not
