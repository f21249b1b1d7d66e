"""The table of a transfer experiment beside the published one, and what it amounts to."""

import csv
import io
import itertools
import json
import math
import pathlib
import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from alexnet_tf.errors import writing
from alexnet_tf.experiments.statistics import quantile
from pipelines import files

SCRATCH, TUNED = "from scratch", "fine-tuned"
"""Rows beside those of layers."""
SOURCE = "Zeiler and Fergus (2013), tables 4 and 7, Caltech-101"
PUBLISHED = {
    1: ((30, "SVM", 44.8, 0.7),),
    2: ((30, "SVM", 66.2, 0.5),),
    3: ((30, "SVM", 72.3, 0.4),),
    4: ((30, "SVM", 76.6, 0.4),),
    5: ((30, "SVM", 86.2, 0.8), (30, "softmax", 82.9, 0.4)),
    7: (
        (30, "SVM", 85.5, 0.4),
        (30, "softmax", 85.4, 0.4),
        (15, "table 4", 83.8, 0.5),
        (30, "table 4", 86.5, 0.5),
    ),
    SCRATCH: ((15, "", 22.8, 1.5), (30, "", 46.5, 1.7)),
}
"""By layer: pictures of a class, classifier, mean of the classes' accuracies in percent, spread."""
CLAIMS = ((5, 1, 86.2 - 44.8), (7, 5, 85.5 - 86.2), ("best", SCRATCH, 86.5 - 46.5))
"""Pairs of rows and the published difference of their accuracies with 30 a class, in points."""
NORMAL_QUANTILE = 1.960


def part_name(row: str, per_class: int, number: int) -> str:
    """Names what was measured in one fold of one row."""
    return f"{row}/{per_class}/{number}"


def rows_of(
    layers: Mapping[str, int], parts: Mapping[str, Any], per_class: Iterable[int], folds: int
) -> list[dict]:
    """Collects the measurements by row and number of pictures.

    Args:
      layers: the number of each layer by its name.
      parts: what was found, by `part_name`.
      per_class: numbers of pictures to train on.
      folds: how many there are.

    Returns:
      a dictionary a row: `name`, `layer` (its number, or None), `per_class`, `mean` and `stdev`
      over folds of the classes' mean accuracy (0 to 1; None where there are too few), `folds` (one
      by one, None for one that failed), `trained` and `tested` (pictures of the first fold), and
      `published` as text.
    """
    found = []
    names = [*layers.items(), (SCRATCH, None), (TUNED, None)]
    for (name, number), n in itertools.product(names, per_class):
        there = [parts.get(part_name(name, n, fold)) for fold in range(folds)]
        there = [part for part in there if part]
        if not there:
            continue
        values = [part.get("accuracy") for part in there]
        good = [x for x in values if x is not None]
        found.append(
            {
                "name": name,
                "layer": number,
                "per_class": n,
                "mean": statistics.mean(good) if good else None,
                "stdev": statistics.stdev(good) if len(good) > 1 else None,
                "folds": values,
                "trained": there[0]["trained"],
                "tested": there[0]["tested"],
                "published": _published(number or name, n),
            }
        )
    return found


def _published(row: int | str, per_class: int) -> str:
    return ", ".join(
        f"{how} {mean:.1f} +- {spread:.1f}".strip()
        for n, how, mean, spread in PUBLISHED.get(row, ())
        if n == per_class
    )


class Difference(NamedTuple):
    """What `difference` finds; NaN where no fold has both rows."""

    points: float
    """Of the accuracies."""
    half: float
    """Of its 95 % interval, in points."""
    pairs: int
    """Folds that both have."""


def difference(one: dict, other: dict) -> Difference:
    """Compares two rows in the folds that both have.

    Folds share pictures, so the variance of their mean is not a fifth of theirs: it is multiplied
    by 1 / folds + tested / trained (Nadeau and Bengio 2003). Of one fold only the chance of its
    test is known, as if both rows had been tested on pictures of their own.
    """
    pairs = [
        (a, b)
        for a, b in zip(one["folds"], other["folds"], strict=False)
        if a is not None and b is not None
    ]
    if not pairs:
        return Difference(math.nan, math.nan, 0)
    apart, count = [a - b for a, b in pairs], len(pairs)
    if count > 1:
        share = 1 / count + one["tested"] / one["trained"]
        half = quantile(count - 1) * statistics.stdev(apart) * math.sqrt(share)
    else:
        half = NORMAL_QUANTILE * math.sqrt(sum(x * (1 - x) for x in pairs[0]) / one["tested"])
    return Difference(100 * statistics.mean(apart), 100 * half, count)


