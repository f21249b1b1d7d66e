"""The work of one replica in one step. No logging, files or clock; the only division of a loss."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config, Precision
from alexnet_tf.networks.layers.dropout import DropPosition, drop_position
from alexnet_tf.training import factors, mixing
from alexnet_tf.training.counts import Counts, count
from alexnet_tf.training.factors import Factors
from alexnet_tf.training.optimizer import before_cast
from alexnet_tf.training.state import TrainState
from pipelines.config import Views
from pipelines.dataset import Batch
from pipelines.preprocess import preprocess, ten_views
from pipelines.typed import choice


class Scale(NamedTuple):
    """The loss scale of float16, and the number of steps since it last changed."""

    value: tf.Tensor
    """float32 []; a power of two."""
    good_steps: tf.Tensor
    """int64 []."""


GOOD_STEPS_TO_DOUBLE = 2000
"""As in Keras' LossScaleOptimizer, which looks at one replica alone (Keras 3.15)."""
MOST_SCALE = 2.0**100
"""Of a loss; the least is one by that. What is rounded to zero or to infinity stays so."""


def train_step(
    state: TrainState,
    config: Config,
    batch: Batch,
    step: tf.Tensor,
    scale: Scale,
    class_weights: tuple[float, ...] = (),
) -> tuple[Counts, Scale]:
    """Updates the weights once. Run it with strategy.run on every replica.

    Args:
      state: built inside the strategy's scope.
      config: the run's settings.
      batch: this replica's rows of the global batch.
      step: int64 [], from 1; decides the dropout masks.
      scale: the loss scale, used by float16 alone.
      class_weights: multiplier of the loss of each class; empty for 1.

    Returns:
      the sums over this replica's rows, with the loss that is minimized; and the next loss scale.
    """
    run, variables = config.run, state.model.trainable_variables
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    first_row = tf.cast(replica, tf.int64) * batch.image.shape[0]
    kernels = factors.factored_kernels(state.model, run)

    def gradients_of(rows: Batch, first_row: tf.Tensor) -> tuple[list, Counts]:
        position = DropPosition(run.seed, step, first_row, run.global_batch_size)
        return _gradients(state, config, rows, position, scale, class_weights, kernels)

    if run.accumulate_steps == 1:
        gradients, sums = gradients_of(batch, first_row)
    else:
        num_parts = run.accumulate_steps
        room = num_parts, batch.image.shape[0] // num_parts
        start = [
            factors.in_parts(x.shape, kernels[id(x)], *room)
            if id(x) in kernels
            else tf.zeros(x.shape)
            for x in variables
        ]
        gradients, sums = _accumulated(gradients_of, batch, first_row, num_parts, start)
    state.optimizer.summed = {id(x.value) for x in variables if id(x) in kernels}
    gradients = [
        tf.cast(factors.gradient_of_all(gradient), x.dtype) if id(x) in kernels else gradient
        for gradient, x in zip(gradients, variables, strict=True)
    ]
    if run.precision == Precision.FLOAT16:
        gradients, scale = _unscale(state, gradients, scale)
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        # Updates are bound by memory: beside the convolutions they slow those down, by 2 % of a
        # step (TF 2.21, CPU). Several replicas begin early, since their sums take time.
        with tf.control_dependencies(gradients):
            gradients = [tf.identity(before_cast(gradient)) for gradient in gradients]
    state.optimizer.average_statistics()
    state.optimizer.apply_gradients(zip(gradients, variables, strict=True))  # sums over replicas
    return sums, scale


def _gradients(
    state: TrainState,
    config: Config,
    batch: Batch,
    position: DropPosition,
    scale: Scale,
    class_weights: tuple[float, ...],
    kernels: dict[int, tf.DType],
) -> tuple[list[tf.Tensor | Factors], Counts]:
    """Computes a batch's part of the gradient, factored for `kernels`, and the sums over it."""
    run = config.run
    variables = state.model.trainable_variables
    images, part, other = mixing.seen(batch, config, position)
    # What lies below the lowest layer that trains leaves no trace on the tape, and so no work.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([variable.value for variable in variables])
        with drop_position(position), factors.watched(kernels) as products:
            logits = state.model(images, training=True)  # [N, K], N of this batch
        smoothing = config.optimizer.label_smoothing
        losses = training_losses(batch.label, logits, smoothing, class_weights)
        if part is not None:
            others = training_losses(other, logits, smoothing, class_weights)
            losses = part * losses + (1 - part) * others
        learned = tf.where(batch.mask, losses, 0.0)  # a bad example keeps its place, unlearned
        loss = tf.reduce_sum(learned) / run.global_batch_size  # parts and replicas sum to the mean
        if run.precision == Precision.FLOAT16:
            loss *= scale.value
    factored = {id(x.kernel): x for x in products if id(x.kernel) in kernels}
    sources = [factored[id(x)].y if id(x) in factored else x.value for x in variables]
    gradients = [
        Factors(factored[id(x)].x, gradient) if id(x) in factored else gradient
        for gradient, x in zip(tape.gradient(loss, sources), variables, strict=True)
    ]
    return gradients, count(logits, losses, batch)


