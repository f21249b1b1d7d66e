"""Files and directories that are replaced whole: a kill or a power loss leaves the old or the new.

No TensorFlow here. Errors are the system's own; the caller knows what the file is for.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import IO

OLD = ".alexnet_tf-old"
"""Ends the name of a directory that is being replaced."""

_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_HERE = -100  # AT_FDCWD: paths are relative to the working directory


def size_text(num_bytes: float) -> str:
    """Writes a number of bytes in the unit in which it has one to three digits: 3.2 GB, 44 kB."""
    size, units = float(num_bytes), ["bytes", "kB", "MB", "GB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return (
        f"{size:,.0f} {units[0]}" if size >= 9.95 or size == int(size) else f"{size:.1f} {units[0]}"
    )


def lock(file: int | IO, say: Callable[[], None]) -> None:
    """Locks an open file for this process; waits, once that is said, while another has it.

    The system releases the lock when the file is closed or the process ends.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say()
        fcntl.flock(file, fcntl.LOCK_EX)


def write_text(path: pathlib.Path, text: str) -> None:
    """Replaces a small file whole.

    Args:
      path: the file; its directory exists.
      text: its contents; a final newline is added.

    Raises:
      OSError: it cannot be written. An older file is unchanged.
    """
    write_bytes(path, (text + "\n").encode(errors="surrogateescape"))


def write_bytes(path: pathlib.Path, contents: bytes, writer: str = "") -> None:
    """Replaces a small file whole, as `write_text` does.

    Several processes that write the same name at the same time have to be told apart by `writer`.
    """
    unfinished = path.with_name(f".{path.name}{writer}.unfinished")
    try:
        with open(unfinished, "wb") as file:
            file.write(contents)
            sync(file)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    sync_directory(path.parent)


def make_writable(directory: pathlib.Path, name: str = "") -> None:
    """Makes a directory where it is missing, and tries whether files can be made there.

    Args:
      directory: the directory.
      name: of the file that is to be written, which may be too long.

    Raises:
      OSError: they cannot.
    """
    directory.mkdir(parents=True, exist_ok=True)
    probe = directory / f".{name}.{os.getpid()}.probe"
    probe.touch()
    probe.unlink()


def sync(file) -> None:
    """Flushes an open file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: pathlib.Path) -> None:
    """Flushes the names in a directory to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: pathlib.Path) -> None:
    """Flushes all files below a directory, and their names, to the disk."""
    for folder, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(pathlib.Path(folder))


def replace_directory(new: pathlib.Path, place: pathlib.Path) -> pathlib.Path | None:
    """Renames a complete directory to its final name, exchanging it with one of that name.

    Linux exchanges two names at once, so that a reader always finds one of the two. On a file
    system that cannot (NFS) there are two renames; `recover` repairs a kill between them.

    Args:
      new: the new directory, complete and synced, on the same file system.
      place: its final name.

    Returns:
      Where the old directory is now, for the caller to remove; None where there was none.
    """
    old = None
    if not place.exists():
        new.rename(place)
    elif _exchange(new, place):
        old = new
    else:
        old = _old_name(place)
        shutil.rmtree(old, ignore_errors=True)  # of a kill before it was removed
        place.rename(old)
        new.rename(place)
    sync_directory(place.parent)
    return old


def recover(place: pathlib.Path) -> None:
    """Renames back a directory that a kill between the two renames left under another name.

    One that a later kill left is removed by the next `replace_directory`.
    """
    place = pathlib.Path(os.path.realpath(place))  # `.` has no name, and of a link the end was
    old = _old_name(place)
    if old.is_dir() and not place.exists():
        old.rename(place)


def _old_name(place: pathlib.Path) -> pathlib.Path:
    return place.parent / f".{place.name}{OLD}"  # with_name refuses `/`


def _exchange(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Exchanges two names at once; returns False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))
