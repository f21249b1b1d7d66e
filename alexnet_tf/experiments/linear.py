"""A linear classifier on frozen features: ridge regression in its dual form, by NumPy alone."""

from typing import NamedTuple

import numpy as np

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Candidates, relative to the mean squared length of the features."""
_CHUNK_ROWS = 512


class Linear(NamedTuple):
    """A classifier; the highest of its scores decides."""

    center: np.ndarray
    """float32 [D], subtracted from features."""
    weights: np.ndarray
    """float32 [D, K]."""
    bias: np.ndarray
    """float32 [K]."""
    penalty: float
    """The one that was chosen."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Classifies rows, a few at a time: float32 [N, D] -> int64 [N]."""
        found = [
            ((features[i : i + _CHUNK_ROWS] - self.center) @ self.weights + self.bias).argmax(1)
            for i in range(0, len(features), _CHUNK_ROWS)
        ]
        return np.concatenate(found)


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    penalties: tuple[float, ...] = PENALTIES,
) -> Linear:
    """Fits a classifier: one against all, targets of 1 and -1, a bias without penalty.

    Features are centered and divided by the root of their mean squared length. Of the penalties
    that one is taken whose classifiers, each fitted to all rows but one, put the most of the rows
    left out into their class; of several the highest. For ridge regression these predictions have
    a closed form (Rifkin and Lippert 2007), so nothing but the rows given decides.

    Args:
      features: float32 [N, D]; it is changed.
      labels: int [N].
      num_classes: how many there are.
      penalties: candidates, rising.
    """
    center = features.mean(axis=0)
    features -= center
    scale = np.sqrt(np.einsum("nd,nd->", features, features) / len(features)) or 1.0
    gram = (features @ features.T).astype(np.float64) / scale**2
    targets = np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)
    bias, most, best = targets.mean(axis=0), -1, None
    for penalty in penalties:
        inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
        dual = inverse @ (targets - bias)
        left_out = targets - dual / (inverse.diagonal() - 1 / (penalty * len(gram)))[:, None]
        right = np.count_nonzero(left_out.argmax(axis=1) == labels)
        if right >= most:
            most, best = right, (dual, penalty)
    dual, penalty = best
    weights = features.T @ (dual / scale**2).astype(np.float32)
    return Linear(center, weights, bias.astype(np.float32), penalty)


def class_accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Computes the mean of the classes' accuracies, 0 to 1, over the classes among the labels."""
    right = predicted == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
