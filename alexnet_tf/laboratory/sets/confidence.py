"""How probabilities compare with how often they are right (Guo et al. 2017). NumPy only."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures that are tried."""
GOLDEN = (np.sqrt(5) - 1) / 2
CHANCE_DRAWS = 200


def softmax(logits: np.ndarray) -> np.ndarray:
    """Computes probabilities [N, K] in float64."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return powers / powers.sum(axis=1, keepdims=True)


class Bins(NamedTuple):
    """Answers by their confidence, lowest first; bins without answers have means of 0."""

    count: np.ndarray
    """int64 [B]."""
    confidence: np.ndarray
    """float64 [B], means."""
    accuracy: np.ndarray
    """float64 [B], shares of right answers."""

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of the two, weighted by counts."""
        return float(
            (self.count * np.abs(self.accuracy - self.confidence)).sum() / self.count.sum()
        )


def of_equal_width(confidence: np.ndarray, is_right: np.ndarray, num_bins: int) -> Bins:
    """Sorts answers into bins ((b - 1) / B, b / B].

    Args:
      confidence: float [N], 0 to 1.
      is_right: bool [N].
      num_bins: B.
    """
    places = np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    return _means(confidence, is_right, places, num_bins)


def of_equal_count(confidence: np.ndarray, is_right: np.ndarray, num_bins: int) -> Bins:
    """Sorts answers into bins of equally many, as far as their number allows.

    Of equal confidences each counts as right as often as they are on average, since nothing but the
    order of the set would tell which of them a bin takes.
    """
    _, same, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    is_right = (np.bincount(same, is_right) / counts)[same]
    places = np.empty(len(confidence), np.int64)
    order = np.argsort(confidence, kind="stable")
    for place, part in enumerate(np.array_split(order, num_bins)):
        places[part] = place
    return _means(confidence, is_right, places, num_bins)


def _means(confidence, is_right, places, num_bins) -> Bins:
    count = np.bincount(places, minlength=num_bins)
    sums = (np.bincount(places, x, num_bins) for x in (confidence, is_right))
    return Bins(count, *(x / np.maximum(count, 1) for x in sums))


def by_chance(confidence: np.ndarray, num_bins: int, seed: int = 0) -> float:
    """Computes the mean error of bins of equal width, were every probability true.

    Few answers in a bin are never right exactly as often as expected, so it is above 0.
    """
    draws = np.random.default_rng(seed).random((CHANCE_DRAWS, len(confidence))) < confidence
    return float(np.mean([of_equal_width(confidence, draw, num_bins).error for draw in draws]))


def log_loss(logits: np.ndarray, label: np.ndarray, temperature: float = 1.0) -> float:
    """Computes the mean loss of logits [N, K] divided by a temperature, in nats."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    own = scaled[np.arange(len(label)), label]
    return float((np.log(np.exp(scaled).sum(axis=1)) - own).mean())


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Finds the temperature of the smallest loss, between `COLDEST` and `HOTTEST`.

    Args:
      logits: float [N, K].
      label: int [N].
    """

    def loss(logarithm: float) -> float:  # convex in 1 / T, so it has one valley
        return log_loss(logits, label, np.exp(logarithm))

    return float(np.exp(lowest(loss, np.log(COLDEST), np.log(HOTTEST))))


def lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Finds where a function with one valley is lowest, by golden section, to 1e-6."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-6:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2


class Measured(NamedTuple):
    """What holds of the answers at one temperature."""

    width: Bins
    count: Bins
    chance: float
    """See `by_chance`."""
    log_loss: float

    def numbers(self) -> dict[str, float]:
        """Lists them for a file."""
        return {
            "error_equal_width": self.width.error,
            "error_equal_count": self.count.error,
            "error_by_chance": self.chance,
            "log_loss": self.log_loss,
        }


def measured(logits: np.ndarray, label: np.ndarray, num_bins: int, heat: float) -> Measured:
    """Measures answers: logits [N, K] divided by a temperature, labels int [N]."""
    probabilities = softmax(logits / heat)
    confidence, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    return Measured(
        of_equal_width(confidence, is_right, num_bins),
        of_equal_count(confidence, is_right, num_bins),
        by_chance(confidence, num_bins),
        log_loss(logits, label, heat),
    )
