"""TensorBoard: what the run directory's events/train and events/eval hold."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams import api as hparams_api

from alexnet_tf.config import Config
from alexnet_tf.training import pictures

GRAPH_TAG = "graph"
HPARAMS_TAG = "_hparams_/session_start_info"
NUM_BUCKETS = 30
CHUNK_VALUES = 1 << 18
"""Weights looked at together: 2 MB as float64."""
MAX_PICTURES = 16
"""Of a batch; enough to judge augmentation by."""


class Events:
    """A sink (see monitoring.py) that writes for TensorBoard; each (tag, step) stands once.

    What the files already hold is not written again, so a caller need not know whether its run
    was resumed. Training's records go to events/train; evaluation's to events/eval, and with them
    the settings, because TensorBoard's table of runs shows the numbers of the same folder.

    Args:
      run_dir: the run directory.
      keep_train_step: records of later steps, and one that a kill tore, are cut out of
        events/train first. 0, a new run, empties both folders.
      keep_eval_step: the same for events/eval.
    """

    def __init__(self, run_dir: str | os.PathLike, keep_train_step: int, keep_eval_step: int):
        """Cuts the files and opens new ones behind them."""
        events = Path(run_dir) / "events"
        is_new = keep_train_step == 0
        self._train = _Folder(events / "train", None if is_new else keep_train_step)
        self._eval = _Folder(events / "eval", None if is_new else keep_eval_step)

    def write(self, line: dict) -> None:
        """Writes a log event's numbers under their tags; what is None is left out."""
        folder = self._eval if any(tag.startswith("eval/") for tag in line) else self._train
        for tag, value in line.items():
            if tag != "step" and value is not None:
                folder.write(tag, line["step"], lambda tag=tag, x=value: tf.summary.scalar(tag, x))

    def progress(self, step: int, images_per_second: float, loss: float) -> None:
        """Nothing: TensorBoard gets log events only."""

    def graph(self, function: Callable, *inputs: tf.TensorSpec) -> None:
        """Writes the graph of `function`, a model or a tf.function, traced once on `inputs`."""

        def write():
            traced = tf.function(function).get_concrete_function(*inputs)
            tf.summary.graph(traced.graph)

        self._train.write(GRAPH_TAG, 0, write)

    def hparams(self, config: Config) -> None:
        """Writes the settings, under the names of their flags, for the table of runs."""
        self._eval.write(HPARAMS_TAG, 0, lambda: hparams_api.hparams(flat(config)))

    def images(self, tag: str, images: np.ndarray, step: int) -> None:
        """Writes the first pictures of a batch as one sheet.

        Args:
          tag: such as "train/batch".
          images: uint8 [N, H, W, 3].
          step: the step that the batch was trained in.
        """
        sheet = pictures.grid(np.asarray(images)[:MAX_PICTURES], columns=4)
        self._train.write(tag, step, lambda: tf.summary.image(tag, sheet[None]))

    def filters(self, kernel: np.ndarray, step: int) -> None:
        """Writes the first layer's filters, float [k, k, 3, N] in RGB, as one sheet."""
        sheet = pictures.filters(np.asarray(kernel))
        self._train.write(
            "conv1/filters", step, lambda: tf.summary.image("conv1/filters", sheet[None])
        )

    def histograms(self, values: Mapping[str, np.ndarray | tf.Tensor | tf.Variable], step: int):
        """Writes the distribution of each of `values`, such as {"fc6/kernel": variable}.

        Variables are read piece by piece: pass them as they are, `variable.numpy()` is a copy.
        """
        for tag, x in values.items():
            self._train.write(tag, step, lambda tag=tag, x=x: _write_histogram(tag, buckets(x)))

    def flush(self) -> None:
        """Hands all records to the operating system: from then on they outlive a kill."""
        self._train.writer.flush()
        self._eval.writer.flush()

    def close(self) -> None:
        """Flushes and ends the files."""
        self._train.writer.close()
        self._eval.writer.close()


