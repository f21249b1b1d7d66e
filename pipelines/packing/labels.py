"""Which class a file is of, where a list says so instead of a folder. No TensorFlow."""

import pathlib
import re
from collections import Counter
from collections.abc import Sequence

from pipelines.text_files import text_lines

WNID = "wnid"
"""As the list: names of files begin with their class, as in n01440764_tench.JPEG."""
_WNID = re.compile(r"n\d{8}(?=_)")


def read_labels(labels: str, classes: str, names: Sequence[str]) -> dict[str, str]:
    """Finds the class of each file.

    Args:
      labels: path of a list, a line for each file: its name and its label, the last word, or its
        label alone, in the order of the sorted names. A label is the name of a class or, with
        `classes`, its number. Or WNID.
      classes: path of a list of class names, the first word of each line. They are numbered from 0,
        unless a number stands behind each. Empty where labels are names.
      names: of the files, sorted.

    Raises:
      ValueError: a list cannot be read, or does not fit.
    """
    if labels == WNID:
        found = {name: _WNID.match(name) for name in names}
        return {name: match.group() for name, match in found.items() if match}
    rows = [line.rsplit(None, 1) for line in _lines("labels", labels)]
    known = {*names}
    if all(len(row) == 1 for row in rows) and not _has_names(rows, known):
        if len(rows) != len(names):
            raise ValueError(
                f"labels={labels!r} has {len(rows)} labels for {len(names)} files; expected one "
                "for each, or lines with the name of a file before its label."
            )
        rows = [[name, *row] for name, row in zip(names, rows, strict=True)]
    odd = next((row for row in rows if len(row) != 2), None)
    if all(len(row[0].split()) > 1 for row in rows) and not {row[0] for row in rows} & known:
        odd = rows[0]  # no names with spaces, but other columns
    if odd is not None:
        raise ValueError(
            f"labels={labels!r}: {' '.join(odd)!r} is no name of a file and its label; expected "
            "both in each line, or one label a line."
        )
    classes_by_label = _classes(classes) if classes else {}
    for _, label in rows:
        if label not in classes_by_label and (label.isdecimal() or classes):
            raise ValueError(
                f"labels={labels!r}, classes={classes!r}: {label} is no name of a class. Expected "
                "--classes=FILE, whose lines begin with the names of the classes in the order of "
                "their numbers."
            )
    found: dict[str, str] = {}
    for name, label in rows:
        there = classes_by_label.get(label, label)
        if there.startswith(".") or "/" in there:
            raise ValueError(
                f"labels={labels!r}, classes={classes!r}: {name!r} is of the class {there!r}; "
                "expected a name that a folder of pictures may have, without a slash and without a "
                "dot at its beginning. Name the class otherwise."
            )
        if found.setdefault(name, there) != there:
            raise ValueError(
                f"labels={labels!r}: {name!r} is of the classes {found[name]!r} and {there!r}; "
                "expected one line for each file."
            )
    return found


def _has_names(rows: Sequence[Sequence[str]], names: set[str]) -> bool:
    """Tells whether lines of one word have the name of a file and more, as in NAME,LABEL."""
    return any(mark in row[0] and row[0].split(mark)[0] in names for row in rows for mark in ",;:|")


def _classes(path: str) -> dict[str, str]:
    """Reads a list of classes: their names by label, which is a number or the name itself."""
    rows = [line.split() for line in _lines("classes", path)]
    names = [row[0] for row in rows]
    numbers = [str(number) for number in range(len(rows))]
    if all(len(row) > 1 and row[1].isdecimal() for row in rows):
        numbers = [row[1] for row in rows]
    twice = [x for known in (names, numbers) for x, n in Counter(known).items() if n > 1]
    found = dict(zip(names, names, strict=True))
    for number, name in zip(numbers, names, strict=True):
        if found.setdefault(number, name) != name:
            twice.append(number)
    if twice:
        raise ValueError(
            f"classes={path!r}: {twice[0]!r} stands for two classes; expected another word at the "
            "beginning of each line, such as great_white_shark, and another number."
        )
    return found


def _lines(flag: str, path: str) -> list[str]:
    try:
        return [*filter(None, text_lines(pathlib.Path(path).read_bytes()))]
    except OSError as error:
        raise ValueError(
            f"{flag}={path!r} cannot be read: {error.strerror}. Expected a text file."
        ) from error
    except ValueError as error:
        raise ValueError(f"{flag}={path!r}: {error}") from error
