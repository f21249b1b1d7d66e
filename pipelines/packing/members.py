"""Members of a tar file: read by their headers, and which of them are not taken. No TensorFlow."""

import io
import os
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

MOST_FOLDERS = 100
"""That a member may lie in."""
_BLOCK_BYTES = 512
_PIECE_BYTES = 1 << 20


class Window(io.RawIOBase):
    """A part of a file, as a file for `tarfile`."""

    def __init__(self, tar: BinaryIO, begin: int, end: int):
        """Opens the bytes from `begin` to before `end`."""
        self.tar, self.begin, self.end, self._at = tar, begin, end, 0

    def readable(self) -> bool:
        """Tells that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tells that it can be read at any place."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to an offset from the beginning."""
        self._at = offset
        return offset

    def tell(self) -> int:
        """Says where the next read begins."""
        return self._at

    @property
    def is_at_end(self) -> bool:
        """Whether nothing follows what was read."""
        return self._at >= self.end - self.begin

    def has_more(self) -> bool:
        """Reads on, and tells whether anything but zeros follows."""
        pieces = iter(lambda: self.read(_PIECE_BYTES), b"")
        return any(piece.strip(b"\0") for piece in pieces)

    def read(self, size: int = -1) -> bytes:
        """Reads at most so many bytes."""
        left = max(self.end - self.begin - self._at, 0)
        size = left if size < 0 else min(size, left)
        found = os.pread(self.tar.fileno(), size, self.begin + self._at)
        self._at += len(found)
        return found


def members_of(name: str, window: Window) -> Iterator[tarfile.TarInfo]:
    """Yields the members of a tar file.

    Raises:
      ValueError: it is none, or damaged.
    """
    try:
        tar = tarfile.TarFile(fileobj=window, encoding="utf-8", errors="surrogateescape")
        while member := tar.next():
            tar.members.clear()  # it would keep them all, a kilobyte each
            # The size of one with holes is not what it takes here.
            end = tar.offset if member.issparse() else member.offset_data + member.size
            if member.isreg() and window.begin + end > window.end:
                raise tarfile.ReadError("it ends inside of a member")
            yield member
        window.seek(tar.offset)
        if any(window.read(_BLOCK_BYTES)):  # tarfile takes what is no header for the end
            raise tarfile.ReadError("no header where one is expected")
    except (tarfile.TarError, OverflowError) as error:
        raise ValueError(
            f"input={name!r} is damaged, cut short or no tar file: {error}. Expected one as it "
            "was published; fetch or make it again."
        ) from error


def objection(member: tarfile.TarInfo, parts: list[str], depth: int) -> str | None:
    """Says why a member is not taken; None where it is.

    Args:
      member: as the archive has it.
      parts: of its path.
      depth: folders that it would lie in, those of archives around this one too.
    """
    if depth > MOST_FOLDERS:
        return f"a path of {depth} folders; at most {MOST_FOLDERS} are taken"
    if member.name.startswith("/"):
        return "an absolute path"
    if ".." in parts:
        return "a path that leads out of the archive"
    if member.issym() or member.islnk():
        return "a link"
    if member.issparse():
        return "a file with holes"
    if not (member.isreg() or member.isdir()):
        return "a device or a pipe"
    return None if parts or member.isdir() else "a file without a name"