class _Folder:
    """One of TensorBoard's runs: a writer, and the last step of each tag in the files."""

    def __init__(self, path: Path, keep_step: int | None):
        path.mkdir(parents=True, exist_ok=True)
        self._last_steps = cut(path, keep_step)
        self.writer = tf.summary.create_file_writer(str(path))

    def write(self, tag: str, step: int, write: Callable[[], object]) -> None:
        """Calls `write` unless the files hold this step of this tag, or a later one."""
        if step > self._last_steps.get(tag, -1):
            self._last_steps[tag] = step
            with self.writer.as_default(step):
                write()


def cut(folder: Path, keep_step: int | None) -> dict[str, int]:
    """Removes records of steps after `keep_step`, torn and repeated ones from event files.

    A file is replaced whole, by renaming: a kill meanwhile leaves the old one or the new one.

    Args:
      folder: with any number of event files.
      keep_step: None removes everything.

    Returns:
      The last step left of each tag.
    """
    seen = set()
    for path in sorted(folder.glob("*tfevents*")):
        if keep_step is None:
            path.unlink()
            continue
        new = path.with_name("rewritten")  # without "tfevents", which TensorBoard would read
        with tf.io.TFRecordWriter(str(new)) as writer:
            for record in _records(path):
                event = tf.compat.v1.Event.FromString(record)
                keys = {(tag, event.step) for tag in _tags(event)}
                if event.step <= keep_step and not keys & seen:
                    writer.write(record)
                    seen |= keys
        new.replace(path)
    last_steps = {}
    for tag, step in seen:
        last_steps[tag] = max(step, last_steps.get(tag, 0))
    return last_steps


def _records(path: Path) -> Iterator[bytes]:
    """The whole records of an event file, up to one that a kill tore."""
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.DataLossError:
        return


def _tags(event: tf.compat.v1.Event) -> list[str]:
    """What an event is about; nothing for the version that opens a file."""
    if event.WhichOneof("what") == "graph_def":
        return [GRAPH_TAG]
    return [value.tag for value in event.summary.value]


def buckets(values: np.ndarray | tf.Tensor | tf.Variable) -> np.ndarray:
    """Counts values in buckets of equal width, piece by piece: memory stays under a few MB.

    Args:
      values: of any shape; what is not finite is not counted.

    Returns:
      float64 [30, 3]: left edge, right edge, count; the last bucket holds its right edge too. Where
      all values are equal, all edges are, and the last bucket holds the count.
    """
    pieces = _pieces(values)
    low, high = np.inf, -np.inf
    for piece in pieces():
        low, high = min(low, piece.min(initial=low)), max(high, piece.max(initial=high))
    counts = np.zeros(NUM_BUCKETS)
    if low > high:  # no values
        return np.zeros((NUM_BUCKETS, 3))
    edges = np.linspace(low, high, NUM_BUCKETS + 1)
    for piece in pieces():
        if low == high:
            counts[-1] += piece.size
        else:
            counts += np.histogram(piece, NUM_BUCKETS, (low, high))[0]
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def _pieces(values: np.ndarray | tf.Tensor | tf.Variable) -> Callable[[], Iterator[np.ndarray]]:
    flat = values.reshape(-1) if isinstance(values, np.ndarray) else tf.reshape(values, [-1])

    def pieces():
        for first in range(0, flat.shape[0], CHUNK_VALUES):
            piece = np.asarray(flat[first : first + CHUNK_VALUES], np.float64)
            yield piece[np.isfinite(piece)]

    return pieces


def _write_histogram(tag: str, table: np.ndarray) -> None:
    metadata = histogram_metadata.create_summary_metadata(display_name=None, description=None)
    tf.summary.write(tag, table, metadata=metadata)


def flat(config: object, prefix: str = "") -> dict[str, bool | int | float | str]:
    """Settings by flag name, as {"network.width": 1.0, "seed": 0}; lists as "25,50,80"."""
    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            inner = "" if field.name == "run" else f"{prefix}{field.name}."  # run.* has no section
            found |= flat(value, inner)
        elif isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
            continue  # the table of layers: not a flag
        else:
            name = prefix + field.name
            found[name] = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return found