def verdict(rows: list[dict]) -> str:
    """Says of each published difference whether it is found here, in one paragraph."""
    most = max(row["per_class"] for row in rows)
    at_most = [row for row in rows if row["per_class"] == most and row["mean"] is not None]
    frozen = [row for row in at_most if row["layer"]]
    by_key = {row["layer"] or row["name"]: row for row in at_most}
    by_key["best"] = best = max(frozen, key=lambda row: row["mean"])
    sentences = [
        f"With {most} pictures a class the best frozen layer is {best['name']}, with "
        f"{100 * best['mean']:.1f} %."
    ]
    for one, other, published in CLAIMS:
        if one in by_key and other in by_key:
            sentences.append(_sentence(by_key[one], by_key[other], published))
    if TUNED in by_key:
        sentences.append(_sentence(by_key[TUNED], best, None))
    return " ".join(sentences)


def _sentence(one: dict, other: dict, published: float | None) -> str:
    points, half, pairs = difference(one, other)
    if not pairs:
        return f"{one['name']} and {other['name']} have no fold in common."
    is_trained = {one["name"], other["name"]} & {SCRATCH, TUNED}
    if pairs == 1:
        of = "chance of training" if is_trained else "choice of training pictures"
        word = f"not resolved: one fold tells nothing about the {of}"
    elif abs(points) <= half:
        word = "not resolved"
    elif published is None:
        word = "not published"
    else:
        word = "same direction" if points * published > 0 else "opposite"
    beside = "" if published is None else f" (published with 30: {published:+.1f})"
    return (
        f"{one['name']} less {other['name']}: {points:+.1f} +- {half:.1f} points{beside}, {word}."
    )


def write(
    output: pathlib.Path,
    about: dict,
    layers: Mapping[str, int],
    parts: Mapping[str, Any],
    per_class: Iterable[int],
    folds: int,
) -> tuple[int, dict]:
    """Writes transfer.json, .csv and .md.

    Args:
      output: an existing directory.
      about: what was measured, for the caption.
      layers: as in `rows_of`; so are the others.
      parts: as there.
      per_class: as there.
      folds: as there.

    Returns:
      1 if a part failed, otherwise 0; and what transfer.json holds.

    Raises:
      RunFailed: a file cannot be written.
    """
    rows = rows_of(layers, parts, sorted(set(per_class)), folds)
    result = about | {"folds": folds, "rows": rows, "verdict": verdict(rows)}
    with writing(output):
        files.write_text(output / "transfer.json", json.dumps(result, indent=1))
        files.write_text(output / "transfer.csv", _csv(rows))
        files.write_text(output / "transfer.md", markdown(result))
    return int(any(None in row["folds"] for row in rows)), result


def _csv(rows: list[dict]) -> str:
    names = ("name", "layer", "per_class", "mean", "stdev", "trained", "tested", "published")
    text = io.StringIO()
    table = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().rstrip("\n")


def markdown(result: dict) -> str:
    """Makes the page: what was done, the table in percent, the verdict."""
    rows = result["rows"]
    columns = sorted({row["per_class"] for row in rows})
    cells = {(row["name"], row["per_class"]): row for row in rows}
    head = ["features", *(f"{n} a class" for n in columns), *(f"published, {n}" for n in columns)]
    lines = [_line(head), _line(["---"] * len(head))]
    for name in dict.fromkeys(row["name"] for row in rows):
        here = [cells.get((name, n)) for n in columns]
        key = next(row["layer"] or name for row in here if row)
        published = [_published(key, n) for n in columns]
        lines.append(_line([name, *map(_percent, here), *published]))
    skipped = result["undecoded"]
    left_out = f"; {skipped} that cannot be decoded left out" if skipped else ""
    return f"""# Transfer

- Pictures: {result["pictures"]:,} of {result["classes"]} classes, `{result["source"]}`{left_out}.
- Weights: {result["weights"]}.
- Numbers: mean of the classes' accuracies in percent, then mean and standard deviation over
  {result["folds"]} random folds (seed {result["seed"]}), which may share pictures. Of each class up
  to 50 pictures that do not train are tested.
- Rows of layers: the layers stay as they are. Larger maps become 6 x 6 by maxima. Ridge regression,
  one class against all, decides, its penalty chosen by leaving out one training picture at a time.
- {SCRATCH.capitalize()}, {TUNED}: {result["epochs"]} epochs, the weights of the last step, or their
  averages where the settings keep some. Layers that are taken over learn at a tenth of their rate.
- alexnet_tf {result["version"]}; `{result["command"]}`
- Published: {SOURCE}. SVMs or a softmax decide there, on the layer with as many kernels below.

{chr(10).join(lines)}

{result["verdict"]} Intervals are 95 %.
"""


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(row: dict | None) -> str:
    """Writes a cell: mean and standard deviation, or why there is none."""
    if row is None:
        return "not measured"
    if row["mean"] is None:
        return "failed"
    spread = "" if row["stdev"] is None else f" +- {100 * row['stdev']:.1f}"
    count = sum(x is not None for x in row["folds"])
    return f"{100 * row['mean']:.1f}{spread}" + (" (one fold)" if count == 1 else "")
