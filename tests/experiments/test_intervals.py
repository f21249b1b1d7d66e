"""Intervals: against SciPy, against loops, and by tables whose truth is known."""

import math

import numpy as np
import pytest

from alexnet_tf.experiments import statistics, verdicts
from alexnet_tf.experiments.statistics import Estimate
from alexnet_tf.experiments.table import Claim, Direction

TABLES = 100
ERROR = -0.84  # of a normal variable: 20 % lie below


def drawn(rng, seeds, num, spreads, effect=0.0) -> tuple[np.ndarray, np.ndarray]:
    """Draws which pictures a row and its base classify rightly: bool [S, N] each.

    Pictures are hard for both, some are hard for one of them; a seed shifts all pictures of its
    run, and each picture once more.

    Args:
      rng: the source of chance.
      seeds: of the row, of the base.
      num: pictures.
      spreads: about the standard deviations of both rows' errors over seeds, in points, beyond
        what the choice of pictures makes of them.
      effect: about the difference of their errors in points.
    """
    hard, found = rng.normal(size=num), []
    deviation = math.sqrt(1 + 0.4**2 + 0.6**2)
    point = 0.01 * deviation / (math.exp(-(ERROR**2) / 2) / math.sqrt(2 * math.pi))
    for count, spread, shift in zip(seeds, spreads, (effect, 0.0), strict=True):
        harder = hard + 0.4 * rng.normal(size=num) + (ERROR * deviation + shift * point)
        runs = harder + spread * point * rng.normal(size=[count, 1])
        found.append(runs + 0.6 * rng.normal(size=[count, num]) < 0)
    return tuple(found)


def share_resolved(seeds, num, spreads, effect=0.0, tables=TABLES) -> float:
    """How often a difference of the right sign, or of any for no effect, is resolved."""
    rng = np.random.default_rng(0)
    found = [statistics.difference(*drawn(rng, seeds, num, spreads, effect)) for _ in range(tables)]
    return np.mean([x.is_resolved and (not effect or x.value * effect > 0) for x in found])


@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (5, 5), (2, 4)])
def test_a_planted_null_is_not_resolved_in_93_of_100_tables(seeds):
    kinds = [(0.4, 0.4), (2.0, 2.0), (1.6, 0.4), (0.4, 1.6), (0.0, 0.0)]
    found = np.mean([share_resolved(seeds, 500, spreads) for spreads in kinds])
    assert 0.01 <= found <= 0.07  # nor is everything "not resolved"


def test_a_planted_effect_is_found():
    for effect, seeds in ((2.5, (3, 3)), (-2.5, (3, 3)), (1.4, (6, 6))):
        assert share_resolved(seeds, 3925, (0.3, 0.3), effect, tables=50) >= 0.85


def test_a_row_stuck_at_chance_is_resolved_and_breaks_nothing():
    rng = np.random.default_rng(0)
    _, base = drawn(rng, (3, 3), 1000, (0.4, 0.4))
    stuck = np.tile(rng.random(1000) < 0.1, (3, 1))
    found = statistics.difference(stuck, base)
    assert found.low > 0.6 and found.high < 0.8
    same = statistics.difference(stuck, stuck)
    assert same == Estimate(0, None, None, lacks=statistics.NO_SPREAD)


def test_seeds_that_agree_in_all_resolve_nothing():
    right, wrong = (np.full([2, 10], x) for x in (True, False))
    for found in (
        statistics.difference(right, wrong),
        statistics.difference_of_means([0, 0], [0.01, 0.01]),
        statistics.ratio([1.5, 1.5], [0.25, 0.25]),
    ):
        assert (found.low, found.high, found.is_resolved) == (None, None, False)
    text = "not resolved: 6.00 times the epochs; seeds that agree to the last digit tell nothing"
    assert verdicts.of_ratio(found).startswith(text)


def test_one_picture_resolves_nothing():
    found = statistics.difference(*(np.full([2, 1], x) for x in (True, False)))
    assert found == Estimate(-1, None, None, lacks=statistics.ONE_PICTURE)
    text = "not resolved: -100.0 points; one picture tells nothing about others"
    assert verdicts.of_difference(found) == text


@pytest.mark.parametrize("seeds", [(3, 3), (2, 5)])
@pytest.mark.parametrize("spreads", [(5.0, 2.0), (0.0, 0.0)])
def test_a_difference_is_that_of_loops(seeds, spreads):
    stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn, of the extra lab")
    rows = drawn(np.random.default_rng(1), seeds, 80, spreads)
    wrong = [[[not x for x in run] for run in row] for row in rows]
    apart, chance, terms = [], 0.0, []
    for i in range(80):
        rates = [sum(run[i] for run in row) / len(row) for row in wrong]
        apart.append(rates[0] - rates[1])
    for row in wrong:
        errors = [sum(run) / 80 for run in row]
        terms.append((np.var(errors, ddof=1) / len(row), len(row) - 1))
        for i in range(80):
            chance += np.var([run[i] for run in row], ddof=1) / len(row) / 80**2
    pictures = np.var(apart, ddof=1) / 80
    terms.append((max(pictures - chance, 0), 79))
    total = sum(x for x, _ in terms)
    freedom = total**2 / sum(x**2 / n for x, n in terms)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(max(total, pictures))
    found = statistics.difference(*rows)
    expected = np.mean(apart) + np.array([0, -half, half])
    np.testing.assert_allclose(found[:3], expected, rtol=1e-4)


