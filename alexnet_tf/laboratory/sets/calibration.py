"""Whether a network is right as often as it is sure (Guo et al. 2017)."""

import numpy as np

from alexnet_tf.figures.reliability import reliability
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.sets import confidence
from alexnet_tf.laboratory.sets.answers import answers
from alexnet_tf.laboratory.settings import Calibration
from alexnet_tf.laboratory.subject import Subject

ABOUT = About(
    title="Calibration",
    method=(
        "Answers are sorted into bins by the probability of the likeliest class. In each, the mean "
        "probability is compared with the share of right answers; the expected calibration error "
        "is the mean of their distances, weighted by the number of answers, for bins of equal "
        "width and for bins of equally many answers. The logits are then divided by one number, "
        "the temperature, that makes the log loss of one half of the pictures, drawn at random, "
        "smallest. All that is shown is measured on the other half."
    ),
    source="Guo, Pleiss, Sun and Weinberger 2017, sections 2 and 4.2",
    limits=(
        "The error depends on the bins and is above zero even for perfect probabilities, the more "
        "the fewer pictures there are; how far is stated. It looks at the likeliest class alone, "
        "and at all classes together. What holds for pictures like these may fail for others."
    ),
)
SEED = 0
"""Of the halves."""
TWO_SIDED = 1.96
"""Standard errors to each side that have 95 % of a normal distribution between them."""


def show(subject: Subject, settings: Calibration) -> Exhibit:
    """Draws reliability before and after the temperature.

    Raises:
      UserError: there are no classes to compare, or the set is too small or has one class.
    """
    subject.need_classes("calibration")
    found = answers(subject, "calibration")
    total, bins = len(found.label), settings.bins
    order = np.random.default_rng(SEED).permutation(total)
    fitted_on, seen_on = np.sort(order[: total // 2]), np.sort(order[total // 2 :])
    heat = confidence.temperature(found.logits[fitted_on], found.label[fitted_on])
    logits, label = found.logits[seen_on], found.label[seen_on]
    before, after = (confidence.measured(logits, label, bins, each) for each in (1.0, heat))
    accuracy = float((found.guess[seen_on] == label).mean())
    sure = float((before.width.count * before.width.confidence).sum() / len(label))
    probabilities = confidence.softmax(logits)
    apart = (probabilities.argmax(axis=1) == label) - probabilities.max(axis=1)
    error = float(apart.std(ddof=1)) / np.sqrt(len(label))
    is_end = not confidence.COLDEST * 1.01 < heat < confidence.HOTTEST / 1.01
    seen = (
        f"{subject.what} on {len(label)} of {subject.told_set(total)}: right about "
        f"{100 * accuracy:.1f} %, and sure of {100 * sure:.1f} % in the mean, "
        f"{_judged(sure - accuracy, error)}. The calibration error is "
        f"{100 * before.width.error:.1f} points (bins of equal count: "
        f"{100 * before.count.error:.1f}); perfect probabilities would show about "
        f"{100 * before.chance:.1f} here by chance. A temperature of {heat:.2f}"
        f"{', the end of what was tried,' if is_end else ','} fitted on the "
        f"other {total - len(label)} pictures, makes it {100 * after.width.error:.1f} "
        f"(by chance {100 * after.chance:.1f}; bins of equal count: "
        f"{100 * after.count.error:.1f}), and the log loss "
        f"{after.log_loss:.3f} instead of {before.log_loss:.3f}. No answer changes."
    )
    arrays = {
        f"{name}_{part}_{field}": array
        for name, each in (("before", before), ("after", after))
        for part, found_bins in (("width", each.width), ("count", each.count))
        for field, array in found_bins._asdict().items()
    }
    return Exhibit(
        name="calibration",
        about=ABOUT,
        seen=seen,
        picture=reliability(
            [
                (f"as it is: error {100 * before.width.error:.1f} points", before.width),
                (f"temperature {heat:.2f}: {100 * after.width.error:.1f} points", after.width),
            ]
        ),
        numbers={
            "pictures": {"fitted_on": total - len(label), "measured_on": len(label)},
            "accuracy": accuracy,
            "mean_confidence": sure,
            "bins": bins,
            "temperature": heat,
            "before": before.numbers(),
            "after": after.numbers(),
        },
        arrays=arrays | {"fitted_on": found.index[fitted_on], "measured_on": found.index[seen_on]},
    )


def _judged(more: float, error: float) -> str:
    """Says whether a network is surer than right, by its standard error."""
    if abs(more) <= TWO_SIDED * error:
        return (
            f"which differ by no more than chance may do ({100 * more:+.1f} +- "
            f"{100 * TWO_SIDED * error:.1f} points)"
        )
    return f"so it is too {'sure' if more > 0 else 'cautious'}"
