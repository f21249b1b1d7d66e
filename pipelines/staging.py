"""Copies the files of a packed data set to a local disk, ahead of training."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping

from pipelines import storage
from pipelines.files import lock, size_text, sync_directory

_PIECE_BYTES = 1 << 22
_THREADS = 4
"""Files that are read at the same time, a piece of each in memory."""
_SAY_SECONDS = 30
_LOCK = ".lock"


def stage(origin: str, place: str, files: Mapping[str, tuple[int, str]]) -> str:
    """Makes sure that files are in a local directory, whole and as they were packed.

    What is there with the right size and checksum is kept, so a copy that was killed goes on with
    the next file. A file gets its name when it is whole. Of processes that come at the same time
    one copies, and the others wait.

    Args:
      origin: directory that they are in: a local path, or one of `tf.io.gfile`.
      place: local directory, made where it is missing; it may serve several data sets.
      files: number of bytes and SHA-256 in hexadecimal by name, as dataset.json has them.

    Returns:
      A directory below `place` that holds these files; other files have another one.

    Raises:
      ValueError: they do not fit, a file of `origin` cannot be read or is not as it was packed, or
        `place` cannot be used.
    """
    odd = [name for name in files if name in ("", ".", "..", _LOCK) or {*name} & {*"/\\\0"}]
    if odd:
        raise ValueError(
            f"{origin!r} names a file {odd[0]!r}; expected names without folders in them. Pack the "
            "pictures again."
        )
    identity = json.dumps(sorted(files.items())).encode()
    target = os.path.join(place, hashlib.sha256(identity).hexdigest()[:16])
    try:
        os.makedirs(target, exist_ok=True)
        with _locked(target), _Work(origin, target, files) as work:
            work.copy(work.missing())
    except OSError as error:
        raise ValueError(
            f"data.stage={place!r} cannot be used: {error.strerror or error}. Expected a local "
            "directory with room that this user may write. Mend that, or name another with "
            "--data.stage."
        ) from error
    return target


class _Work:
    """Files that are checked and copied, several at a time; leaving it stops what still runs."""

    def __init__(self, origin: str, target: str, files: Mapping[str, tuple[int, str]]):
        self._origin, self._target, self._files = origin, target, files
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS)
        self._is_over = threading.Event()
        self._lock, self._num_bytes, self._said_at = threading.Lock(), 0, time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._is_over.set()
        self._threads.shutdown(cancel_futures=True)

    def missing(self) -> list[str]:
        """Lists the files that are not there as they should be, and removes unfinished ones."""
        for name in os.listdir(self._target):
            if name.endswith(".unfinished"):
                os.unlink(os.path.join(self._target, name))
        are_there = self._threads.map(self._is_there, self._files)
        return [name for name, is_there in zip(self._files, are_there, strict=True) if not is_there]

    def copy(self, names: list[str]) -> None:
        """Copies these files, if they fit."""
        if not names:
            return
        needed, free = sum(self._files[x][0] for x in names), shutil.disk_usage(self._target).free
        if needed > free:
            raise ValueError(
                f"data.stage: {self._target!r} has {size_text(free)} free, expected "
                f"{size_text(needed)} for {len(names)} files of {self._origin!r}. Make room, name "
                "another directory with --data.stage, or read them where they are, without it."
            )
        _say(
            f"copying {len(names):,} of {len(self._files):,} files, {size_text(needed)}, from "
            f"{self._origin!r} to {self._target!r}."
        )
        self._num_bytes = 0
        for _ in self._threads.map(self._copy, names):
            pass
        sync_directory(pathlib.Path(self._target))

    def _is_there(self, name: str) -> bool:
        """Whether a file was copied before, and is still what it was."""
        path = os.path.join(self._target, name)
        num_bytes, checksum = self._files[name]
        if not os.path.isfile(path) or os.path.getsize(path) != num_bytes:
            return False
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for piece in self._pieces(file, "checked"):
                digest.update(piece)
        return digest.hexdigest() == checksum

    def _copy(self, name: str) -> None:
        """Copies a file under another name, and renames it when it is what it should be."""
        path = os.path.join(self._target, name)
        num_bytes, checksum = self._files[name]
        digest, count = hashlib.sha256(), 0
        with open(f"{path}.unfinished", "wb") as file:
            for piece in self._read(name):
                file.write(piece)
                digest.update(piece)
                count += len(piece)
                if count > num_bytes:
                    break
            file.flush()
            os.fsync(file.fileno())
        if (count, digest.hexdigest()) != (num_bytes, checksum):
            os.unlink(f"{path}.unfinished")
            found = f"more than {num_bytes}" if count > num_bytes else count
            raise ValueError(
                f"{storage.join(self._origin, name)!r} is not what was packed: expected "
                f"{num_bytes} bytes with the SHA-256 {checksum}, found {found} with "
                f"{digest.hexdigest()}. Copy it there again, or pack the pictures again."
            )
        os.replace(f"{path}.unfinished", path)

    def _read(self, name: str) -> Iterator[bytes]:
        path = storage.join(self._origin, name)
        try:
            with storage.opened(path) as file:
                yield from self._pieces(file, "copied")
        except OSError as error:
            raise ValueError(
                f"{path!r} cannot be copied: {error.strerror or error}. Expected every file that "
                "dataset.json names. Run the same command again, or put it back."
            ) from error

    def _pieces(self, file, done: str) -> Iterator[bytes]:
        """Reads a file to its end, or until the work is over."""
        while not self._is_over.is_set():
            piece = file.read(_PIECE_BYTES)
            if not piece:
                return
            yield piece
            with self._lock:
                self._num_bytes += len(piece)
                if time.monotonic() - self._said_at >= _SAY_SECONDS:
                    self._said_at = time.monotonic()
                    _say(f"{size_text(self._num_bytes)} {done}.")


@contextlib.contextmanager
def _locked(target: str) -> Iterator[None]:
    """Lets one process at a time work in a directory; the system releases it when we die."""
    with open(os.path.join(target, _LOCK), "ab") as file:
        lock(file, lambda: _say(f"waiting for another process that copies to {target!r}."))
        yield


def _say(text: str) -> None:
    print(f"data.stage: {text}", file=sys.stderr, flush=True)
