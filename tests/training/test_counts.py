import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.training.counts import Counts, count, credit, ratios
from pipelines.dataset import Batch


def batch(labels, mask, index):
    n = len(labels)
    return Batch(
        tf.zeros([n, 1, 1, 3], tf.uint8),
        tf.zeros([n, 3]),
        tf.constant(labels),
        tf.constant(mask),
        tf.constant(index, tf.int64),
    )


def test_credit_is_that_of_sorting_where_nothing_ties():
    draw = np.random.default_rng(0)
    scores, labels = draw.normal(size=(50, 12)).astype(np.float32), draw.integers(0, 12, 50)
    for k in (1, 5):
        expected = [
            label in np.argsort(row)[-k:] for row, label in zip(scores, labels, strict=True)
        ]
        np.testing.assert_array_equal(credit(scores, tf.constant(labels)[:, None], k), expected)


def test_classes_of_equal_score_share_the_places():
    scores = tf.constant([[1.0, 1.0, 0.0, 0.0], [0.0] * 4, [2.0, 1.0, 1.0, 1.0]])
    labels = tf.constant([[0], [3], [2]])
    np.testing.assert_allclose(credit(scores, labels, 1), [1 / 2, 1 / 4, 0])
    np.testing.assert_allclose(credit(scores, labels, 2), [1, 1 / 2, 1 / 3])


def test_any_of_several_labels_is_right():
    scores = tf.constant([[4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 2.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    labels = tf.constant([[2, 0, -1], [2, 3, -1], [0, 1, 2]])
    np.testing.assert_array_equal(credit(scores, labels, 1), [1, 0, 1])
    np.testing.assert_array_equal(credit(scores, labels, 3), [1, 1, 1])


def test_nan_scores_earn_nothing():
    scores = tf.constant([[float("nan")] * 3])
    np.testing.assert_array_equal(credit(scores, tf.constant([[0]]), 1), [0])


def test_masked_rows_count_as_skipped_and_padding_as_nothing():
    logits = tf.constant([[9.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
    losses = tf.constant([1.0, float("nan"), float("inf")])
    sums = count(logits, losses, batch([0, 0, 0], [True, False, False], [4, 5, -1]))
    assert [float(x) for x in sums] == [1, 1, 1, 1, 1]


def test_ratios_divide_once_and_leave_out_top5_of_few_classes():
    sums = Counts(8.0, 2.0, 4.0, 6.0, 8.0)
    assert ratios(sums, 10) == {
        "loss": 0.5,
        "top1_error": 0.25,
        "top5_error": pytest.approx(0),
        "seen": 8,
        "skipped": 2,
    }
    assert ratios(sums, 5)["top5_error"] is None
