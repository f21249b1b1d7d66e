"""The results of an evaluation by class: two files and a table."""

import json
import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.figures.confusion import heat_map
from alexnet_tf.training import run_directory

NUM_SHOWN = 20
"""Rows of the table on standard error, those of lowest recall; the file has all."""


def measures(confusion: np.ndarray, classes: tuple[str, ...]) -> list[dict]:
    """Computes counts and ratios of each class.

    Args:
      confusion: int64 [K, K], as in Evaluator.
      classes: their names.

    Returns:
      for each class `class`, `examples`, `predicted`, `correct`, `recall` (correct / examples) and
      `precision` (correct / predicted); a ratio with denominator 0 is None.
    """
    columns = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    return [
        {
            "class": name,
            "examples": examples,
            "predicted": predicted,
            "correct": correct,
            "recall": correct / examples if examples else None,
            "precision": correct / predicted if predicted else None,
        }
        for name, examples, predicted, correct in zip(
            classes, *(column.tolist() for column in columns), strict=True
        )
    ]


def write(directory: pathlib.Path, about: dict, confusion: np.ndarray, classes) -> list[dict]:
    """Writes per_class.json and confusion.png; returns the measures.

    Args:
      directory: an existing directory.
      about: further values for per_class.json.
      confusion: int64 [K, K].
      classes: their names.

    Raises:
      RunFailed: a file cannot be written.
    """
    found = measures(confusion, classes)
    recalls = [each["recall"] for each in found if each["recall"] is not None]
    mean = {"balanced_accuracy": sum(recalls) / len(recalls) if recalls else None}
    whole = about | mean | {"classes": found, "confusion": confusion.tolist()}
    run_directory.write_text(directory / "per_class.json", json.dumps(whole))
    picture = tf.io.encode_png(heat_map(confusion, classes)).numpy()
    run_directory.write_bytes(directory / "confusion.png", picture)
    return found


def table(found: list[dict]) -> str:
    """Writes a table of the classes of lowest recall, with their numbers in the picture."""
    order = sorted(
        range(len(found)), key=lambda i: (found[i]["recall"] is None, found[i]["recall"])
    )
    rows = [("", "class", "examples", "recall", "precision")]
    for i in order[:NUM_SHOWN]:
        name, examples = found[i]["class"], str(found[i]["examples"])
        rows.append((str(i), name, examples, *(_percent(found[i][x]) for x in rows[0][3:])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([cells[0].rjust(widths[0]), cells[1].ljust(widths[1])])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(cells[2:], widths[2:], strict=True))
        for cells in rows
    ]
    if len(found) > NUM_SHOWN:
        lines.append(f"and {len(found) - NUM_SHOWN} classes of higher recall or without examples")
    return "\n".join(lines)


def _percent(ratio: float | None) -> str:
    return "none" if ratio is None else f"{100 * ratio:.1f} %"
