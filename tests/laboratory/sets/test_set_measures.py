"""What is computed of whole sets, against scikit-learn, SciPy, brute force and planted values."""

import numpy as np
import pytest

from alexnet_tf.figures.scatter import CELLS, COLORS, scatter
from alexnet_tf.laboratory.sets import confidence, neighbors, projector
from alexnet_tf.laboratory.sets.components import principal
from alexnet_tf.laboratory.sets.confusion import counted, most_confused
from alexnet_tf.training import per_class


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("metric, name", [("l2", "euclidean"), ("cosine", "cosine")])
def test_nearest_rows_are_those_of_brute_force_and_of_scikit_learn(metric, name, monkeypatch):
    learn = pytest.importorskip("sklearn.neighbors")
    monkeypatch.setattr(neighbors, "QUERY_ROWS", 7)
    monkeypatch.setattr(neighbors, "BASE_ROWS", 10)
    base, queries = draws(43, 12), draws(16, 12, seed=1)
    places, distances = neighbors.nearest(queries, base, 5, metric)
    found = learn.NearestNeighbors(n_neighbors=5, metric=name, algorithm="brute").fit(base)
    expected, indices = found.kneighbors(queries)
    np.testing.assert_array_equal(places, indices)
    np.testing.assert_allclose(distances, expected, atol=1e-5)  # scikit-learn's are of float32
    places, _ = neighbors.nearest(base, base, 4, metric, is_same=True)
    for row, found in enumerate(places):
        if metric == "l2":
            away = [np.linalg.norm(base[row] - other) for other in base]
        else:
            away = [1 - base[row] @ x / np.linalg.norm(base[row]) / np.linalg.norm(x) for x in base]
        away[row] = np.inf
        np.testing.assert_array_equal(found, np.argsort(away)[:4])


def test_of_equally_near_rows_the_first_are_taken():
    base = np.zeros((9, 3), np.float32)
    base[2] = 5
    places, distances = neighbors.nearest(base, base, 3, is_same=True)
    assert places[0].tolist() == [1, 3, 4] and places[4].tolist() == [0, 1, 3]
    assert distances[0].tolist() == [0, 0, 0]
    assert neighbors.nearest(base, base, 1, "cosine")[1][0] == 1  # a row without direction


def test_the_share_of_neighbors_of_the_own_class_is_1_for_class_means_and_chance_for_noise():
    label = np.repeat([0, 1, 2], [100, 200, 300])
    means = draws(3, 8)[label] + 1e-3 * draws(600, 8, seed=1)
    places, _ = neighbors.nearest(means, means, 6, is_same=True)
    np.testing.assert_array_equal(neighbors.own_class(label, places), 1)
    noise = draws(600, 8, seed=2)
    places, _ = neighbors.nearest(noise, noise, 6, is_same=True)
    chance = neighbors.by_chance(label)
    np.testing.assert_allclose(chance[[0, 150, 599]], [99 / 599, 199 / 599, 299 / 599])
    shares = neighbors.own_class(label, places)
    for each in range(3):
        assert abs((shares - chance)[label == each].mean()) < 0.04  # 4 standard errors


