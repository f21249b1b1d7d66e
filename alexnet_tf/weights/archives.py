"""Zip archives: their entries, and any range of an entry's bytes."""

import dataclasses
import io
import os
import pathlib
import struct
import zipfile
import zlib
from typing import BinaryIO

STORED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways to store an entry that are read: those of NumPy and PyTorch. Others grow without a limit."""
HEADER, MARK = struct.Struct("<4s22xHH"), b"PK\3\4"
"""Of an entry, before its name; what it begins with."""
MOST_ENTRIES = 50_000
CHUNK_BYTES = 2**23
"""Read at once at most; so long may the list of entries be too."""


class _Chunks(io.FileIO):
    """A file that reads at most CHUNK_BYTES at once, whatever its list of entries says."""

    def read(self, size: int = -1) -> bytes:
        if size > CHUNK_BYTES:
            raise ValueError(f"a list of entries of {size:,} bytes")
        return super().read(size)


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One entry of an archive, as Contents."""

    path: pathlib.Path
    """The archive."""
    info: zipfile.ZipInfo
    """Its place in the archive."""

    @property
    def length(self) -> int:
        """Number of unpacked bytes, as the archive says."""
        return self.info.file_size

    @property
    def packed(self) -> int:
        """Number of packed bytes, at most the size of the archive."""
        return min(self.info.compress_size, os.path.getsize(self.path))

    def read(self, first: int, num_bytes: int) -> bytearray:
        """Reads a range of unpacked bytes; checks the checksum if the range is all of them.

        Raises:
          EOFError: the entry ends earlier.
          ValueError: the compression is not supported.
        """
        if self.info.compress_type not in STORED:
            raise ValueError(f"an entry packed by method {self.info.compress_type}")
        contents = bytearray(num_bytes)
        with open(self.path, "rb") as file:
            _seek_contents(file, self.info)  # a ZipFile would read the list of all entries again
            with zipfile.ZipExtFile(file, "r", self.info) as entry:
                if first < CHUNK_BYTES:  # a seek would switch the checksum off
                    entry.read(first)
                else:
                    entry.seek(first)
                for start in range(0, num_bytes, CHUNK_BYTES):
                    part = memoryview(contents)[start : start + CHUNK_BYTES]
                    if entry.readinto(part) != len(part):
                        raise EOFError("it ends inside of an array")
        return contents

    def go_to(self, file: BinaryIO) -> None:
        """Moves the open archive to the entry's first byte, to be read in place.

        Raises:
          ValueError: the entry is compressed, or damaged.
        """
        if self.info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"a packed entry of {self.length:,} bytes")
        _seek_contents(file, self.info)
        start, checksum, left = file.tell(), 0, self.length
        while part := file.read(min(CHUNK_BYTES, left)):
            checksum, left = zlib.crc32(part, checksum), left - len(part)
        if left or checksum != self.info.CRC:
            raise ValueError("an entry with another checksum")
        file.seek(start)


def _seek_contents(file: BinaryIO, info: zipfile.ZipInfo) -> None:
    """Moves to the start of an entry's contents, behind its own header, name and extras."""
    file.seek(info.header_offset)
    mark, name_bytes, extra_bytes = HEADER.unpack(file.read(HEADER.size))
    if mark != MARK:
        raise ValueError("an entry that does not begin where the list of entries says")
    file.seek(name_bytes + extra_bytes, os.SEEK_CUR)


def entries(path: pathlib.Path) -> dict[str, Entry]:
    """Lists the entries of an archive by name.

    Raises:
      Exception: of several kinds, if it is not an archive or a damaged one.
    """
    with _Chunks(path) as file, zipfile.ZipFile(file) as archive:
        found = archive.infolist()
    if len(found) > MOST_ENTRIES:
        raise ValueError(f"{len(found):,} entries, expected up to {MOST_ENTRIES:,}")
    return {info.filename: Entry(path, info) for info in found}
