"""The loop knows of its task what Task says, and no more."""

from typing import NamedTuple

import pytest
import tensorflow as tf
import tiny

from alexnet_tf.training import checkpoint
from alexnet_tf.training.signals import Signals
from alexnet_tf.training.sinks.sinks import Sinks
from alexnet_tf.training.strategy import make_strategy
from alexnet_tf.training.task import Task, classification
from alexnet_tf.training.trainer import Trainer
from alexnet_tf.training.workers import Workers
from pipelines.sources import open_source


class Sums(NamedTuple):
    """What another task may count."""

    loss: tf.Tensor
    batches: tf.Tensor
    skipped: tf.Tensor
    seen: tf.Tensor


def another(known: Task) -> Task:
    """Learns as classification does, counts otherwise, and goes by the loss."""

    def train_step(state, batch, step, scale):
        sums, scale = known.train_step(state, batch, step, scale)
        return Sums(sums.loss, tf.ones([], tf.float64), sums.skipped, sums.seen), scale

    return Task(
        counts=Sums,
        train_step=train_step,
        figures=lambda sums: {"batches": sums.batches, "seen": int(sums.seen), "skipped": 0},
        evaluator=known.evaluator,
        best_when_low="loss",
    )


@pytest.mark.long
def test_another_task_is_trained_counted_and_judged_by_its_own_figure(pictures, tmp_path):
    config = tiny.config(pictures, tmp_path, steps=8, log_every_steps=3, steps_per_launch=2)
    config = tiny.with_network(config, num_classes=3)
    sources = [open_source(config.data, split, 0) for split in ("train", "val")]
    task, strategy = another(classification(config, sources[0])), make_strategy(config.run)
    workers = Workers(strategy)
    trainer = Trainer(config, task, strategy, sources, tmp_path, workers)
    sinks = Sinks(tmp_path, config, trainer.state, sources[0])
    with Signals() as signals:
        assert trainer.run(sinks, signals) == 0
    sinks.close()
    lines = tiny.metrics(tmp_path)
    counted = [line["train/batches"] for line in lines if "train/batches" in line]
    assert counted == [3, 1, 2, 2]  # lines after steps 3, 4 (an epoch), 6 and 8
    losses = [line["eval/loss"] for line in lines if "eval/loss" in line]
    assert trainer.state.progress.best_error == min(losses)
    stored = checkpoint.load(tmp_path, "last").progress
    assert stored["sums"] == [0.0] * 4
    assert Trainer(config, task, strategy, sources, tmp_path, workers).is_finished()