@pytest.mark.parametrize("rows, columns", [(30, 80), (80, 30)])
def test_components_are_those_of_scikit_learn_with_a_fixed_sign(rows, columns):
    learn = pytest.importorskip("sklearn.decomposition")
    x = draws(rows, columns) * np.linspace(0.1, 3, columns, dtype=np.float32) + 7
    scores, shares = principal(x, 10)
    pca = learn.PCA(10, svd_solver="full").fit(x.astype(np.float64))
    expected = pca.transform(x.astype(np.float64))
    np.testing.assert_allclose(np.abs(scores), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(shares, pca.explained_variance_ratio_, atol=1e-12)
    assert (scores[np.abs(scores).argmax(axis=0), np.arange(10)] > 0).all()
    np.testing.assert_allclose(principal(-x, 10).shares, shares, atol=1e-12)
    assert principal(x, 1000).scores.shape == (rows, min(rows - 1, columns))


def test_calibration_errors_are_those_of_loops():
    sure = np.random.default_rng(0).random(500) ** 0.3
    right = np.random.default_rng(1).random(500) < 0.8 * sure
    width, count = (
        make(sure, right, 15) for make in (confidence.of_equal_width, confidence.of_equal_count)
    )
    expected = 0.0
    for low in range(15):
        inside = (sure > low / 15) & (sure <= (low + 1) / 15)
        if inside.any():
            expected += inside.sum() * abs(right[inside].mean() - sure[inside].mean())
    assert width.error == pytest.approx(expected / 500, abs=1e-12)
    parts = np.array_split(np.argsort(sure), 15)
    away = [len(x) * abs(right[x].mean() - sure[x].mean()) for x in parts]
    assert count.error == pytest.approx(sum(away) / 500, abs=1e-12)
    assert width.count.sum() == 500 and set(count.count) == {33, 34}
    assert confidence.of_equal_width(np.array([0.0, 1.0]), np.array([0, 1]), 4).error == 0


def test_equal_confidences_have_no_order():
    sure, right = np.full(400, 0.25), np.arange(400) < 100
    assert confidence.of_equal_count(sure, right, 15).error == pytest.approx(0, abs=1e-12)
    sure = np.repeat([0.2, 0.3, 0.7], [100, 50, 30])
    right = np.random.default_rng(0).random(180) < 0.5
    mixed = np.random.default_rng(1).permutation(180)
    one, other = (confidence.of_equal_count(sure[x], right[x], 7) for x in (slice(None), mixed))
    np.testing.assert_allclose(one.accuracy, other.accuracy)


def test_true_probabilities_have_a_calibration_error_near_that_by_chance():
    sure = np.random.default_rng(0).uniform(0.2, 1, 4000)
    right = np.random.default_rng(1).random(4000) < sure
    error, chance = (
        confidence.of_equal_width(sure, right, 15).error,
        confidence.by_chance(sure, 15),
    )
    assert 0.01 < chance < 0.03 and abs(error - chance) < 0.01
    assert confidence.of_equal_width(sure, right[::-1], 15).error > 3 * chance


@pytest.mark.parametrize("heat", [0.5, 1.0, 2.5])
def test_a_planted_temperature_is_found(heat):
    optimize = pytest.importorskip("scipy.optimize")
    logits = 2 * draws(4000, 6)
    chances = confidence.softmax(logits).cumsum(axis=1)
    label = (np.random.default_rng(1).random((4000, 1)) > chances).sum(axis=1).clip(0, 5)
    found = confidence.temperature(logits * heat, label)
    assert found == pytest.approx(heat, rel=0.05)
    best = optimize.minimize_scalar(
        lambda x: confidence.log_loss(logits * heat, label, np.exp(x)),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert found == pytest.approx(np.exp(best.x), rel=1e-5)
    own = np.log(confidence.softmax(logits))[np.arange(4000), label]
    assert confidence.log_loss(logits, label) == pytest.approx(-own.mean(), abs=1e-9)


def test_confusion_recall_and_precision_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    label = np.random.default_rng(0).integers(0, 5, 300)
    guess = np.where(np.random.default_rng(1).random(300) < 0.6, label, (label * 3 + 1) % 5)
    confusion = counted(label, guess, 5)
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(label, guess))
    measures = per_class.measures(confusion, tuple("abcde"))
    for name in ("recall", "precision"):
        expected = getattr(metrics, f"{name}_score")(label, guess, average=None)
        np.testing.assert_allclose([x[name] for x in measures], expected)


def test_the_most_confused_pairs_come_first():
    confusion = np.array([[9, 2, 0], [3, 9, 2], [0, 0, 9]])
    assert most_confused(confusion, 5) == [(1, 0, 3), (0, 1, 2), (1, 2, 2)]
    assert most_confused(confusion, 1) == [(1, 0, 3)]
    assert most_confused(np.eye(3, dtype=int), 5) == []


def test_files_of_the_projector_have_a_row_for_each_vector():
    pictures = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), np.uint8)
    columns = {"class": ["a\tb"] + ["c"] * 6, "name": [f"{i}\n.jpg" for i in range(7)]}
    files = projector.files(draws(7, 3), columns, pictures)
    vectors = np.loadtxt(files["vectors.tsv"].decode().splitlines(), delimiter="\t")
    np.testing.assert_allclose(vectors, draws(7, 3), rtol=1e-5)
    lines = files["metadata.tsv"].decode().splitlines()
    assert lines[:3] == ["class\tname", "a b\t0 .jpg", "c\t1 .jpg"] and len(lines) == 8
    sprite = projector.sprite(pictures)
    assert sprite.shape == (12, 12, 3)
    np.testing.assert_array_equal(sprite[4:8, 8:12], pictures[5])
    assert not sprite[8:, 4:].any()


def test_pictures_are_drawn_at_their_places_one_in_a_cell():
    points = np.array([[0, 0], [1, 0], [0.999, 0.004], [0, 0.5]])
    images = np.arange(1, 5, dtype=np.uint8)[:, None, None, None] * np.ones((4, 8, 8, 3), np.uint8)
    page, shown = scatter(points, images, np.zeros(4, int), [""] * (len(COLORS) + 1))
    assert shown.tolist() == [0, 2, 3]  # the second lies in the same cell, farther from its middle
    inside = page[12:-12, 12:-12]
    assert inside.shape == (CELLS // 2 * 8, CELLS * 8, 3)
    np.testing.assert_array_equal(inside[-8:, :8], images[0])
    np.testing.assert_array_equal(inside[-8:, -8:], images[2])
    np.testing.assert_array_equal(inside[:8, :8], images[3])
    assert (inside != 255).any(axis=2).sum() == 3 * 64


def test_frames_have_the_colors_of_the_classes_and_a_legend():
    pytest.importorskip("matplotlib")
    images = np.full((3, 16, 16, 3), 9, np.uint8)
    page, shown = scatter(draws(3, 2), images, np.array([0, 1, 1]), ["bee", "crow"])
    for group, times in ((0, 1), (1, 2)):
        num = (page == COLORS[group]).all(axis=2).sum()
        assert num == times * (16**2 - 10**2) + 14**2
    assert len(shown) == 3
