"""TensorBoard: the contents of the run directory's events/train and events/eval."""

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams import summary_v2 as hparams_api  # `api` needs tf.keras

from alexnet_tf.config.fields import settings_of, to_text, value_at
from alexnet_tf.config.run import Config
from alexnet_tf.errors import writing
from alexnet_tf.figures import sheets
from alexnet_tf.training.sinks.event_files import GRAPH_TAG, cut
from alexnet_tf.training.sinks.histograms import Values, buckets
from pipelines.config import ChannelOrder, InputConfig
from pipelines.dataset import DrawVersions, train_dataset
from pipelines.source import Source

BATCH_TAG = "train/batch"
HPARAMS_TAG = "_hparams_/session_start_info"
BATCH_EXAMPLES = 16
BATCH_COLUMNS = 4


class Events:
    """A sink that writes for TensorBoard; each (tag, step) is written once.

    What the files already have is not written again, so a caller need not know whether its run
    was resumed. Training's records go to events/train; evaluation's to events/eval, and with them
    the settings, because TensorBoard's table of runs shows the numbers of the same folder.

    Args:
      run_dir: the run directory.
      keep_train_step: later records, and one that a kill left incomplete, are first removed from
        events/train. 0, a new run, empties both folders.
      keep_eval_step: the same for events/eval.

    Raises:
      RunFailed: the folder cannot be written.
    """

    def __init__(self, run_dir: str | os.PathLike, keep_train_step: int, keep_eval_step: int):
        """Cuts the files and opens new ones behind them."""
        events = Path(run_dir) / "events"
        self._is_bgr = False
        is_new = keep_train_step == 0
        self._train = _Folder(events / "train", None if is_new else keep_train_step)
        self._eval = _Folder(events / "eval", None if is_new else keep_eval_step)

    def write(self, line: dict) -> None:
        """Writes a log event's numbers under their tags; None is left out."""
        folder = self._eval if any(tag.startswith("eval/") for tag in line) else self._train
        for tag, value in line.items():
            if tag != "step" and value is not None:
                folder.write(tag, line["step"], lambda tag=tag, x=value: tf.summary.scalar(tag, x))

    def progress(self, step: int, images_per_second: float, loss: float) -> None:
        """Does nothing: TensorBoard gets log events only."""

    def introduce(
        self, config: Config, model: keras.Model, source: Source, versions: DrawVersions
    ) -> None:
        """Writes what is known at a run's start: settings, graph, and its first pictures.

        Args:
          config: resolved settings.
          model: the network.
          source: the training Source.
          versions: those that the run began with.
        """
        self.hparams(config)
        self._is_bgr = config.network.input.channel_order == ChannelOrder.BGR
        self.graph(model, config.network.input)

        def write_first():
            _write_batch(BATCH_TAG, _first(config, source, versions))

        self._train.write(BATCH_TAG, 0, write_first)

    def weights(self, values: Mapping[str, Values], step: int) -> None:
        """Writes the first layer's filters, if it sees pictures, and each weight's distribution.

        Args:
          values: weights by the names in files, as `named_weights(model)` returns them.
          step: the step after which they have these values.
        """
        first = next(iter(values))
        kernel = np.asarray(values[first])
        if sheets.are_filters(kernel.shape):
            kernel = kernel[:, :, ::-1] if self._is_bgr else kernel
            self.filters(first.partition("/")[0], kernel, step)
        self.histograms(values, step)

    def hparams(self, config: Config) -> None:
        """Writes the settings, under the names of their flags, for the table of runs."""
        self._eval.write(HPARAMS_TAG, 0, lambda: hparams_api.hparams(by_flag(config)))

    def graph(self, model: keras.Model, inputs: InputConfig) -> None:
        """Writes the graph of the forward pass over pictures of `inputs`."""
        self._train.write(GRAPH_TAG, 0, lambda: tf.summary.graph(_graph_by_layer(model, inputs)))

    def images(self, tag: str, images: np.ndarray, step: int) -> None:
        """Writes the first 16 of uint8 [N, H, W, 3] as one sheet, into events/train."""
        self._train.write(tag, step, lambda: _write_batch(tag, images))

    def filters(self, layer: str, kernel: np.ndarray, step: int) -> None:
        """Writes a layer's filters, float [k, k, 3, N] in RGB or [k, k, 1, N], as one sheet."""
        tag = f"{layer}/filters"

        def write():
            tf.summary.image(tag, sheets.filters(kernel)[None])

        self._train.write(tag, step, write)

    def histograms(self, values: Mapping[str, Values], step: int) -> None:
        """Writes the distribution of each of `values`.

        Args:
          values: such as {"fc6/kernel": variable}. Variables and tensors are read piece by piece;
            an array of them would be a copy.
          step: the step after which they have these values.
        """
        for tag, x in values.items():
            self._train.write(tag, step, lambda tag=tag, x=x: _write_histogram(tag, buckets(x)))

    def flush(self) -> None:
        """Passes all records to the operating system, so that they survive a kill."""
        for folder in (self._train, self._eval):
            with _writing(folder.path):
                folder.writer.flush()

    def close(self) -> None:
        """Flushes and closes both files, even if one fails."""
        with contextlib.ExitStack() as stack:
            for folder in (self._train, self._eval):
                stack.enter_context(_writing(folder.path))
                stack.callback(folder.writer.close)


