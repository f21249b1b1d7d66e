"""What there is to pack: splits, their examples in order, and what is left out."""

import dataclasses
import os
from collections.abc import Callable, Sequence

from pipelines.packing.settings import Packing
from pipelines.records.description import WHOLE
from pipelines.source import Source
from pipelines.sources.folder import folder
from pipelines.sources.layout import look


@dataclasses.dataclass(frozen=True)
class Part:
    """The examples of one split, in the order and with the numbers that `folder:` gives them."""

    source: Source
    names: Sequence[str]
    """Paths below the whole folder."""
    labels: Sequence[int]
    num_bytes: Sequence[int]
    """Of each file; 0 where it cannot be known."""
    contents: Callable[[int], bytes]
    """Reads a file by index.

    Raises:
      OSError: it cannot be read.
    """


@dataclasses.dataclass(frozen=True)
class Inventory:
    """A whole data set."""

    classes: tuple[str, ...]
    parts: dict[str, Part]
    """By split: train and val, or WHOLE alone."""
    left_out: tuple[tuple[str, str], ...]
    """Name and reason of what is no example."""


def take_inventory(packing: Packing) -> Inventory:
    """Lists what `input` names.

    Raises:
      ValueError: there is nothing to pack, or not as it is expected.
    """
    return _folder(packing.input)


def _folder(root: str) -> Inventory:
    layout = look(root)
    parts = {}
    for name in layout.pictures or (WHOLE,):
        source = folder(root, name or WHOLE, held_out=0.1)
        sizes = [_size(source.name(index)) for index in range(source.num_examples)]
        parts[name or WHOLE] = Part(
            source, source.files, source.labels, sizes, _reader(source.name)
        )
    left_out = tuple((name, _reason(name)) for name in layout.left_out)
    return Inventory(source.classes, parts, left_out)


def _reader(name: Callable[[int], str]) -> Callable[[int], bytes]:
    def contents(index: int) -> bytes:
        with open(name(index), "rb") as file:
            return file.read()

    return contents


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _reason(name: str) -> str:
    return "a folder that is no class" if name.endswith("/") else "no picture of a class"
