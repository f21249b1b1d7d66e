"""The training error by epoch, and when it reaches a value. No TensorFlow."""

import json
import pathlib
from collections.abc import Iterable

Points = list[tuple[float, float]]


def windows(lines: Iterable[dict], window_steps: int, steps_per_epoch: float) -> Points:
    """Averages the training error of whole windows of steps.

    A run writes more lines than asked for, at the ends of epochs; those of a window are joined.

    Args:
      lines: of metrics.jsonl; those with train/top1_error and train/seen count.
      window_steps: every so many steps a window ends, and a line stands there.
      steps_per_epoch: need not be whole.

    Returns:
      for each whole window the epoch at its center, and the error: a fraction.
    """
    points, wrong, seen = [], 0.0, 0
    for line in lines:
        if "train/top1_error" not in line:
            continue
        wrong += line["train/top1_error"] * line["train/seen"]
        seen += line["train/seen"]
        if line["step"] % window_steps == 0:
            center = (line["step"] - window_steps / 2) / steps_per_epoch
            points.append((center, wrong / max(seen, 1)))
            wrong, seen = 0.0, 0
    return points


def up_to(points: Points, reached: float) -> tuple[Points, float | None]:
    """Cuts a curve after the first window whose error is `reached` or less.

    Returns:
      the points, and the epoch of the crossing, interpolated between the centers of two windows;
      that of the first window where already it is there, None where none is.
    """
    for place, (epoch, error) in enumerate(points):
        if error <= reached:
            if not place:
                return points[:1], epoch
            before, higher = points[place - 1]
            crossing = before + (epoch - before) * (higher - reached) / (higher - error)
            return points[: place + 1], crossing
    return points, None


def read_lines(path: pathlib.Path) -> list[dict]:
    """Reads the whole lines of metrics.jsonl; none where there is no file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a kill may leave half of the last
    return [json.loads(line) for line in lines]
