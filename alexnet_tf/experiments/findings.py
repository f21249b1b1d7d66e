"""From finished rows to everything that a report says. No TensorFlow."""

from typing import Any

import numpy as np

from alexnet_tf.experiments import statistics, verdicts
from alexnet_tf.experiments.plan_text import changes_of
from alexnet_tf.experiments.results import Finished, Results
from alexnet_tf.experiments.statistics import Estimate
from alexnet_tf.experiments.table import GRID_SEED, Experiment, Measure, Row

FORMAT_VERSION = 2


def summary(experiment: Experiment, results: Results, command: str) -> dict[str, Any]:
    """Computes everything that a report says, as JSON holds it.

    Errors and their differences are fractions; of `epochs_to` values are epochs, and differences
    ratios. Numbers that there are none of are None.

    Args:
      experiment: the table.
      results: what is finished of it.
      command: what was typed.
    """
    finished = [x for row in experiment.rows for x in results.of(row.name)]
    return {
        "format_version": FORMAT_VERSION,
        "experiment": experiment.name,
        "title": experiment.title,
        "measure": str(experiment.measure),
        "reached": experiment.reached if experiment.measure == Measure.EPOCHS_TO else None,
        "source": experiment.base.data.source,
        "pictures": next((len(x.correct) for x in finished if x.correct is not None), None),
        "pictures_left_out": next((_left_out(x) for x in finished if x.correct is not None), 0),
        "precision": str(experiment.base.run.precision),
        "steps": sorted({x.planned_steps for x in finished}),
        "versions": sorted({x.version for x in finished}),
        "command": command,
        "note": experiment.note,
        "rows": [_row(experiment, row, results) for row in experiment.rows],
    }


def _left_out(found: Finished) -> int:
    """Counts the validation pictures that could not be decoded."""
    return found.data.get("val_num_examples", len(found.correct)) - len(found.correct)


def _row(experiment: Experiment, row: Row, results: Results) -> dict[str, Any]:
    """Computes a line of the table."""
    good, bad = _measured(experiment, row, results)
    values = [_value(experiment, x) for x in good]
    trains = [x.train_error for x in good if x.train_error is not None]
    tries = [results.find(part.name, GRID_SEED) for part in row.tries]
    claim = row.claim or verdicts.NO_CLAIM
    estimate, verdict = _compared(experiment, row, results)
    train = _train_difference(experiment, row, results)
    return {
        "name": row.name,
        "changes": changes_of(experiment, row),
        "tried": {
            f"{rate:g}": {
                "epochs_to": found.epochs_to,
                "epochs": found.curve[-1][0] if found.curve else 0.0,
                "failed": found.failed,
            }
            for rate, found in zip(row.rates, tries, strict=True)
            if found
        },
        "seeds": [x.seed for x in good],
        "values": values,
        "mean": _mean(values),
        "spread": _spread(values),
        "train_values": trains,
        "train_mean": _mean(trains),
        "train_spread": _spread(trains),
        "difference": estimate and estimate.value,
        "low": estimate and estimate.low,
        "high": estimate and estimate.high,
        "train_difference": train and train.value,
        "train_low": train and train.low,
        "train_high": train and train.high,
        "published": claim.published,
        "published_is_least": claim.is_least,
        "published_train": claim.published_train,
        "verdict": verdict,
        "failed": [f"Seed {x.seed}: {_why(experiment, x)}." for x in bad],
        "claim": claim.sentence,
        "claim_source": claim.source,
    }


def _compared(experiment: Experiment, row: Row, results: Results) -> tuple[Estimate | None, str]:
    """Compares a row with the first one: the estimate, and the verdict."""
    first = experiment.rows[0]
    if row is first:
        return None, ""
    here, bad = _measured(experiment, row, results)
    base, bad_base = _measured(experiment, first, results)
    parts = [(row.name, here, bad), (first.name, base, bad_base)]
    if not here + bad:
        return None, "not measured"
    if not base + bad_base:
        return None, f"not resolved: no run of {first.name} has ended"
    failed = ", and ".join(
        f"{len(no)} of {len(yes + no)} runs of {name} did not: {_why(experiment, no[0])}"
        for name, yes, no in parts
        if no
    )
    if not (here and base):
        return None, f"not resolved: {failed}"
    claim = row.claim or verdicts.NO_CLAIM
    if experiment.measure == Measure.TOP1_ERROR:
        found = statistics.difference(*(np.stack([x.correct for x in y]) for y in (here, base)))
        if failed:  # those that ended are a choice, so no interval holds for the row
            found = Estimate(found.value, None, None)
        return found, verdicts.of_difference(found, claim, failed)
    if failed:  # the slowest are missing, so a mean of the others would be too low
        return None, f"not resolved: {failed}"
    found = statistics.ratio([x.epochs_to for x in here], [x.epochs_to for x in base])
    return found, verdicts.of_ratio(found, claim)


def _train_difference(experiment: Experiment, row: Row, results: Results) -> Estimate | None:
    """Compares the training errors of a row with those of the first one, where both are there."""
    both = [results.of(each.name) for each in (row, experiment.rows[0])]
    pair = [[x.train_error for x in ended if x.train_error is not None] for ended in both]
    if not all(pair) or row is experiment.rows[0]:
        return None
    found = statistics.difference_of_means(*pair)
    if pair != [[x.train_error for x in ended] for ended in both]:  # as in `_compared`
        found = Estimate(found.value, None, None)
    return found


def _measured(
    experiment: Experiment, row: Row, results: Results
) -> tuple[list[Finished], list[Finished]]:
    """Parts the runs of a row in those that have a value and those that have none."""
    ended = results.of(row.name)
    good = [x for x in ended if not x.failed and _value(experiment, x) is not None]
    return good, [x for x in ended if x not in good]


def _value(experiment: Experiment, found: Finished) -> float | None:
    """Returns what is compared; None where the error was not reached."""
    return found.epochs_to if experiment.measure == Measure.EPOCHS_TO else found.top1_error


def _why(experiment: Experiment, found: Finished) -> str:
    """Says why a run has no value, without a full stop."""
    if found.failed:
        return found.failed.removesuffix(".")
    epochs = f"{found.curve[-1][0]:.0f} epochs" if found.curve else "its epochs"
    return f"{100 * experiment.reached:g} % training error was not reached within {epochs}"


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _spread(values: list[float]) -> float | None:
    """Computes the standard deviation over seeds."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