def test_seeds_that_agree_leave_the_test_of_pairs_of_pictures():
    stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn, of the extra lab")
    row, base = (x.repeat(3, axis=0) for x in drawn(np.random.default_rng(2), (1, 1), 500, (0, 0)))
    found = statistics.difference(row, base)
    apart = base[0].astype(int) - row[0]
    expected = stats.ttest_1samp(apart, 0).confidence_interval()
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-4)


def test_a_ratio_is_welchs_test_of_logarithms():
    stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn, of the extra lab")
    row, base = [30.0, 33.0, 35.5, 31.0], [5.0, 5.2, 4.1]
    found = statistics.ratio(row, base)
    expected = stats.ttest_ind(np.log(row), np.log(base), equal_var=False).confidence_interval()
    np.testing.assert_allclose([found.low, found.high], np.exp(expected), rtol=1e-4)
    np.testing.assert_allclose(found.value, stats.gmean(row) / stats.gmean(base))
    assert found.is_resolved
    assert not statistics.ratio([5.0, 5.1], [5.05, 4.9]).is_resolved


def test_quantiles_are_scipys():
    stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn, of the extra lab")
    freedoms = [1, 1.3, 1.9, 2, 2.7, 3, 4, 7.5, 20, 133, 3924, 1e7]
    found = [statistics.quantile(freedom) for freedom in freedoms]
    np.testing.assert_allclose(found, stats.t.ppf(0.975, freedoms), rtol=1e-4)


def test_exchanged_rows_change_the_sign_alone():
    row, base = drawn(np.random.default_rng(3), (3, 2), 300, (1, 1), effect=3)
    one, other = statistics.difference(row, base), statistics.difference(base, row)
    np.testing.assert_allclose(one[:3], [-other.value, -other.high, -other.low], rtol=1e-12)


@pytest.mark.parametrize("seeds", [(1, 1), (1, 3), (3, 1)])
def test_one_seed_resolves_nothing_however_large_the_difference(seeds):
    row, base = (np.full([count, 100], x) for count, x in zip(seeds, (True, False), strict=True))
    found = statistics.difference(row, base)
    assert found == Estimate(-1, None, None, lacks=statistics.ONE_SEED) and not found.is_resolved
    assert verdicts.of_difference(found) == (
        "not resolved: -100.0 points; one seed tells nothing about the chance of training"
    )
    found = statistics.ratio([6.0] * seeds[0], [1.0] * seeds[1])
    assert not found.is_resolved and found.value == pytest.approx(6)
    assert verdicts.of_ratio(found, Claim(sentence="", source="", published=6)) == (
        "not resolved: 6.00 times the epochs (published: 6); one seed tells nothing about the "
        "chance of training"
    )


UP, DOWN = Direction.HIGHER, Direction.LOWER


@pytest.mark.parametrize(
    "low, high, direction, published, verdict",
    [
        (
            0.7,
            1.7,
            UP,
            1.4,
            "same direction: the error is 1.2 +- 0.5 points higher (published: +1.4)",
        ),
        (0.7, 1.7, DOWN, None, "opposite: the error is 1.2 +- 0.5 points higher"),
        (
            -1.7,
            -0.7,
            DOWN,
            -2,
            "same direction: the error is 1.2 +- 0.5 points lower (published: -2.0, outside of the "
            "interval)",
        ),
        (
            -1.7,
            -0.7,
            UP,
            1,
            "opposite: the error is 1.2 +- 0.5 points lower (published: +1.0, outside of the "
            "interval)",
        ),
        (-0.5, 1.3, UP, 0.4, "not resolved: +0.4 +- 0.9 points (published: +0.4)"),
        (0.7, 1.7, None, None, "the error is 1.2 +- 0.5 points higher"),
        (-1.3, 0.5, None, None, "not resolved: -0.4 +- 0.9 points"),
    ],
)
def test_a_verdict_is_one_sentence(low, high, direction, published, verdict):
    published = None if published is None else published / 100
    claim = Claim(sentence="s", source="s", direction=direction, published=published)
    assert (
        verdicts.of_difference(Estimate((low + high) / 200, low / 100, high / 100), claim)
        == verdict
    )


@pytest.mark.parametrize(
    "low, high, direction, verdict",
    [
        (4, 7, UP, "same direction: 5.30 times the epochs, 4.00 to 7.00 (published: 6)"),
        (4, 7, DOWN, "opposite: 5.30 times the epochs, 4.00 to 7.00 (published: 6)"),
        (0.4, 7, UP, "not resolved: 5.30 times the epochs, 0.40 to 7.00 (published: 6)"),
        (
            0.8,
            5.9,
            UP,
            "not resolved: 5.30 times the epochs, 0.80 to 5.90 (published: 6, outside of the "
            "interval)",
        ),
    ],
)
def test_a_verdict_on_a_ratio_compares_with_one(low, high, direction, verdict):
    claim = Claim(sentence="s", source="s", direction=direction, published=6)
    assert verdicts.of_ratio(Estimate(5.3, low, high, nothing=1), claim) == verdict
