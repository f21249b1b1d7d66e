"""dataset.json: what a packed data set holds, how it was made, and what was wrong with it.

No TensorFlow.
"""

import dataclasses
import json

from pipelines.config import InputConfig
from pipelines.typed import Typed

FILE = "dataset.json"
FORMAT_VERSION = 1
RAW, JPEG = "raw", "jpeg"
"""Formats of pictures."""
WHOLE = "all"
"""Key of the only split of a set without train and val; data.held_out divides it at reading."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard(Typed):
    """A file of TFRecords, and the index beside it."""

    name: str
    num_examples: int
    num_bytes: int
    sha256: str
    """Of the file, in hexadecimal."""
    index_sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackedSplit(Typed):
    """The examples of one split, in the order of their numbers."""

    num_examples: int
    class_counts: tuple[int, ...]
    digest: str
    """Of the names and sizes of the files that it was made of, as data.json has it."""
    shards: tuple[Shard, ...]
    """All but the last have the same number of examples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Undecoded(Typed):
    """An example that keeps its number, though nothing can be made of it."""

    split: str
    index: int
    name: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statistics(Typed):
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
class Description(Typed):
    """A packed data set."""

    format: str
    """jpeg: encoded pictures. raw: uint8 squares, row by row, RGB."""
    size: int | None
    """Side of the squares that were stored, in pixels; None where files were kept as they are."""
    squares: dict
    """How squares were cut: the fields of InputConfig in SQUARE_FIELDS, by name. Where the files
    were kept as they are, how those of `statistics` were."""
    classes: tuple[str, ...]
    splits: dict
    """PackedSplit by name: train and val, or WHOLE alone; others where the origin has others."""
    statistics: Statistics | None
    """None where no square could be made."""
    undecoded: tuple[Undecoded, ...]
    left_out: tuple[tuple[str, str], ...]
    """What is no example of a class: name and reason."""
    origin: str
    """What it was made of, as it was typed."""
    settings: dict
    """What else was set, by name."""

    @property
    def inputs(self) -> InputConfig:
        """How the squares that were stored were cut; ValueError where `squares` does not say."""
        try:
            return InputConfig(**{"size": self.squares["resize"], **self.squares})
        except (KeyError, TypeError) as error:
            raise ValueError(f"squares={self.squares}: expected how they were cut.") from error


def to_text(description: Description) -> str:
    """Makes the text of dataset.json."""
    return json.dumps(
        {"format_version": FORMAT_VERSION} | dataclasses.asdict(description), indent=1
    )


def from_text(text: str) -> Description:
    """Reads dataset.json.

    Raises:
      ValueError: it is none, of a later version, or contradicts itself.
    """
    try:
        found = json.loads(text)
        version = found.pop("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"format_version={version}: expected {FORMAT_VERSION}. Read it with the version of "
                "this program that wrote it, or pack the pictures again."
            )
        splits, statistics = found.pop("splits"), found.pop("statistics")
        description = Description(
            splits={name: _split(split) for name, split in splits.items()},
            statistics=statistics and Statistics(**statistics),
            undecoded=tuple(Undecoded(**one) for one in found.pop("undecoded")),
            **found,
        )
        _check(description)
        return description
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"no description of a packed data set ({error})") from error


def _check(found: Description) -> None:
    """Refuses a description whose parts do not fit each other.

    Raises:
      ValueError: in a few words.
    """
    if found.format not in (RAW, JPEG):
        raise ValueError(
            f"format={found.format!r}: expected raw or jpeg. Read it with the version of this "
            "program that wrote it, or pack the pictures again."
        )
    if not found.splits:
        raise ValueError("splits are none, but one is expected")
    for name, split in found.splits.items():
        if len(split.class_counts) != len(found.classes):
            raise ValueError(
                f"class_counts of split {name!r} are {len(split.class_counts)}, of "
                f"{len(found.classes)} classes"
            )
    for one in found.undecoded:
        split = found.splits.get(one.split)
        if split is None or not 0 <= one.index < split.num_examples:
            raise ValueError(f"undecoded names {one.index} of {one.split!r}, which is no example")
    side = found.inputs.resize
    if found.format == RAW and found.size != side:
        raise ValueError(
            f"size={found.size}, but squares have resize={side}, and raw ones are stored as they "
            "are"
        )


def _split(found: dict) -> PackedSplit:
    shards = tuple(Shard(**shard) for shard in found.pop("shards"))
    return PackedSplit(shards=shards, **found)
