"""Principal components. NumPy only."""

from typing import NamedTuple

import numpy as np


class Components(NamedTuple):
    """Rows along the directions of most variance."""

    scores: np.ndarray
    """float64 [N, C]."""
    shares: np.ndarray
    """float64 [C], of the whole variance, in falling order."""


def principal(features: np.ndarray, count: int) -> Components:
    """Computes the first principal components.

    Of the two signs of a component it takes the one whose largest score is positive.

    Args:
      features: float [N, D].
      count: how many at most; there are no more than N - 1 or D.
    """
    x = features.astype(np.float64)
    x -= x.mean(axis=0)
    count = min(count, len(x) - 1, x.shape[1])
    is_wide = x.shape[1] > len(x)  # then the products of rows are the smaller matrix
    values, vectors = np.linalg.eigh(x @ x.T if is_wide else x.T @ x)  # in rising order
    values = np.maximum(values[::-1][:count], 0)
    vectors = vectors[:, ::-1][:, :count]
    scores = vectors * np.sqrt(values) if is_wide else x @ vectors
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(count)]
    total = np.square(x).sum()
    return Components(scores * np.where(largest < 0, -1, 1), values / (total or 1))
