"""Which pictures of a set are nearest to which, exactly, and how many are of the same class."""

import numpy as np

QUERY_ROWS, BASE_ROWS = 512, 4096
"""Rows whose distances are computed at once, so that memory stays small."""


def nearest(
    queries: np.ndarray, base: np.ndarray, count: int, metric: str = "l2", is_same: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest rows; of equal distances the first.

    Args:
      queries: float [Q, D].
      base: float [N, D].
      count: neighbors of each query, less than N.
      metric: l2, the length of the difference, or cosine, 1 minus the cosine of the angle.
      is_same: whether the queries are the rows of `base`, which are no neighbors of their own.

    Returns:
      indices into base, int64 [Q, count], and distances, float64 [Q, count], in rising order.
    """
    places, distances = [], []
    for first in range(0, len(queries), QUERY_ROWS):
        rows = queries[first : first + QUERY_ROWS]
        found = np.concatenate(
            [
                _distances(rows, base[start : start + BASE_ROWS], metric)
                for start in range(0, len(base), BASE_ROWS)
            ],
            axis=1,
        )
        if is_same:
            found[np.arange(len(rows)), first + np.arange(len(rows))] = np.inf
        farthest = np.partition(found, count - 1, axis=1)[:, count - 1]
        for row, most in zip(found, farthest, strict=True):
            near = np.flatnonzero(row <= most)
            near = near[np.argsort(row[near], kind="stable")][:count]
            places.append(near)
            distances.append(row[near])
    return np.array(places), np.array(distances)


def _distances(queries: np.ndarray, base: np.ndarray, metric: str) -> np.ndarray:
    """Computes all distances, float64 [Q, N]: sums of products lose too much in float32."""
    a, b = queries.astype(np.float64), base.astype(np.float64)
    if metric == "cosine":
        return 1 - _of_length_1(a) @ _of_length_1(b).T
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * (a @ b.T)
    return np.sqrt(np.maximum(squares, 0))


def _of_length_1(rows: np.ndarray) -> np.ndarray:
    """Divides each row by its length; a row of zeros, which has no direction, stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def own_class(label: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Computes which share of each row's neighbors is of its class: float64 [N].

    Args:
      label: int [N].
      places: int [N, count], as `nearest` finds them.
    """
    return (label[places] == label[:, None]).mean(axis=1)


def by_chance(label: np.ndarray) -> np.ndarray:
    """Computes the same for neighbors drawn at random: float64 [N]."""
    return (np.bincount(label)[label] - 1) / (len(label) - 1)
