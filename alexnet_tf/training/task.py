"""The task that a network learns, as the loop sees it; the only one so far is classification."""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.training import steps
from alexnet_tf.training.counts import Counts, balanced_weights, ratios
from alexnet_tf.training.evaluation import Evaluator
from alexnet_tf.training.state import TrainState
from alexnet_tf.training.steps import Scale
from pipelines.config import ClassWeights
from pipelines.dataset import Batch
from pipelines.source import Source

Figures = dict[str, float | int | None]
"""What a line of metrics says, by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """All that the loop knows of a task."""

    counts: type[Counts]
    """Sums over examples, a NamedTuple of float64 scalars; it has seen, skipped and loss."""
    train_step: Callable[[TrainState, Batch, tf.Tensor, Scale], tuple[Counts, Scale]]
    """Updates the weights once, on one replica's rows of the global batch: from state, batch, step
    (int64 [], from 1) and loss scale to the sums over these rows and the next loss scale. It is not
    converted by AutoGraph: tf.cond and tf.while_loop instead of `if` and `for` on tensors."""
    figures: Callable[[Counts], Figures]
    """Computes a line of metrics from sums, seen and skipped among them."""
    evaluator: Callable[[keras.Model, Source, tf.distribute.Strategy], Evaluator]
    """Makes the evaluator of a model on a whole source."""
    best_when_low: str
    """Name of the figure by which evaluations are compared: the lowest is best."""

    @property
    def zero(self) -> Counts:
        """Makes the sums over no examples."""
        return self.counts(*[0.0] * len(self.counts._fields))


def classification(config: Config, source: Source) -> Task:
    """Describes classification: one class for each picture.

    Args:
      config: the run's settings, resolved.
      source: the training Source.
    """
    is_balanced = config.data.class_weights == ClassWeights.BALANCED
    class_weights = balanced_weights(source.class_counts) if is_balanced else ()

    def train_step(state, batch, step, scale):
        return steps.train_step(state, config, batch, step, scale, class_weights)

    return Task(
        counts=Counts,
        train_step=train_step,
        figures=lambda sums: ratios(sums, len(source.classes)),
        evaluator=lambda model, source, strategy: Evaluator(model, source, config, strategy),
        best_when_low="top1_error",
    )
