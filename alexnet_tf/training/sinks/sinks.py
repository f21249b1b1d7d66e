"""Everything that is written about a run while it goes on."""

import contextlib

import keras

from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.training.sinks.console import Console
from alexnet_tf.training.sinks.metrics_file import MetricsFile
from alexnet_tf.training.sinks.tensorboard import Events
from alexnet_tf.training.trainer import Trainer


class Sinks:
    """Everything that is written about a run while it goes on.

    Args:
      trainer: with its progress restored; what was written after that point is cut away.
    """

    def __init__(self, trainer: Trainer):
        """Opens the files."""
        config, progress = trainer.config, trainer.state.progress
        self._metrics = MetricsFile(trainer.run_dir / "metrics.jsonl", progress.metrics_bytes)
        console = Console(trainer.num_steps, 1 / trainer.epoch_of(1), progress.step)
        self._sinks = [self._metrics, console]
        self._events = None
        if config.run.tensorboard:
            self._events = Events(trainer.run_dir, progress.step, progress.evaluated_step)
            self._sinks.append(self._events)
            self._events.introduce(config, trainer.state.model, trainer.train_source)

    def write(self, line: dict) -> None:
        """Writes one line everywhere."""
        for sink in self._sinks:
            sink.write(line)

    def progress(self, step: int, images_per_second: float, loss: float) -> None:
        """Shows how far the run is, between two lines."""
        for sink in self._sinks:
            sink.progress(step, images_per_second, loss)

    def show_weights(self, model: keras.Model, step: int) -> None:
        """Draws filters and histograms for TensorBoard."""
        if self._events:
            self._events.weights(named_weights(model), step)

    def flush(self) -> int:
        """Flushes everything to the disk; returns the length of metrics.jsonl in bytes."""
        if self._events:
            self._events.flush()
        return self._metrics.flush()

    def close(self) -> None:
        """Closes the files, all of them even if one fails."""
        with contextlib.ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)
