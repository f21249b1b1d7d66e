"""Every example of a set exactly once, summed over replicas, divided once."""

import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config import Config
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training import checkpoint, counts, steps
from alexnet_tf.training.state import assign, compute_dtype, named_weights
from alexnet_tf.training.strategy import make_strategy
from pipelines import decode
from pipelines.config import OnError, Views
from pipelines.dataset import eval_dataset
from pipelines.sources import open_source
from pipelines.typed import choice

TEN_VIEW_SHARE = 8
"""A batch of ten views holds so many times fewer pictures."""


class Evaluator:
    """Evaluates a network on one set, as often as asked; the graph is built once.

    Args:
      model: made inside the strategy's scope.
      source: a pipelines Source.
      config: of the run; `run.global_batch_size` pictures are seen at once.
      strategy: who computes.
      views: center, or the paper's ten.
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
        self._dataset = strategy.distribute_datasets_from_function(
            lambda context: eval_dataset(source, config.network.input, rows, replicas, views)
        )

        @tf.function
        def sums(batch):
            parts = strategy.run(
                lambda batch: steps.eval_step(model, config, batch, views), (batch,)
            )
            total = counts.Counts(*[strategy.reduce("sum", part, axis=None) for part in parts])
            return total, undecoded(strategy, batch)

        self._sums = sums

    def __call__(
        self, is_stopped: Callable[[], bool] = lambda: False
    ) -> dict[str, float | int | None] | None:
        """Sees every example once.

        Args:
          is_stopped: asked between two batches whether to give up.

        Returns:
          loss (nats), top1_error and top5_error (fractions; None when K <= 5), seen, skipped; None
          where it was given up.

        Raises:
          UserError: a picture cannot be decoded and `data.on_error` is fail.
        """
        total = counts.Counts(*np.zeros(len(counts.Counts._fields)))
        for batch in self._dataset:
            if is_stopped():
                return None
            sums, lost = self._sums(batch)
            report(lost.numpy(), self._source, self._config.data.on_error)
            total = counts.Counts(*[a + float(b) for a, b in zip(total, sums, strict=True)])
        result = counts.ratios(total, len(self._source.classes))
        if result["seen"] + result["skipped"] != self._source.num_examples:
            raise RuntimeError(
                f"seen={result['seen']} and skipped={result['skipped']} do not add up to "
                f"num_examples={self._source.num_examples}."
            )
        return result


def evaluate(stored: checkpoint.Checkpoint, config: Config, views: Views) -> dict:
    """Evaluates a checkpoint on the validation split of `config.data`.

    Returns:
      as `Evaluator.__call__`.

    Raises:
      UserError: the data cannot be opened, or have other classes than the network.
    """
    strategy = make_strategy(config.run)
    try:
        source = open_source(config.data, "val", config.run.seed)
    except ValueError as error:
        raise UserError(str(error)) from error
    if source.classes != stored.classes:
        raise UserError(
            f"data.source={config.data.source!r} has the classes {', '.join(source.classes)}; "
            f"expected those of the run: {', '.join(stored.classes)}."
        )
    with strategy.scope():
        model = alexnet(config.network, config.run.seed, compute_dtype(config.run.precision))
    assign(named_weights(model), stored.weights())
    return Evaluator(model, source, config, strategy, views)()


def undecoded(strategy: tf.distribute.Strategy, batch) -> tf.Tensor:
    """Indices of the examples of a distributed batch that could not be decoded: int64 [any]."""
    parts = zip(
        strategy.experimental_local_results(batch.mask),
        strategy.experimental_local_results(batch.index),
        strict=True,
    )
    return tf.concat([tf.boolean_mask(i, ~mask & (i >= 0)) for mask, i in parts], axis=0)


def report(lost: np.ndarray, source, on_error: OnError) -> None:
    """Names the examples that could not be decoded: as an error, or on standard error.

    Raises:
      UserError: there is one and `on_error` is fail.
      RunFailed: nothing is wrong with one, but reading it failed; never skipped, since the run
        would end otherwise than an undisturbed one.
    """
    for index in lost:
        name = source.name(int(index))
        try:
            reason = decode.explain(source, int(index))
        except OSError as error:
            raise RunFailed(
                f"data.source: {name!r} could not be read: {error}. This is no fault of the "
                "picture, so it is not skipped; run the same command again, which goes on from "
                "the last checkpoint."
            ) from error
        what = f"{name!r} cannot be decoded: {reason}"
        if on_error == OnError.FAIL:
            raise UserError(
                f"data.source: {what}. Mend or remove the file, or train without it: "
                "--data.on_error=skip."
            )
        print(f"skipped: {what}", file=sys.stderr, flush=True)