def _accumulated(gradients_of, batch: Batch, first_row: tf.Tensor, num_parts: int, start: list):
    """Computes a replica's gradient part by part, with the activations of one at a time.

    Args:
      gradients_of: from rows and the first one's place in the global batch (int64 []) to their
        gradients and Counts.
      batch: the replica's rows, a multiple of `num_parts`.
      first_row: int64 [], place of its first row.
      num_parts: how many parts.
      start: for each gradient, float32 zeros to add to, or Factors of arrays to put it into.
    """
    num_rows = batch.image.shape[0] // num_parts
    parts = Batch(*[tf.reshape(x, [num_parts, num_rows, *x.shape[1:]]) for x in batch])

    def joined(part, before, new):
        if isinstance(before, Factors):
            return Factors(*[a.write(part, b) for a, b in zip(before, new, strict=True)])
        return before + tf.cast(new, before.dtype)

    def add(part, gradients, sums):
        rows = Batch(*[x[part] for x in parts])
        new, counted = gradients_of(rows, first_row + tf.cast(part * num_rows, tf.int64))
        gradients = [joined(part, a, b) for a, b in zip(gradients, new, strict=True)]
        return part + 1, gradients, Counts(*[a + b for a, b in zip(sums, counted, strict=True)])

    none = Counts(*[tf.zeros([], tf.float64)] * len(Counts._fields))
    _, gradients, sums = tf.while_loop(
        lambda part, *_: part < num_parts, add, (0, start, none), parallel_iterations=1
    )
    whole = [Factors(*[a.concat() for a in x]) if isinstance(x, Factors) else x for x in gradients]
    return whole, sums


def eval_step(
    model, config: Config, batch: Batch, views: Views, label_sets: tf.Tensor | None = None
) -> tuple[Counts, tf.Tensor]:
    """Evaluates one replica's batch; of ten views the probabilities are averaged (section 4.1).

    Args:
      model: the network.
      config: of the run.
      batch: this replica's.
      views: center or ten.
      label_sets: int32 [examples, L], where an example may have several labels; -1 is none. A guess
        is right if it is any of them, and the loss is that of their probabilities' sum.

    Returns:
      the sums over it, and for each row its cell in the confusion matrix: int64 [N], its class * K
      + the class of the highest score. Of several labels, its class is the one that was guessed, or
      the first.
    """
    views = choice("views", Views, views)
    if label_sets is None:
        labels = batch.label[:, None]
    else:
        labels = tf.gather(label_sets, tf.maximum(batch.index, 0))  # [N, L]
    if views == Views.TEN:
        scores, each = _ten_views(model, config, batch)
        losses = _losses(each, labels)
    else:
        scores = model(preprocess(batch.image, config.network.input), training=False)
        if label_sets is None:
            losses = cross_entropy(batch.label, scores)
        else:
            losses = _losses(tf.nn.log_softmax(scores)[:, None], labels)
    guess = tf.argmax(scores, axis=1, output_type=tf.int32)
    is_right = tf.reduce_any(labels == guess[:, None], axis=1)
    own = tf.where(is_right, guess, batch.label)
    cells = tf.cast(own, tf.int64) * scores.shape[1] + tf.cast(guess, tf.int64)
    return count(scores, losses, batch, labels), cells


def _ten_views(model, config: Config, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes mean probabilities over ten views, float32 [N, K], and each view's as logarithms."""
    size, num_views = config.network.input.size, 10
    images = ten_views(batch.image, size)  # [N * 10, size, size, 3], views of a picture together
    logits = model(preprocess(images, config.network.input), training=False)
    each = tf.reshape(tf.nn.log_softmax(logits), [-1, num_views, logits.shape[1]])
    return tf.reduce_mean(tf.exp(each), axis=1), each


def _losses(each: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Computes losses: probabilities are averaged over views and added over labels.

    Args:
      each: float32 [N, V, K], probabilities of each view, as logarithms: so no loss is infinite.
      labels: int32 [N, L]; -1 is none.

    Returns:
      float32 [N], in nats.
    """
    own = tf.gather(each, tf.maximum(labels, 0), axis=2, batch_dims=1)  # [N, V, L]
    own = tf.where(labels[:, None] >= 0, own, -np.inf)
    return tf.math.log(float(each.shape[1])) - tf.reduce_logsumexp(own, axis=[1, 2])


def cross_entropy(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Computes the cross-entropy in nats: int32 [N] and float32 [N, K] -> float32 [N]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)


def training_losses(
    label: tf.Tensor, logits: tf.Tensor, smoothing: float, class_weights: tuple[float, ...]
) -> tf.Tensor:
    """Computes the loss that training minimizes, for each example.

    Args:
      label: int32 [N].
      logits: float32 [N, K].
      smoothing: fraction of the target that is shared by all K classes, 0 to below 1, as Keras
        defines it: a target y becomes y * (1 - smoothing) + smoothing / K.
      class_weights: multiplier of the loss of each class; empty for 1.

    Returns:
      float32 [N], in nats.
    """
    if smoothing:
        num_classes = logits.shape[1]
        low = smoothing / num_classes
        target = tf.one_hot(label, num_classes, 1 - smoothing + low, low)
        losses = tf.nn.softmax_cross_entropy_with_logits(target, logits)
    else:
        losses = cross_entropy(label, logits)
    return losses * tf.gather(tf.constant(class_weights), label) if class_weights else losses


def _unscale(state: TrainState, gradients: list, scale: Scale) -> tuple[list, Scale]:
    """Divides by the loss scale; holds the weights if the gradients of any replica overflowed."""
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
    bad = tf.distribute.get_replica_context().all_reduce("sum", 1.0 - tf.cast(finite, tf.float32))
    is_good = tf.equal(bad, 0)
    state.optimizer.hold(~is_good)
    gradients = [tf.where(is_good, g / scale.value, tf.zeros_like(g)) for g in gradients]
    good_steps = tf.where(is_good, scale.good_steps + 1, tf.zeros_like(scale.good_steps))
    is_time = good_steps >= GOOD_STEPS_TO_DOUBLE
    value = tf.where(is_good, tf.where(is_time, scale.value * 2, scale.value), scale.value / 2)
    value = tf.clip_by_value(value, 1 / MOST_SCALE, MOST_SCALE)
    return gradients, Scale(value, tf.where(is_time, tf.zeros_like(good_steps), good_steps))
