"""A table of parts that are marked in pictures, and where they are in what a network sees."""

import csv
import math
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import UserError
from pipelines import augment
from pipelines.config import InputConfig, ResizeRule
from pipelines.decode import UNDECODABLE, decode, to_square
from pipelines.text_files import text_lines

PATH = "path"
"""The column that names the picture."""


class Marked(NamedTuple):
    """Pictures as a network sees them, with the centers of their parts."""

    parts: tuple[str, ...]
    """Names, such as nose."""
    name: tuple[str, ...]
    """Paths of the pictures."""
    image: np.ndarray
    """uint8 [N, size, size, 3]."""
    center: np.ndarray
    """float64 [N, parts, 2], x and y in pixels of `image`, from its upper left corner; the middle
    of the first pixel is at 0.5."""


def read(path: str, inputs: InputConfig) -> Marked:
    """Reads a table, and its pictures as a network's evaluation sees them.

    Args:
      path: CSV with a header: path, and x and y of each part, such as nose_x and nose_y, in pixels
        of the picture as its file has it (turned by its EXIF where the network does that). Paths
        start from the folder of the table.
      inputs: how pictures become windows.

    Raises:
      UserError: the table or a picture cannot be read, or a part is not inside what is seen.
    """
    parts, lines = _table(path)
    images, centers = [], []
    for name, marks in lines:
        image, seen = _window(path, name, marks, inputs)
        for part, (x, y) in zip(parts, seen, strict=True):
            if not (0 <= x < inputs.size and 0 <= y < inputs.size):
                raise UserError(
                    f"parts={path!r}: {part} of {name!r} lies outside of what the network sees, "
                    f"the middle {inputs.size} of {inputs.resize} pixels. Leave the picture out, "
                    "or cut it closer."
                )
        images.append(image)
        centers.append(seen)
    return Marked(parts, tuple(name for name, _ in lines), np.stack(images), np.array(centers))


def _table(path: str) -> tuple[tuple[str, ...], list[tuple[str, list[float]]]]:
    """Reads the names of the parts, and of each picture its path and x, y of each part in turn."""
    try:
        lines = filter(None, text_lines(pathlib.Path(path).read_bytes()))
        header, *rows = [*csv.reader(lines, strict=True)] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        raise UserError(
            f"parts={path!r} cannot be read: {reason}. Expected a CSV file with a header, such as "
            "path,nose_x,nose_y."
        ) from error
    header = [name.strip() for name in header]
    parts = tuple(dict.fromkeys(name[:-2] for name in header if name != PATH))
    columns = [PATH, *(f"{part}_{axis}" for part in parts for axis in "xy")]
    if sorted(header) != sorted(columns) or not parts:
        raise UserError(
            f"parts={path!r} has the columns {','.join(header)}; expected path and, for each part, "
            "its x and y, such as path,nose_x,nose_y. Change the header."
        )
    if len(rows) < 2:
        raise UserError(
            f"parts={path!r} has {len(rows)} pictures; expected two or more, since pairs of them "
            "are compared. Add lines."
        )
    found = []
    for row in rows:
        cells = dict(zip(header, row, strict=False))
        marks = [_number(cells.get(column, "")) for column in columns[1:]]
        if len(row) != len(header) or None in marks:
            raise UserError(
                f"parts={path!r}: the line {','.join(row)!r} does not fit the header "
                f"{','.join(header)}; expected a path and pixels. Change the line."
            )
        found.append((cells[PATH].strip(), marks))
    return parts, found


def _number(text: str) -> float | None:
    """Reads a finite number, None where there is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _window(
    table: str, name: str, marks: Sequence[float], inputs: InputConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Reads a picture: its window, uint8 [size, size, 3], and centers there, float64 [parts, 2]."""
    try:
        contents = pathlib.Path(os.path.dirname(table), name).read_bytes()
        image = decode(tf.constant(contents), inputs.orientation)
    except (OSError, *UNDECODABLE) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no whole JPEG, PNG or BMP"
        raise UserError(
            f"parts={table!r}: the picture {name!r} cannot be read: {reason}. Expected a path "
            "that starts from the folder of the table. Change it, or leave the line out."
        ) from error
    square = to_square(image, inputs.resize, inputs.resize_rule, inputs.resize_filter)
    seen = augment.center_crop(square, inputs.size).numpy()
    sides = np.array(image.shape[1::-1])  # width and height
    kept = sides if inputs.resize_rule == ResizeRule.WARP else np.full(2, sides.min())
    cut, rest = (sides - kept) // 2, (inputs.resize - inputs.size) // 2
    centers = np.reshape(marks, (-1, 2)) + 0.5 - cut
    return seen, centers * inputs.resize / kept - rest
