"""The index beside a shard: where each of its records begins, and what is known of it unopened.

A file holds `MAGIC`, the number of records (uint64, as all numbers little-endian), one row of `ROW`
for each record, and then all names, one after another.
"""

import dataclasses
import hashlib
import os
from collections.abc import Sequence

import numpy as np

MAGIC = b"alexidx1"
"""The last character is the version of this format."""

ROW = np.dtype(
    [
        ("offset", "<u8"),  # of the record in the shard, in bytes
        ("num_bytes", "<u8"),  # of the file that the example was made of
        ("hash", "<u8"),  # of its name: data.held_out is compared with it
        ("label", "<i4"),
        ("name_end", "<u4"),  # where its name ends among all names of the shard, in bytes
    ]
)
_HEAD_BYTES = len(MAGIC) + 8
SUFFIX = ".index"
"""Follows the whole name of the shard."""


@dataclasses.dataclass(frozen=True)
class Index:
    """What a shard holds."""

    rows: np.ndarray
    """ROW [n], in the order of the records."""
    names: bytes
    """All names, one after another: paths as the file system encodes them."""

    def __len__(self) -> int:
        """Counts the records."""
        return len(self.rows)

    def name(self, place: int) -> str:
        """Names a record: "<class>/<file>", with "train/" or "val/" before it in a split set."""
        begin = int(self.rows["name_end"][place - 1]) if place else 0
        return os.fsdecode(self.names[begin : int(self.rows["name_end"][place])])


def make(
    offsets: Sequence[int], sizes: Sequence[int], labels: Sequence[int], names: Sequence[str]
) -> Index:
    """Makes an index of the records of one shard.

    Args:
      offsets: of each record in bytes, rising.
      sizes: of the files that the examples were made of, in bytes.
      labels: of the examples.
      names: of the examples, paths with "/" below the data set's folder.
    """
    encoded = [os.fsencode(name) for name in names]
    rows = np.empty(len(encoded), ROW)
    rows["offset"], rows["num_bytes"], rows["label"] = offsets, sizes, labels
    rows["hash"] = [name_hash(name) for name in encoded]
    rows["name_end"] = np.cumsum([len(name) for name in encoded], dtype=np.int64)
    return Index(rows, b"".join(encoded))


def name_hash(name: bytes) -> int:
    """Hashes "<class>/<file>" to 64 bits, evenly: what is below data.held_out * 2**64 is val."""
    return int.from_bytes(hashlib.sha256(name).digest()[:8])


def to_bytes(index: Index) -> bytes:
    """Makes the file of an index."""
    return MAGIC + len(index).to_bytes(8, "little") + index.rows.tobytes() + index.names


def from_bytes(contents: bytes) -> Index:
    """Reads the file of an index.

    Raises:
      ValueError: it is none, of a later version, or cut short.
    """
    rows = rows_from(contents)
    count = len(rows)
    names = contents[num_row_bytes(count) :]
    if len(names) != (int(rows["name_end"][-1]) if count else 0):
        raise ValueError(f"{len(contents)} bytes, which is not the length of {count} records")
    return Index(rows, names)


def num_row_bytes(count: int) -> int:
    """Counts the bytes from the beginning of a file to the end of its rows."""
    return _HEAD_BYTES + count * ROW.itemsize


def rows_from(contents: bytes) -> np.ndarray:
    """Reads the rows, ROW [n], of a file of which what follows them may be left out.

    Raises:
      ValueError: it is no index, of a later version, or cut short.
    """
    count = int.from_bytes(contents[len(MAGIC) : _HEAD_BYTES], "little")
    if not contents.startswith(MAGIC) or len(contents) < num_row_bytes(count):
        raise ValueError(f"{len(contents)} bytes that are no index of this version, or cut short")
    return np.frombuffer(contents, ROW, count, _HEAD_BYTES)
