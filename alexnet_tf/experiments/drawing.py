"""The plot of an experiment: what it is decides which."""

import math
from typing import Any

import numpy as np

from alexnet_tf.experiments.results import Results
from alexnet_tf.experiments.table import Experiment, Measure
from alexnet_tf.figures import plots

PART = "data.train_part"
"""The setting that rows of different numbers of pictures differ in."""


def plot(experiment: Experiment, results: Results, found: dict[str, Any]) -> np.ndarray:
    """Draws an experiment.

    Training curves where epochs are counted, accuracy over the number of pictures where that is
    what changes, both errors where both are measured, and else the differences to the first row.

    Args:
      experiment: the table.
      results: what is finished of it.
      found: what `report.summary` made of them.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: matplotlib is not installed.
    """
    if experiment.measure == Measure.EPOCHS_TO:
        return _curves(experiment, results)
    if all(PART in row.changes for row in experiment.rows):
        return _sizes(experiment, results, found)
    if experiment.has_train_error:
        return _both_errors(found)
    return _differences(found)


def _curves(experiment: Experiment, results: Results) -> np.ndarray:
    """Draws the training error of every run; the first row solid, as in the paper's figure 1."""
    drawn = []
    for number, row in enumerate(experiment.rows):
        ended = [x.curve for x in results.of(row.name) if x.curve]
        for place, curve in enumerate(ended):
            epochs, errors = zip(*curve, strict=True)
            label = row.name if place == 0 else ""
            percent = [100 * error for error in errors]
            drawn.append(plots.Curve(x=epochs, y=percent, label=label, is_dashed=number > 0))
    level, ranges = 100 * experiment.reached, ((0, None), (0, None))
    labels = "epochs", "training error, %"
    return plots.curves(drawn, experiment.title, *labels, level=level, ranges=ranges)


def _sizes(experiment: Experiment, results: Results, found: dict[str, Any]) -> np.ndarray:
    """Draws the accuracy over the number of training pictures."""
    points = []
    for row in found["rows"]:
        if row["values"]:
            pictures = results.of(row["name"])[0].data["train_num_examples"]
            points.append((pictures, 100 * (1 - row["mean"]), 100 * (row["spread"] or 0)))
    pictures, accuracy, spread = zip(*sorted(points), strict=True) if points else ((), (), ())
    curve = plots.Curve(x=pictures, y=accuracy, error=spread)
    labels = "training pictures", "validation accuracy, %; whiskers: deviation over seeds"
    return plots.curves([curve], experiment.title, *labels, is_log_x=True, has_marks=True)


def _both_errors(found: dict[str, Any]) -> np.ndarray:
    """Draws validation and training error of each row."""
    rows = found["rows"]
    values = {
        "validation": [_percent(row["mean"]) for row in rows],
        "training": [_percent(row["train_mean"]) for row in rows],
    }
    spreads = {
        "validation": [_percent(row["spread"]) for row in rows],
        "training": [_percent(row["train_spread"]) for row in rows],
    }
    label = "error, %; whiskers: standard deviation over seeds"
    return plots.bars([row["name"] for row in rows], values, found["title"], label, spreads)


def _differences(found: dict[str, Any]) -> np.ndarray:
    """Draws differences to the first row with their intervals, and published ones."""
    rows = found["rows"][1:]
    return plots.intervals(
        [row["name"] for row in rows],
        [_percent(row["difference"]) for row in rows],
        [_percent(None if row["low"] is None else row["high"] - row["difference"]) for row in rows],
        [_percent(None if row["published_is_least"] else row["published"]) for row in rows],
        found["title"],
        f"error less that of {found['rows'][0]['name']}, points",
        ("here, 95 % interval", "published"),
    )


def _percent(value: float | None) -> float:
    """Returns NaN, which is not drawn, where there is no number."""
    return math.nan if value is None else 100 * value
