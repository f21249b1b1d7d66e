"""What an interval says about a claim: one sentence, and no more than it can bear."""

from collections.abc import Callable

import numpy as np

from alexnet_tf.experiments.statistics import Estimate
from alexnet_tf.experiments.table import Claim, Direction

NO_CLAIM = Claim(sentence="", source="")


def of_difference(found: Estimate, claim: Claim = NO_CLAIM, failed: str = "") -> str:
    """Judges a difference of errors.

    Args:
      found: of the errors, fractions.
      claim: what was said about it; differences it published are fractions.
      failed: says which runs failed, so that those that ended are a choice; empty where none did.
    """
    points = 100 * found.value
    beside = _published(found, claim, lambda x: f"{100 * x:+.1f}")
    if failed:
        return f"not resolved: {points:+.1f} points{beside} of the runs that ended; {failed}"
    if found.low is None:
        return f"not resolved: {points:+.1f} points{beside}; {found.lacks}"
    half = 100 * (found.high - found.value)
    if not found.is_resolved:
        return f"not resolved: {points:+.1f} +- {half:.1f} points{beside}"
    word = "higher" if points > 0 else "lower"
    text = f"the error is {abs(points):.1f} +- {half:.1f} points {word}{beside}"
    return _beside_the_claim(found, claim, text)


def of_ratio(found: Estimate, claim: Claim = NO_CLAIM) -> str:
    """Judges a ratio of epochs.

    Args:
      found: how many times as many it takes.
      claim: what was said about it, also of a ratio.
    """
    beside = _published(found, claim, lambda x: f"{x:g}")
    text = f"{found.value:.2f} times the epochs"
    if found.low is None:
        return f"not resolved: {text}{beside}; {found.lacks}"
    text += f", {found.low:.2f} to {found.high:.2f}{beside}"
    return _beside_the_claim(found, claim, text) if found.is_resolved else f"not resolved: {text}"


def _published(found: Estimate, claim: Claim, written: Callable[[float], str]) -> str:
    """Quotes the published number, and says whether it lies outside of the interval."""
    if claim.published is None:
        return ""
    bound, end = ("over ", np.inf) if claim.is_least else ("", claim.published)
    is_outside = found.low is not None and (found.low > end or found.high < claim.published)
    outside = ", outside of the interval" if is_outside else ""
    return f" (published: {bound}{written(claim.published)}{outside})"


def _beside_the_claim(found: Estimate, claim: Claim, text: str) -> str:
    """Says whether a resolved difference has the direction of the claim, where there is one."""
    if claim.direction is None:
        return text
    is_same = (found.value > found.nothing) == (claim.direction == Direction.HIGHER)
    return f"{'same direction' if is_same else 'opposite'}: {text}"
