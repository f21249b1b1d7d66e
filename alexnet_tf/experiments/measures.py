"""Trains one run of a table and measures it: its errors, or the epochs to an error."""

import pathlib

import keras
import numpy as np

from alexnet_tf.config.run import Config
from alexnet_tf.errors import user_errors
from alexnet_tf.experiments import curves
from alexnet_tf.experiments.table import Experiment
from alexnet_tf.laboratory.activations import Extractor
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run
from pipelines.cache import kept
from pipelines.config import Split
from pipelines.source import label_sets
from pipelines.sources import open_source


def errors(experiment: Experiment, config: Config, data: dict) -> tuple[int, dict]:
    """Trains to the end and classifies every picture by the last checkpoint."""
    code, result = run(config)
    if code:
        return code, {}
    stored = checkpoint.load(config.run_dir, checkpoint.Which.LAST)
    correct = classified(stored, config, Split.VAL)
    measured = {
        "top1_error": float(1 - correct.mean()),
        "correct": correct,
        "steps": stored.step,
        "images_per_second": result["images_per_second"],
    }
    if experiment.has_train_error:
        measured["train_error"] = float(1 - classified(stored, config, Split.TRAIN).mean())
    return 0, measured


def classified(stored: checkpoint.Checkpoint, config: Config, split: str) -> np.ndarray:
    """Tells which pictures of a split a checkpoint classifies rightly, at the center window.

    Args:
      stored: the checkpoint; averages of weights are taken where there are any.
      config: of the run; it says where the pictures are, and the precision.
      split: train or val.

    Returns:
      bool [N] of the pictures that can be decoded, in the source's order.
    """
    network = stored.config.network
    with user_errors():
        source = open_source(config.data, split, config.run.seed, inputs=network.input)
        (source,) = kept([source], config.data, network.input)
    settings = Config(network=network, data=config.data, run=config.run)
    extractor, found = Extractor(stored, settings, table(network)[-1].name), []
    sets = label_sets(source)
    for batch in extractor(source):
        labels = batch.label[:, None] if sets is None else sets[batch.index]
        found.append((batch.values.argmax(axis=1)[:, None] == labels).any(axis=1))
    return np.concatenate(found)


class _StopBelow(keras.callbacks.Callback):
    """Ends a run at the end of the epoch in which the training error was reached."""

    def __init__(self, is_reached):
        """Takes a function without arguments."""
        super().__init__()
        self._is_reached = is_reached

    def on_epoch_end(self, epoch, logs=None):
        """Asks."""
        if self._is_reached():
            self.model.stop_training = True


def epochs_to(experiment: Experiment, config: Config, data: dict) -> tuple[int, dict]:
    """Trains until the training error is reached, and finds when it was.

    All is read from the lines of the run, up to that moment: how much further it went, or whether
    it was killed meanwhile, changes nothing.
    """
    window_steps = config.run.log_every_steps
    steps_per_epoch = data["train_num_examples"] / config.run.global_batch_size

    def found() -> tuple[curves.Points, float | None]:
        lines = curves.read_lines(pathlib.Path(config.run_dir) / "metrics.jsonl")
        points = curves.windows(lines, window_steps, steps_per_epoch)
        return curves.up_to(points, experiment.reached)

    code, result = run(config, [_StopBelow(lambda: found()[1] is not None)])
    if code:
        return code, {}
    points, epochs = found()
    return 0, {
        "epochs_to": epochs,
        "curve": tuple(points),
        "steps": len(points) * window_steps,
        "images_per_second": result["images_per_second"],
    }
