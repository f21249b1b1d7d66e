"""Names of very many files in little memory: as bytes, folder by folder. No TensorFlow."""

import bisect
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

_PART = 1000
"""Names that are made at once on the way through all."""


@dataclasses.dataclass(frozen=True, eq=False)
class Folder:
    """Names side by side."""

    path: str
    """What stands before each, with a slash at its end; empty at the top."""
    contents: bytes
    """All names, one after another, as the file system encodes them."""
    ends: np.ndarray
    """uint32 [n], where each ends."""

    def __len__(self) -> int:
        """Counts the names."""
        return len(self.ends)

    def slice(self, first: int, last: int) -> list[str]:
        """Makes the paths from `first` to before `last`."""
        ends = self.ends[max(first - 1, 0) : last].tolist()
        ends = ends if first else [0, *ends]
        return [self.path + os.fsdecode(self.contents[a:b]) for a, b in itertools.pairwise(ends)]


def folder(path: str, names: Sequence[str]) -> Folder:
    """Stores names in their order."""
    encoded = list(map(os.fsencode, names))
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    return Folder(path, b"".join(encoded), ends.astype(np.uint32))


class Names(Sequence[str]):
    """Paths of files. One takes the bytes of its file's name and four more; a slice is a list.

    Attributes:
      folders: what they lie in, in order.
    """

    def __init__(self, folders: Iterable[Folder]):
        """Strings folders together."""
        self.folders = tuple(folders)
        self._ends = list(itertools.accumulate(map(len, self.folders)))

    def __len__(self) -> int:
        """Counts the names."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index):
        """Makes one path, or a list of some that lie one after another."""
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            return [x for part in self._parts(first, last) for x in part][::step]
        index = range(len(self))[index]
        return next(self._parts(index, index + 1))[0]

    def __iter__(self) -> Iterator[str]:
        """Makes path after path."""
        for first in range(0, len(self), _PART):
            yield from self[first : first + _PART]

    def _parts(self, first: int, last: int) -> Iterator[list[str]]:
        """Makes the paths from `first` to before `last`, folder by folder."""
        place = bisect.bisect_right(self._ends, first)
        while first < last:
            folder = self.folders[place]
            begin = self._ends[place] - len(folder)
            end = min(last, self._ends[place])
            if first < end:
                yield folder.slice(first - begin, end - begin)
            first, place = end, place + 1

    def where(self, is_taken: np.ndarray) -> "Names":
        """Takes some of the names: bool [N]."""
        taken, first = [], 0
        for part in self.folders:
            places = np.flatnonzero(is_taken[first : first + len(part)])
            first += len(part)
            names = part.slice(0, len(part)) if len(places) else []
            names = [names[place][len(part.path) :] for place in places]
            taken += [folder(part.path, names)] if names else []
        return Names(taken)
