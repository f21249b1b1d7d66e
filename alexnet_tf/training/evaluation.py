"""Evaluation: every example of a set exactly once, summed over replicas, divided once."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError, user_errors
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, compute_dtype, named_weights
from alexnet_tf.training import checkpoint, counts, steps
from alexnet_tf.training.strategy import distribute, make_strategy, share
from pipelines import decode
from pipelines.config import DataConfig, OnError, Split, Views
from pipelines.dataset import eval_dataset
from pipelines.source import Source, label_sets
from pipelines.sources import open_source
from pipelines.squares import mended_if_lost
from pipelines.typed import choice

TEN_VIEW_SHARE = 8
"""A batch of ten views holds so many times fewer pictures."""


class Evaluator:
    """Evaluates a network on one set, as often as it is called; the graph is built once.

    Args:
      model: the network, built inside the strategy's scope.
      source: a pipelines Source.
      config: the run's settings; `run.global_batch_size` pictures are one batch.
      strategy: the distribution strategy.
      views: center, or the paper's ten.

    Attributes:
      confusion: int64 [K, K] of the last call: how many examples of each class (row) were
        predicted as each class (column), that of the highest score; of equal scores the first. Of
        several workers each has its own examples.
    """

    def __init__(
        self,
        model: keras.Model,
        source,
        config: Config,
        strategy: tf.distribute.Strategy,
        views: Views = Views.CENTER,
    ):
        """Builds the dataset and the graph of one batch."""
        self._source, self._config = source, config
        replicas = strategy.num_replicas_in_sync
        rows = max(1, config.run.global_batch_size // replicas)
        views = choice("views", Views, views)
        if views == Views.TEN:
            rows = max(1, rows // TEN_VIEW_SHARE)
        inputs, most = config.network.input, config.data.max_pixels
        self._own = share(strategy, rows)
        how = source, inputs, rows, replicas, views, most, self._own

        @functools.cache
        def dataset(done: int, mends: bool):
            return distribute(strategy, lambda: eval_dataset(*how, first_round=done, mends=mends))

        dataset(0, self._own is not None)  # what cannot be read is refused now
        self._dataset = dataset
        sets = label_sets(source)

        def of_replica(batch, stops):
            sums, cells = steps.eval_step(model, config, batch, views, sets)
            return tf.stack([*sums, stops]), cells  # as one, since workers sum over a network

        @tf.function(autograph=False)
        def sums(batch, stops):
            parts, cells = strategy.run(of_replica, (batch, stops))
            *total, stops = tf.unstack(
                strategy.reduce("sum", parts, axis=None), num=1 + len(counts.Counts._fields)
            )
            undecoded = find_undecoded(strategy, batch)
            return counts.Counts(*total), stops > 0, _counted(strategy, batch, cells), undecoded

        self._sums = sums

    def __call__(
        self,
        is_stopped: Callable[[], bool] = lambda: False,
        noting: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
    ) -> dict[str, float | int | None] | None:
        """Sees every example once.

        Args:
          is_stopped: asked with each batch whether to stop early; one worker stops all.
          noting: makes a block whose mistakes may be kept; then `is_stopped` has to know of them.

        Returns:
          `counts.ratios` of all examples; None if it was stopped. Also sets `confusion`.

        Raises:
          UserError: a picture cannot be decoded and `data.on_error` is fail; or none can be.
        """
        total = counts.Counts(*np.zeros(len(counts.Counts._fields)))
        data, num_classes = self._config.data, len(self._source.classes)
        self.confusion = np.zeros([num_classes, num_classes], np.int64)
        for batch in self._batches():
            stops = tf.constant(is_stopped(), tf.float64)
            sums, stops, cells, undecoded = self._sums(batch, stops)
            if stops:
                return None
            np.add.at(self.confusion.reshape(-1), cells.numpy(), 1)
            with noting():
                report(undecoded.numpy(), self._source, data)
            total = counts.Counts(*[a + float(b) for a, b in zip(total, sums, strict=True)])
        if not total.seen:
            raise nothing_decoded(self._source, data.source)
        result = counts.ratios(total, num_classes)
        if result["seen"] + result["skipped"] != self._source.num_examples:
            raise RuntimeError(
                f"seen={result['seen']} and skipped={result['skipped']} do not add up to "
                f"num_examples={self._source.num_examples}."
            )
        return result

    def _batches(self) -> Iterator[Any]:
        """Yields the distributed Batches.

        All of several workers take the same datasets, so that none is left alone where a picture
        of another fails.
        """
        return iter(self._dataset(0, True)) if self._own else mended_if_lost(self._dataset)


class Found(NamedTuple):
    """What an evaluation found, and the source that it was made on."""

    result: dict[str, float | int | None]
    """What `Evaluator.__call__` returned."""
    confusion: np.ndarray
    """`Evaluator.confusion`."""
    source: Source


def evaluate(
    stored: checkpoint.Checkpoint,
    config: Config,
    views: Views,
    split: str = Split.VAL,
    is_raw: bool = False,
) -> Found:
    """Evaluates a checkpoint on a split of `config.data`, without augmentation.

    The source may have only some of the network's classes; they are matched by name. Averages of
    weights are taken where there are any, unless `is_raw`.

    Raises:
      UserError: the data cannot be opened, or have a class that the network lacks.
      RunFailed: the checkpoint is damaged.
    """
    weights, inputs = stored.weights(is_raw), config.network.input
    with user_errors():
        source = open_source(config.data, split, config.run.seed, stored.classes, inputs)
    if source.remark:
        print(source.remark, file=sys.stderr, flush=True)
    strategy, model = network_of(config)
    assign(named_weights(model), weights)
    evaluator = Evaluator(model, source, config, strategy, views)
    return Found(evaluator(), evaluator.confusion, source)


def network_of(config: Config) -> tuple[tf.distribute.Strategy, keras.Model]:
    """Builds the network of some settings, with their precision, on their devices.

    Raises:
      UserError: there is no such device.
    """
    strategy = make_strategy(config.run)
    with strategy.scope():
        model = alexnet(config.network, config.run.seed, compute_dtype(config.run.precision))
    return strategy, model


def _counted(strategy: tf.distribute.Strategy, batch, cells) -> tf.Tensor:
    """Collects the confusion-matrix cells of the unmasked examples of a distributed batch."""
    parts = zip(
        strategy.experimental_local_results(batch.mask),
        strategy.experimental_local_results(cells),
        strict=True,
    )
    return tf.concat([tf.boolean_mask(cell, mask) for mask, cell in parts], axis=0)


def find_undecoded(strategy: tf.distribute.Strategy, batch) -> tf.Tensor:
    """Lists the indices of a distributed batch's examples that could not be decoded, int64."""
    parts = zip(
        strategy.experimental_local_results(batch.mask),
        strategy.experimental_local_results(batch.index),
        strict=True,
    )
    return tf.concat([tf.boolean_mask(i, ~mask & (i >= 0)) for mask, i in parts], axis=0)


