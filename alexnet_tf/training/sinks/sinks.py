"""Everything that is written about a run while it goes on."""

import contextlib
import pathlib

import keras

from alexnet_tf.config.run import Config
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.training.sinks.console import Console
from alexnet_tf.training.sinks.metrics_file import MetricsFile
from alexnet_tf.training.sinks.tensorboard import Events
from alexnet_tf.training.state import TrainState
from pipelines.sources import Source


class Sinks:
    """Everything that is written about a run while it goes on.

    Args:
      run_dir: the run directory.
      config: resolved settings.
      state: network, progress and versions; what was written after this progress is cut away.
      source: the training Source.
    """

    def __init__(self, run_dir: pathlib.Path, config: Config, state: TrainState, source: Source):
        """Opens the files."""
        progress, num_examples = state.progress, source.num_examples
        self._metrics = MetricsFile(run_dir / "metrics.jsonl", progress.metrics_bytes)
        steps_per_epoch = num_examples / config.run.global_batch_size
        console = Console(config.num_steps(num_examples), steps_per_epoch, progress.step)
        self._sinks = [self._metrics, console]
        self._events = None
        if config.run.tensorboard:
            self._events = Events(run_dir, progress.step, progress.evaluated_step)
            self._sinks.append(self._events)
            self._events.introduce(config, state.model, source, state.draw_versions)

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


class NoSinks:
    """Writes nothing: what a worker has that is not the chief."""

    def write(self, line: dict) -> None:
        """Leaves a line to the chief."""

    def progress(self, step: int, images_per_second: float, loss: float) -> None:
        """Shows nothing."""

    def show_weights(self, model: keras.Model, step: int) -> None:
        """Draws nothing."""

    def flush(self) -> int:
        """Returns the length of nothing."""
        return 0

    def close(self) -> None:
        """Closes nothing."""
