"""dataset.json: what a packed data set holds, how it was made, and what was wrong with it.

No TensorFlow.
"""

import dataclasses
import json
from typing import Any

FILE = "dataset.json"
FORMAT_VERSION = 1
WHOLE = "all"
"""Key of the only split of a set without train and val; data.held_out divides it at reading."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """A file of TFRecords, and the index beside it."""

    name: str
    num_examples: int
    num_bytes: int
    sha256: str
    """Of the file, in hexadecimal."""
    index_sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackedSplit:
    """The examples of one split, in the order of their numbers."""

    num_examples: int
    class_counts: tuple[int, ...]
    digest: str
    """Of the names and sizes of the files that it was made of, as data.json has it."""
    shards: tuple[Shard, ...]
    """All but the last have the same number of examples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Undecoded:
    """An example that keeps its number, though nothing can be made of it."""

    split: str
    index: int
    name: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statistics:
    """Of the squares of the training split, exact; examples that cannot be decoded are left out."""

    num_examples: int
    """Squares that were counted."""
    side: int
    """Of these squares, in pixels."""
    rgb_mean: tuple[float, float, float]
    """0 to 255."""
    color_axes: tuple[tuple[float, float, float], ...]
    """Principal axes of the colors, one a row, the largest first."""
    color_stdevs: tuple[float, float, float]
    """Standard deviation along each axis, in levels of 0 to 255."""
    mean_image: str
    """Base64 of float32 [side, side, 3], little-endian, row by row, RGB."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """A packed data set."""

    format: str
    """jpeg: encoded pictures. raw: uint8 squares, row by row, RGB."""
    size: int | None
    """Side of the squares that were stored, in pixels; None where files were kept as they are."""
    squares: dict[str, Any]
    """How squares were cut: the fields of InputConfig in SQUARE_FIELDS, by name. Where the files
    were kept as they are, how those of `statistics` were."""
    classes: tuple[str, ...]
    splits: dict[str, PackedSplit]
    """train and val, or WHOLE alone; other names where the origin has others."""
    statistics: Statistics | None
    """None where no square could be made."""
    undecoded: tuple[Undecoded, ...]
    left_out: tuple[tuple[str, str], ...]
    """What is no example of a class: name and reason."""
    origin: str
    """What it was made of, as it was typed."""
    settings: dict[str, Any]
    """What else was set, by name."""


def to_text(description: Description) -> str:
    """Makes the text of dataset.json."""
    return json.dumps(
        {"format_version": FORMAT_VERSION} | dataclasses.asdict(description), indent=1
    )


def from_text(text: str) -> Description:
    """Reads dataset.json.

    Raises:
      ValueError: it is none, or of a later version.
    """
    try:
        found = json.loads(text)
        version = found.pop("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"format_version={version}: expected {FORMAT_VERSION}. Read it with the version of "
                "this program that wrote it, or pack the pictures again."
            )
        splits = {name: _split(split) for name, split in found.pop("splits").items()}
        statistics = found.pop("statistics")
        return Description(
            splits=splits,
            statistics=statistics and _statistics(statistics),
            undecoded=tuple(Undecoded(**one) for one in found.pop("undecoded")),
            classes=tuple(found.pop("classes")),
            left_out=tuple(map(tuple, found.pop("left_out"))),
            **found,
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"no description of a packed data set ({error})") from error


def _split(found: dict) -> PackedSplit:
    shards = tuple(Shard(**shard) for shard in found.pop("shards"))
    return PackedSplit(shards=shards, class_counts=tuple(found.pop("class_counts")), **found)


def _statistics(found: dict) -> Statistics:
    axes = tuple(map(tuple, found.pop("color_axes")))
    means, stdevs = tuple(found.pop("rgb_mean")), tuple(found.pop("color_stdevs"))
    return Statistics(rgb_mean=means, color_axes=axes, color_stdevs=stdevs, **found)
