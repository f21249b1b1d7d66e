"""Zip archives: their list of entries, and of an entry as many bytes as are asked for."""

import dataclasses
import io
import os
import pathlib
import zipfile

STORED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways to store an entry that are read: those of NumPy and PyTorch. Others grow without a limit."""
MOST_ENTRIES = 50_000
CHUNK_BYTES = 2**23
"""Read at once at most; so long may the list of entries be too."""


class _Chunks(io.FileIO):
    """A file that gives no more than CHUNK_BYTES at once, whatever its list of entries says."""

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
    """Where it stands there."""

    @property
    def length(self) -> int:
        """Number of bytes once it is unpacked, as the archive says."""
        return self.info.file_size

    @property
    def packed(self) -> int:
        """Number of bytes in the archive, which cannot be more than it has."""
        return min(self.info.compress_size, os.path.getsize(self.path))

    def read(self, first: int, num_bytes: int) -> bytearray:
        """Reads some of them; the checksum is looked at where these are all.

        Raises:
          EOFError: it ends before.
          ValueError: it is packed in another way.
        """
        if self.info.compress_type not in STORED:
            raise ValueError(f"an entry packed by method {self.info.compress_type}")
        contents = bytearray(num_bytes)
        with _Chunks(self.path) as file, zipfile.ZipFile(file) as archive:
            with archive.open(self.info) as entry:
                if first < CHUNK_BYTES:  # a seek would switch the checksum off
                    entry.read(first)
                else:
                    entry.seek(first)
                for start in range(0, num_bytes, CHUNK_BYTES):
                    part = memoryview(contents)[start : start + CHUNK_BYTES]
                    if entry.readinto(part) != len(part):
                        raise EOFError("it ends inside of an array")
        return contents


def entries(path: pathlib.Path) -> dict[str, Entry]:
    """Lists the entries of an archive by name.

    Raises:
      Exception: of several kinds, where it is none or a damaged one.
    """
    with _Chunks(path) as file, zipfile.ZipFile(file) as archive:
        found = archive.infolist()
    if len(found) > MOST_ENTRIES:
        raise ValueError(f"{len(found):,} entries, expected up to {MOST_ENTRIES:,}")
    return {info.filename: Entry(path, info) for info in found}