@contextlib.contextmanager
def _writing(path: Path):
    """Turns TensorFlow's errors about a folder into the RunFailed of an OSError."""
    with writing(path, ", or with --tensorboard=false"):
        try:
            yield
        except tf.errors.OpError as error:
            if str(path) not in str(error):
                raise  # about what was to be written
            reason = str(error).partition("\n")[0].rpartition("; ")[2]  # node; file; reason
            raise OSError(reason) from error


class _Folder:
    """One of TensorBoard's runs: a writer, and the last step of each tag in the files."""

    def __init__(self, path: Path, keep_step: int | None):
        self.path = path
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
            self._last_steps = cut(path, keep_step)
            self.writer = tf.summary.create_file_writer(str(path))

    def write(self, tag: str, step: int, write: Callable[[], object]) -> None:
        """Calls `write` unless the files hold this step of this tag, or a later one."""
        if step > self._last_steps.get(tag, -1):
            self._last_steps[tag] = step
            with _writing(self.path), self.writer.as_default(step):
                write()


def _write_histogram(tag: str, table: np.ndarray) -> None:
    metadata = histogram_metadata.create_summary_metadata(display_name=None, description=None)
    tf.summary.write(tag, table, metadata=metadata)


def _write_batch(tag: str, images: np.ndarray) -> None:
    tf.summary.image(tag, sheets.grid(images[:BATCH_EXAMPLES], BATCH_COLUMNS)[None])


def _first(config: Config, source: Source, versions: DrawVersions) -> np.ndarray:
    """Makes the first augmented pictures of a run, with color noise: uint8 [16, H, W, 3]."""
    data = dataclasses.replace(config.data, service="")  # the first in the order of the run
    inputs, seed = config.network.input, config.run.seed
    ds = train_dataset(source, data, inputs, seed, 0, BATCH_EXAMPLES, versions)
    batch = next(iter(ds))
    noisy = tf.cast(batch.image, tf.float32) + batch.shift[:, None, None, :]
    return tf.cast(tf.clip_by_value(noisy, 0, 255), tf.uint8).numpy()


def _graph_by_layer(model: keras.Model, inputs: InputConfig) -> tf.compat.v1.GraphDef:
    """Makes the graph of the forward pass, with Keras' scopes "paper_1/conv1_1/" as "conv1/".

    TensorBoard draws a scope as a closed box: without the outer one it shows the layers.
    """
    shape = (None, inputs.size, inputs.size, inputs.num_channels)
    image = tf.TensorSpec(shape, tf.float32, name="image")
    graph = tf.function(model, autograph=False).get_concrete_function(image).graph.as_graph_def()
    scope = re.compile(rf"^(\^?){re.escape(model.name)}(?:_\d+)?/(\w+?)(?:_\d+)?/")
    for node in graph.node:
        node.name = scope.sub(r"\1\2/", node.name)
        node.input[:] = [scope.sub(r"\1\2/", name) for name in node.input]
    return graph


def by_flag(config: Config) -> dict[str, bool | int | float | str]:
    """Lists settings by the names of their flags; lists as they are typed: "25,50,80"."""
    settings = [setting for setting in settings_of(Config) if setting.is_flag]
    values = {setting.name: value_at(config, setting.path) for setting in settings}
    return {
        name: value if isinstance(value, bool | int | float) else to_text(value)
        for name, value in values.items()
    }
