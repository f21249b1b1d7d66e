"""Files of an archive by folder and name, in about 50 bytes each beside the name. No TensorFlow."""

from array import array

import numpy as np

_NOWHERE = -1
_EMPTY = -1
_FEWEST_SLOTS = 1024


class Entries:
    """Numbered files: what each is called, in which folder it is, and where its contents lie.

    Folders are numbers too. A file is found by a table of numbers alone, with open addressing: a
    dict of strings would take three times the memory.

    Attributes:
      tars, offsets, sizes: by number of a file: number of the tar file, offset and length in bytes.
    """

    def __init__(self):
        """Begins with nothing."""
        self.tars, self.offsets, self.sizes = array("H"), array("q"), array("q")
        self._names, self._ends, self._folders = bytearray(), array("Q", [0]), array("i")
        self._slots, self._used = array("i", [_EMPTY]) * _FEWEST_SLOTS, 0

    def append(self, name: str, tar: int, offset: int, size: int) -> int:
        """Adds a file that is in no folder yet, and returns its number."""
        self._names += _encoded(name)
        self._ends.append(len(self._names))
        self._folders.append(_NOWHERE)
        self.tars.append(tar)
        self.offsets.append(offset)
        self.sizes.append(size)
        return len(self.sizes) - 1

    def put(self, number: int, folder: int) -> bool:
        """Puts a file that is nowhere into a folder, in place of one that is called as it is.

        Returns:
          Whether there was such a one.
        """
        if 3 * self._used >= 2 * len(self._slots):
            self._grow()
        slot = self._slot(folder, self._name(number))
        self._folders[number] = folder
        earlier, self._slots[slot] = self._slots[slot], number
        if earlier == _EMPTY:
            self._used += 1
            return False
        self.take_out(earlier)
        return True

    def take_out(self, number: int) -> None:
        """Takes a file out of its folder."""
        self._folders[number] = _NOWHERE  # its slot stays, and is passed over

    def find(self, folder: int, name: str) -> int | None:
        """Finds the number of a file; None where there is no such one."""
        number = self._slots[self._slot(folder, _encoded(name))]
        return None if number == _EMPTY else number

    def name(self, number: int) -> str:
        """Gives the name of a file."""
        return self._name(number).decode("utf-8", "surrogateescape")

    def by_folder(self) -> dict[int, np.ndarray]:
        """Lists the numbers of the files in each folder that has some, rising."""
        folders = np.array(self._folders, np.int32)
        order = np.argsort(folders, kind="stable").astype(np.int32)
        found, firsts = np.unique(folders[order], return_index=True)
        return dict(zip(found.tolist(), np.split(order, firsts[1:]), strict=True))

    def _name(self, number: int) -> bytes:
        return bytes(self._names[self._ends[number] : self._ends[number + 1]])

    def _slot(self, folder: int, name: bytes) -> int:
        """Finds the place of a file in the table, or the empty one where it would be."""
        mask = len(self._slots) - 1
        slot = hash((folder, name)) & mask
        while (number := self._slots[slot]) != _EMPTY:
            if self._folders[number] == folder and self._name(number) == name:
                break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        """Doubles the table."""
        self._slots, self._used = array("i", [_EMPTY]) * (2 * len(self._slots)), 0
        for number, folder in enumerate(self._folders):
            if folder != _NOWHERE:
                self._slots[self._slot(folder, self._name(number))] = number
                self._used += 1


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
