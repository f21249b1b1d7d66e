"""Folds: so many of each class to train, some of the rest to test, a function of the arguments."""

import numpy as np
import pytest

from alexnet_tf.experiments.folds import fold

LABELS = np.random.default_rng(7).permutation(np.repeat([0, 1, 2, 3], [100, 40, 20, 2]))


@pytest.mark.parametrize("per_class", [1, 15, 30])
def test_each_class_trains_so_many_and_tests_up_to_fifty_others(per_class):
    train, test = fold(LABELS, per_class, 50, 0, 0)
    assert not set(train) & set(test)
    for label, count in enumerate([100, 40, 20, 2]):
        trained = min(per_class, count - 1)
        assert np.count_nonzero(LABELS[train] == label) == trained
        assert np.count_nonzero(LABELS[test] == label) == min(50, count - trained)
    assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()


def test_it_depends_on_seed_and_number_alone():
    first = fold(LABELS, 15, 50, 3, 1)
    again = fold(LABELS, 15, 50, 3, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    others = fold(LABELS, 15, 50, 4, 1), fold(LABELS, 15, 50, 3, 2)
    assert all(set(first.train) != set(other.train) for other in others)


def test_more_training_pictures_are_added_and_the_tested_stay():
    few, many = fold(LABELS, 15, 50, 0, 0), fold(LABELS, 30, 50, 0, 0)
    assert set(few.train) < set(many.train)
    large = LABELS[few.test] == 0
    assert set(few.test[large]) == set(many.test[LABELS[many.test] == 0])


def test_every_picture_is_drawn_equally_often():
    times = np.zeros(100)
    for number in range(400):
        times[fold(np.repeat([0, 1], 50), 10, 50, number, 0).train] += 1
    assert times.sum() == 400 * 20
    assert 40 < times.min() and times.max() < 125  # 80 expected, standard deviation 8
