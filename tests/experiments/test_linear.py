"""Ridge regression in its dual form against scikit-learn, and what it makes of known features."""

import numpy as np
import pytest

from alexnet_tf.experiments.linear import PENALTIES, class_accuracy, fit


def clouds(spread, rows=60, columns=30, classes=3, seed=0):
    """Draws rows around a point of each class."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.repeat(np.arange(classes), rows // classes))
    centers = draw.normal(size=(classes, columns))
    return (centers[labels] + draw.normal(scale=spread, size=(rows, columns))).astype(
        np.float32
    ), labels


def scaled(features):
    """Does what `fit` does to features, by its docstring."""
    features = features - features.mean(axis=0)
    return features / np.sqrt((features**2).sum(axis=1).mean())


@pytest.mark.parametrize("columns", [5, 30, 200])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_scores_are_those_of_scikit_learn(columns, penalty):
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, labels = clouds(2.0, columns=columns)
    others, _ = clouds(2.0, columns=columns, seed=1)
    theirs = linear_model.RidgeClassifier(alpha=penalty).fit(scaled(features), labels)
    center = features.mean(axis=0)
    scale = np.sqrt(((features - center) ** 2).sum(axis=1).mean())
    expected = theirs.decision_function((others - center) / scale)
    ours = fit(features.copy(), labels, 3, (penalty,))
    scores = (others - ours.center) @ ours.weights + ours.bias
    np.testing.assert_allclose(scores, expected, atol=2e-4)  # a float32 Gram matrix, penalty 0.01
    np.testing.assert_array_equal(ours.predict(others), theirs.predict((others - center) / scale))


def test_the_penalty_is_the_one_of_leaving_out_one_by_one():
    linear_model = pytest.importorskip("sklearn.linear_model")
    chosen = []
    for spread in (0.3, 4.0):
        features, labels = clouds(spread, rows=24)
        x, right = scaled(features).astype(np.float64), []
        for penalty in PENALTIES:
            hits = 0
            for out in range(len(x)):
                rest = np.arange(len(x)) != out
                theirs = linear_model.RidgeClassifier(alpha=penalty).fit(x[rest], labels[rest])
                hits += theirs.predict(x[out : out + 1])[0] == labels[out]
            right.append(hits)
        expected = max(p for p, hits in zip(PENALTIES, right, strict=True) if hits == max(right))
        assert fit(features, labels, 3).penalty == expected
        chosen.append(expected)
    assert len(set(chosen)) > 1


def test_classes_apart_are_told_apart_and_noise_is_not():
    features, labels = clouds(0.01)
    assert (
        class_accuracy(
            fit(features[:30].copy(), labels[:30], 3).predict(features[30:]), labels[30:]
        )
        == 1
    )
    draw = np.random.default_rng(0)
    noise, labels = draw.normal(size=(1200, 50)).astype(np.float32), np.arange(1200) % 4
    found = class_accuracy(
        fit(noise[:200].copy(), labels[:200], 4).predict(noise[200:]), labels[200:]
    )
    assert abs(found - 0.25) < 1.96 * np.sqrt(0.25 * 0.75 / 1000)


def test_features_that_are_all_the_same_give_a_guess():
    same = np.ones([6, 4], np.float32)
    assert set(fit(same.copy(), np.arange(6) % 2, 2).predict(same)) <= {0, 1}


def test_small_classes_count_as_much_as_large_ones():
    labels = np.array([0] * 8 + [1] * 2)
    assert class_accuracy(np.array([0] * 10), labels) == 0.5
    assert class_accuracy(np.array([0] * 9 + [1]), labels) == 0.75
