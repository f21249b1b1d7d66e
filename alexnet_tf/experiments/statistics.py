"""How much two rows of a table differ, with a 95 % interval. NumPy alone.

Each row has its own spread over seeds, and nothing is borrowed from other rows: a row that was
lucky, or stuck, or that spreads ten times as much, changes no other comparison. Equal seeds of two
rows are not paired: they draw other weights and meet other gradients. If they had something in
common after all, the intervals would be too wide, not too narrow.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CENTRAL = 0.95
_NODES = 10_001
"""Points of the grid that a quantile is found on."""
_FARTHEST = 40.0
"""Where that grid ends, in deviations; further out nothing is left but for few degrees of freedom,
and then it ends at infinity."""


ONE_SEED = "one seed tells nothing about the chance of training"
ONE_PICTURE = "one picture tells nothing about others"
NO_SPREAD = "seeds that agree to the last digit tell nothing about the chance of training"


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float | None
    """None where nothing is known of its chance."""
    high: float | None
    nothing: float = 0.0
    """The number that stands for no difference."""
    lacks: str = ""
    """Why there is no interval."""

    @property
    def is_resolved(self) -> bool:
        """Whether no difference lies outside of the interval."""
        return self.low is not None and not self.low <= self.nothing <= self.high


def difference(row: np.ndarray, base: np.ndarray) -> Estimate:
    """Compares the errors of two rows on the same pictures.

    The interval is for other pictures of the same kind and other seeds. The variance has three
    terms: what each row's errors vary by over its seeds, and what the pictures contribute. The last
    is the variance over pictures of the difference of what both rows do on average, less what of it
    is chance of training, which the first two hold already. Degrees of freedom are Welch and
    Satterthwaite's.

    Args:
      row: bool [S, N], which of N pictures each of S seeds classified rightly.
      base: bool [S', N], the same pictures.

    Returns:
      of the error of `row` less that of `base`, fractions.
    """
    apart = base.mean(axis=0) - row.mean(axis=0)  # right less often is wrong more often
    value, num = float(apart.mean()), len(apart)
    if min(len(row), len(base)) < 2:
        return Estimate(value, None, None, lacks=ONE_SEED)
    if num < 2:
        return Estimate(value, None, None, lacks=ONE_PICTURE)
    pictures = float(apart.var(ddof=1)) / num
    chance = sum(float(one.var(axis=0, ddof=1).mean()) / len(one) for one in (row, base)) / num
    terms = [(float(one.mean(axis=1).var(ddof=1)) / len(one), len(one) - 1) for one in (row, base)]
    terms.append((max(pictures - chance, 0.0), num - 1))
    return _estimate(value, terms, least=pictures)


def difference_of_means(row: Sequence[float], base: Sequence[float]) -> Estimate:
    """Compares two rows by one number a seed, of the same pictures: means, Welch's interval."""
    values = np.asarray(row), np.asarray(base)
    value = float(values[0].mean() - values[1].mean())
    if min(map(len, values)) < 2:
        return Estimate(value, None, None, lacks=ONE_SEED)
    return _estimate(value, [(float(x.var(ddof=1)) / len(x), len(x) - 1) for x in values])


def ratio(row: Sequence[float], base: Sequence[float]) -> Estimate:
    """Compares two rows by one positive number a seed: geometric means, `row` by `base`.

    The interval is that of the difference of their logarithms (Welch), and so not symmetric.
    """
    found = difference_of_means(np.log(row), np.log(base))
    ends = (None if x is None else math.exp(x) for x in (found.low, found.high))
    return Estimate(math.exp(found.value), *ends, nothing=1.0, lacks=found.lacks)


def _estimate(value: float, terms: list[tuple[float, int]], least: float = 0.0) -> Estimate:
    """Makes an interval of the terms of a variance, each with its degrees of freedom.

    Args:
      value: the center.
      terms: the variances.
      least: what their sum is at least; seeds that happen to agree prove nothing.
    """
    total = sum(variance for variance, _ in terms)
    if max(total, least) == 0:
        return Estimate(value, None, None, lacks=NO_SPREAD)
    squares = sum(variance**2 / freedom for variance, freedom in terms)
    freedom = total**2 / squares if squares else min(freedom for _, freedom in terms)
    half = quantile(freedom) * math.sqrt(max(total, least))
    return Estimate(value, value - half, value + half)


def quantile(freedom: float, central: float = CENTRAL) -> float:
    """Computes between what numbers, with both signs, a share of Student's t lies.

    With t = sqrt(freedom) tan(angle) its density is that of cos(angle) ** (freedom - 1), which is
    summed over a grid.

    Args:
      freedom: degrees of freedom, at least 1, need not be whole.
      central: the share; 0.95 gives 12.706 for 1 degree of freedom and 1.960 for very many, with
        an error of less than a thousandth between.
    """
    angles = np.linspace(0, min(math.pi / 2, _FARTHEST / math.sqrt(freedom)), _NODES)
    density = np.cos(angles) ** (freedom - 1)
    shares = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(central * shares[-1], shares, angles)
    return math.sqrt(freedom) * math.tan(angle)
