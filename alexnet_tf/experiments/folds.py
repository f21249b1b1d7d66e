"""Random splits of a set by class: some pictures to train on, some of the others to test."""

from typing import NamedTuple

import numpy as np


class Fold(NamedTuple):
    """Which examples train and which test: places in the labels, no place in both."""

    train: np.ndarray
    """int64 [N], rising."""
    test: np.ndarray
    """int64 [M], rising."""


def fold(labels: np.ndarray, per_class: int, most_test: int, number: int, seed: int) -> Fold:
    """Draws one split, as a function of its arguments alone.

    The examples of each class are put in a random order. The first train and the last test, so that
    with more to train on the pictures to test stay the same, as long as there are enough. A class
    of no more than `per_class` examples keeps its last for the test.

    Args:
      labels: int [N], the class of each example; each class has two examples or more.
      per_class: examples of each class to train on.
      most_test: examples of each class to test, at most.
      number: which split it is; they are drawn one by one and may share examples.
      seed: 0 or more.
    """
    draw, train, test = np.random.default_rng([seed, number]), [], []
    for label in np.unique(labels):
        order = draw.permutation(np.flatnonzero(labels == label))
        end = min(per_class, len(order) - 1)
        train.append(order[:end])
        test.append(order[max(end, len(order) - most_test) :])
    return Fold(np.sort(np.concatenate(train)), np.sort(np.concatenate(test)))
