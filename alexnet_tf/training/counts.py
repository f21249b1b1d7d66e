"""Sums over examples, and their ratios, computed once at the end."""

from typing import NamedTuple

import tensorflow as tf


class Counts(NamedTuple):
    """Sums over examples: add freely over steps, replicas and workers; divide once.

    All are float64 scalars: exact for counts, and ties share credit, so top1 need not be whole.
    """

    seen: tf.Tensor
    """Examples that counted."""
    skipped: tf.Tensor
    """Examples that could not be decoded; they keep their place but do not train."""
    loss: tf.Tensor
    """Summed cross-entropy, in nats."""
    top1: tf.Tensor
    """Examples whose class had the highest score."""
    top5: tf.Tensor
    """Examples whose class was among the five highest scores."""


def count(scores: tf.Tensor, losses: tf.Tensor, batch, labels: tf.Tensor | None = None) -> Counts:
    """Computes the Counts of one batch.

    Args:
      scores: float32 [N, K], logits or probabilities.
      losses: float32 [N].
      batch: a pipelines.dataset.Batch; where its mask is False an example is padding (index -1),
        or could not be decoded.
      labels: int32 [N, L], where an example may have several and any is right; -1 is none.
    """
    labels = batch.label[:, None] if labels is None else labels
    mask = tf.cast(batch.mask, tf.float64)
    return Counts(
        seen=tf.reduce_sum(mask),
        skipped=tf.reduce_sum(tf.cast(~batch.mask & (batch.index >= 0), tf.float64)),
        loss=tf.reduce_sum(tf.where(batch.mask, tf.cast(losses, tf.float64), 0)),
        top1=tf.reduce_sum(credit(scores, labels, 1) * mask),
        top5=tf.reduce_sum(credit(scores, labels, 5) * mask),
    )


def credit(scores: tf.Tensor, labels: tf.Tensor, k: int) -> tf.Tensor:
    """Tells whether any label of an example is among the k highest scores.

    Equal scores share the places.

    Args:
      scores: float32 [N, K].
      labels: int32 [N, L]; -1 is none.
      k: places.

    Returns:
      float64 [N] from 0 to 1, a fraction for ties, as in the 2012 program.
    """
    own = tf.gather(scores, tf.maximum(labels, 0), axis=1, batch_dims=1)[:, :, None]
    each = scores[:, None]
    above = tf.reduce_sum(tf.cast(each > own, tf.float64), axis=2)
    equal = tf.reduce_sum(tf.cast(each == own, tf.float64), axis=2)
    # A label whose score is NaN equals nothing, itself included: no credit.
    credits = tf.math.divide_no_nan(tf.clip_by_value(k - above, 0, equal), equal)
    return tf.minimum(tf.reduce_sum(tf.where(labels >= 0, credits, 0), axis=1), 1)


def balanced_weights(class_counts: tuple[int, ...]) -> tuple[float, ...]:
    """Computes weights that balance the classes: num_examples / (K * examples of the class)."""
    whole, num_classes = sum(class_counts), len(class_counts)
    return tuple(whole / (num_classes * max(count, 1)) for count in class_counts)


def ratios(counts: Counts, num_classes: int) -> dict[str, float | int | None]:
    """Computes mean loss and errors, as fractions; top5_error is None if K <= 5."""
    seen = max(float(counts.seen), 1.0)
    return {
        "loss": float(counts.loss) / seen,
        "top1_error": 1 - float(counts.top1) / seen,
        "top5_error": 1 - float(counts.top5) / seen if num_classes > 5 else None,
        "seen": int(counts.seen),
        "skipped": int(counts.skipped),
    }
