"""A file of squares: a page with a header in JSON, the squares, their labels, whether each is good.

It is filled from front to back under another name, which it loses when it is whole. The header says
how far it has come, so a fill that was killed goes on there. It is read by mapping it into memory:
the system fetches what is asked for and keeps what fits.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import IO

import numpy as np

from pipelines import files
from pipelines.mapped import mapped

SAVE_SECONDS = 30
"""Of work that a kill costs at most."""
_HEADER_BYTES = 4096  # a page: what follows can be mapped, and is aligned


@dataclasses.dataclass(frozen=True)
class SquaresFile:
    """One such file, whether or not it is there yet."""

    path: str
    key: str
    """Digest of all that decides on what is in it."""
    num_examples: int
    side: int

    @property
    def unfinished(self) -> str:
        """Its name until it is whole."""
        return f"{self.path}.unfinished"

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Where squares, labels and marks begin, and where the file ends."""
        sizes = [self.num_examples * size for size in (self.side**2 * 3, 4, 1)]
        return tuple(_HEADER_BYTES + sum(sizes[:count]) for count in range(4))

    def header(self, done: int, **more: str) -> bytes:
        """Says what the file is, and that its first `done` examples are in it."""
        what = {"squares_of": self.key, "num_examples": self.num_examples, "side": self.side}
        return json.dumps(what | {"done": done} | more).encode().ljust(_HEADER_BYTES - 1) + b"\n"

    def last_header(self, file: IO[bytes]) -> bytes:
        """Makes the header of a whole file, with a checksum of its labels and marks."""
        file.seek(self.bounds[1])
        return self.header(self.num_examples, sha256=hashlib.sha256(file.read()).hexdigest())

    def is_whole(self) -> bool:
        """Whether the file is there as it was written.

        Raises:
          OSError: it may not be read.
        """
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size != self.bounds[-1]:
                    return False
                header = file.read(_HEADER_BYTES)
                if header == self.header(self.num_examples):  # until 2026-11-29 without a checksum
                    return True
                return header == self.last_header(file)
        except FileNotFoundError:
            return False

    def missing_bytes(self) -> int:
        """How much of the disk the file still has to take."""
        with contextlib.suppress(OSError):
            if os.path.getsize(self.path) == self.bounds[-1]:
                return 0
        taken = 0
        with contextlib.suppress(FileNotFoundError):  # none yet, or it has just become whole
            taken = os.stat(self.unfinished).st_blocks * 512
        return max(0, self.bounds[-1] - taken)

    def read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Maps the squares (uint8 [N, R, R, 3]); reads labels (int32 [N]) and marks (bool [N])."""
        squares, labels, good, end = self.bounds
        memory, _ = mapped([self.path], [end])
        shape = (self.num_examples, self.side, self.side, 3)
        return (
            memory[squares:labels].reshape(shape),
            memory[labels:good].copy().view(np.int32),
            memory[good:end].copy().view(bool),
        )

    @contextlib.contextmanager
    def filling(self) -> Iterator["Filling"]:
        """Opens the unfinished file for this process alone; waits for another that writes it.

        Raises:
          OSError: it may not be written, or cannot be locked.
        """
        descriptor = self._locked()
        try:
            yield Filling(self, descriptor)
        finally:
            os.close(descriptor)

    def _locked(self) -> int:
        waiting = f"waiting for another process that fills {self.path!r}."
        while True:
            descriptor = os.open(self.unfinished, os.O_RDWR | os.O_CREAT, 0o666)
            files.lock(descriptor, lambda: say(waiting))
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(self.unfinished)):
                    return descriptor
            os.close(descriptor)  # the other one finished it, and it has another name now


class Filling:
    """A file that this process fills.

    Attributes:
      done: the examples before this one are in it.
    """

    def __init__(self, file: SquaresFile, descriptor: int):
        """Finds out how far an earlier process came."""
        self._file, self._descriptor, self.done = file, descriptor, 0
        self._saved_at = time.monotonic()
        header = os.pread(descriptor, _HEADER_BYTES, 0)
        with contextlib.suppress(ValueError, TypeError, KeyError):
            found = json.loads(header)
            more = {"sha256": found["sha256"]} if "sha256" in found else {}  # killed at its end
            self.done = found["done"] if header == file.header(found["done"], **more) else 0
        if not self.done:
            os.ftruncate(descriptor, 0)

    def put(self, squares: np.ndarray, labels: np.ndarray, good: np.ndarray) -> None:
        """Writes the next examples.

        Raises:
          OSError: the disk is full, or fails.
        """
        columns = (squares, labels.astype(np.int32, copy=False), good)
        for start, column in zip(self._file.bounds, columns, strict=False):
            self._write(memoryview(column).cast("B"), start + self.done * column[0].nbytes)
        self.done += len(labels)
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self.save()
            say(f"{self.done:,} of {self._file.num_examples:,} pictures decoded.")

    def save(self) -> None:
        """Notes what is done, after that is safely on the disk."""
        os.fsync(self._descriptor)
        self._write(memoryview(self._file.header(self.done)), 0)
        self._saved_at = time.monotonic()

    def finish(self) -> None:
        """Gives the file its name."""
        self.save()
        with open(self._file.unfinished, "rb") as file:
            self._write(memoryview(self._file.last_header(file)), 0)
        os.fsync(self._descriptor)
        os.replace(self._file.unfinished, self._file.path)
        files.sync_directory(pathlib.Path(self._file.path).parent)

    def abandon(self) -> None:
        """Removes the unfinished file."""
        os.unlink(self._file.unfinished)

    def _write(self, data: memoryview, place: int) -> None:
        while data:
            count = os.pwrite(self._descriptor, data, place)
            data, place = data[count:], place + count


def say(text: str) -> None:
    """Writes a line to standard error."""
    print(f"data.cache=disk: {text}", file=sys.stderr, flush=True)