def nothing_decoded(source: Source, where: str) -> UserError:
    """Makes the error that no picture of a set could be decoded: there is nothing to measure."""
    return UserError(
        f"data.source={where!r}: expected pictures that can be decoded, but none of "
        f"{source.num_examples:,} can be, such as {source.name(0)!r}. Mend them, or name another "
        "set."
    )


def report(undecoded: np.ndarray, source: Source, data: DataConfig, service: str = "") -> None:
    """Names the examples that could not be decoded: as an error, or on standard error.

    Args:
      undecoded: int64 [N], their numbers.
      source: looks at them once more.
      data: `on_error`, and how large a picture may be.
      service: whose processes have read them; empty where this one did.

    Raises:
      UserError: there is one and `on_error` is fail.
      RunFailed: a sound picture could not be read; it is never skipped, since the run would then
        differ from an undisturbed one.
    """
    for index in undecoded:
        name = source.name(int(index))
        try:
            reason = decode.explain(source, int(index), data.max_pixels)
        except OSError as error:
            others = " See that all workers of data.service reach it by this path." * bool(service)
            raise RunFailed(
                f"data.source: {name!r} could not be read: {error}. This is no fault of the "
                f"picture, so it is not skipped.{others} Run the same command again; training goes "
                "on from its last checkpoint."
            ) from error
        what = f"{name!r} cannot be decoded: {reason}"
        if data.on_error == OnError.FAIL:
            raise UserError(
                f"data.source: {what}. Mend or remove the file, or leave it out: "
                "--data.on_error=skip."
            )
        print(f"skipped: {what}", file=sys.stderr, flush=True)
