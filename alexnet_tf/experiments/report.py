"""What an experiment has found: table.md, table.csv, table.json and plot.png. No TensorFlow.

All are made of the finished rows alone, without times: equal results give equal bytes.
"""

import csv
import functools
import io
import json
import pathlib
import sys
from typing import Any

from alexnet_tf.errors import UserError
from alexnet_tf.experiments import drawing
from alexnet_tf.experiments.findings import summary
from alexnet_tf.experiments.results import Results
from alexnet_tf.experiments.table import Experiment, Measure
from alexnet_tf.figures import canvas
from alexnet_tf.training import run_directory

SPREAD = "The spread is the standard deviation over seeds."
PICTURES = "the choice of the validation pictures, which are the same for all rows, and "
COVERS = (
    "It is made of each row's own spread over its seeds (Welch), so a row with one seed has none. "
    "Each interval stands for itself: of 20 rows that change nothing, about one would be called "
    "different."
)


def write(
    experiment: Experiment, results: Results, output: pathlib.Path, command: str
) -> dict[str, str]:
    """Writes all files of a report; the plot only where matplotlib is installed.

    Args:
      experiment: the table.
      results: what is finished of it.
      output: an existing directory.
      command: what was typed, without what says where and how much of it.

    Returns:
      for each row but the first a sentence.

    Raises:
      RunFailed: a file cannot be written.
    """
    found = summary(experiment, results, command)
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    run_directory.write_text(output / "table.json", text)
    run_directory.write_text(output / "table.csv", csv_text(found))
    run_directory.write_text(output / "table.md", markdown(found))
    try:
        picture = canvas.png(drawing.plot(experiment, results, found))
    except UserError as error:
        _say_once(f"plot.png is left out. {error}")
    else:
        run_directory.write_bytes(output / "plot.png", picture)
    return {row["name"]: row["verdict"] for row in found["rows"][1:]}


@functools.cache
def _say_once(text: str) -> None:
    """Says something on standard error, the first time."""
    print(text, file=sys.stderr, flush=True)


def csv_text(found: dict[str, Any]) -> str:
    """Writes the rows of a summary with all digits; parts of a cell are parted by semicolons.

    Args:
      found: what `summary` returned.
    """
    names = [name for name in found["rows"][0] if not name.startswith("claim")]
    file = io.StringIO()
    writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in found["rows"]:
        lists = {name: value for name, value in row.items() if isinstance(value, list)}
        joined = {name: "; ".join(map(str, value)) for name, value in lists.items()}
        writer.writerow(row | joined | {"tried": _tried(row)})
    return file.getvalue().rstrip("\n")


def markdown(found: dict[str, Any]) -> str:
    """Writes a page: the table for people, how it was made, what was claimed.

    Args:
      found: what `summary` returned.
    """
    is_ratio, rows = found["measure"] == Measure.EPOCHS_TO, found["rows"]
    covered = f"{'' if is_ratio else PICTURES}the chance of training"
    has_train = any(row["train_values"] for row in rows)
    of_training = "; that of the training error covers the chance of training alone" * has_train
    left_out = found["pictures_left_out"]
    left_out = f" ({left_out} left out that cannot be decoded)" if left_out else ""
    pictures = f"{found['pictures']:,} validation pictures{left_out}; " if found["pictures"] else ""
    steps = ", ".join(f"{steps:,}" for steps in found["steps"]) or "no"
    versions = ", ".join(found["versions"]) or "of no version"
    paragraphs = [
        f"# {found['title']}",
        "\n".join(_table(found, is_ratio)),
        f"All rows are compared with `{rows[0]['name']}`. {SPREAD} The interval, of 95 %, covers "
        f"{covered}{of_training}. {COVERS}",
        f"`{found['source']}`; {pictures}at most {steps} steps a run, in {found['precision']}; "
        f"alexnet_tf {versions}; `{found['command']}`",
        found["note"],
        _listed("Rates, each tried once", {row["name"]: _tried(row) for row in rows}),
        _listed("What is claimed", {row["name"]: _claim(row) for row in rows}),
    ]
    return "\n\n".join(filter(None, paragraphs))


def _table(found: dict[str, Any], is_ratio: bool) -> list[str]:
    """Writes the table of a page."""
    has_train = any(row["train_values"] for row in found["rows"])
    value = f"epochs to {100 * found['reached']:g} % training error" if is_ratio else "error, %"
    titles = ["row", "what changed", "seeds", value, "spread", *["training error, %"] * has_train]
    titles += ["times as many" if is_ratio else "difference, points", "published", "verdict"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for row in found["rows"]:
        cells = [row["name"], "; ".join(row["changes"]), ", ".join(map(str, row["seeds"]))]
        cells += [_number(row["mean"], is_ratio), _number(row["spread"], is_ratio)]
        cells += [_train(row)] * has_train
        cells += [_interval(row, ("difference", "low", "high"), is_ratio)]
        published = _number(row["published"], is_ratio, "" if is_ratio else "+")
        cells += [f"over {published}" if row["published_is_least"] else published]
        cells += [". ".join(filter(None, [row["verdict"], *row["failed"]]))]
        lines.append(_line(cells))
    return lines


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _number(value: float | None, is_ratio: bool, sign: str = "") -> str:
    """Writes epochs and ratios as they are, errors in percent."""
    return "" if value is None else f"{value if is_ratio else 100 * value:{sign}.2f}"


def _interval(row: dict[str, Any], names: tuple[str, str, str], is_ratio: bool) -> str:
    """Writes a difference or a ratio with its interval."""
    value, low, high = (row[name] for name in names)
    text = _number(value, is_ratio, "" if is_ratio else "+")
    if low is None:
        return text
    if is_ratio:
        return f"{text} ({low:.2f} to {high:.2f})"
    return f"{text} +- {100 * (high - value):.2f}"


def _train(row: dict[str, Any]) -> str:
    """Writes the training error, its difference, and what was published of that."""
    found = _interval(row, ("train_difference", "train_low", "train_high"), False)
    published = _number(row["published_train"], False, "+")
    beside = [found, published and f"published: {published}"]
    beside = "; ".join(filter(None, beside))
    return f"{_number(row['train_mean'], False)}{f' ({beside})' if beside else ''}".strip()


def _tried(row: dict[str, Any]) -> str:
    """Says what each rate of a grid came to."""
    texts = []
    for rate, found in row["tried"].items():
        text = f"not within {found['epochs']:.2f} epochs"
        if found["failed"]:
            text = "failed"
        elif found["epochs_to"] is not None:
            text = f"{found['epochs_to']:.2f} epochs"
        texts.append(f"{rate}: {text}")
    return ", ".join(texts)


def _claim(row: dict[str, Any]) -> str:
    return f"{row['claim']} ({row['claim_source']})" if row["claim"] else ""


def _listed(title: str, texts: dict[str, str]) -> str:
    """Lists what there is to say of rows; empty where there is nothing."""
    lines = [f"- {name}: {text}" for name, text in texts.items() if text]
    return "\n".join([f"{title}:", "", *lines]) if lines else ""
