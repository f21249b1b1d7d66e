"""The index beside a shard: where each of its records begins, and what is known of it unopened.

A file holds its magic, the number of records (uint64, as all numbers little-endian), one row for
each record, and then all names, one after another. The magic's last character is the version of the
format, which decides what is in a row: 1 has `ROW`, 2 `RAW_ROW`.
"""

import dataclasses
import hashlib
import os
from collections.abc import Sequence

import numpy as np

ROW = np.dtype(
    [
        ("offset", "<u8"),  # of the record in the shard, in bytes
        ("num_bytes", "<u8"),  # of the file that the example was made of
        ("hash", "<u8"),  # of its name: data.held_out is compared with it
        ("label", "<i4"),
        ("name_end", "<u4"),  # where its name ends among all names of the shard, in bytes
    ]
)
"""Of pictures in files of their own formats."""

RAW_ROW = np.dtype(
    ROW.descr
    + [
        ("square", "<u8"),  # where its levels begin in the shard, in bytes; 0 where it has none
        ("fingerprint", "<u8"),  # of the levels, as tf.fingerprint makes it
    ]
)
"""Of raw squares, which are read without their records."""

_VERSIONS = {b"alexidx1": ROW, b"alexidx2": RAW_ROW}
_MAGIC_BYTES = 8
_HEAD_BYTES = _MAGIC_BYTES + 8
SUFFIX = ".index"
"""Follows the whole name of the shard."""


@dataclasses.dataclass(frozen=True)
class Index:
    """What a shard holds."""

    rows: np.ndarray
    """ROW [n], or RAW_ROW, in the order of the records."""
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
    offsets: Sequence[int],
    sizes: Sequence[int],
    labels: Sequence[int],
    names: Sequence[str],
    squares: Sequence[tuple[int, int]] | None = None,
) -> Index:
    """Makes an index of the records of one shard.

    Args:
      offsets: of each record in bytes, rising.
      sizes: of the files that the examples were made of, in bytes.
      labels: of the examples.
      names: of the examples, paths with "/" below the data set's folder.
      squares: of raw squares, where each begins and its fingerprint.
    """
    encoded = [os.fsencode(name) for name in names]
    rows = np.empty(len(encoded), ROW if squares is None else RAW_ROW)
    rows["offset"], rows["num_bytes"], rows["label"] = offsets, sizes, labels
    rows["hash"] = [name_hash(name) for name in encoded]
    rows["name_end"] = np.cumsum([len(name) for name in encoded], dtype=np.int64)
    if squares is not None:
        rows["square"], rows["fingerprint"] = np.array(squares, np.uint64).reshape(-1, 2).T
    return Index(rows, b"".join(encoded))


def name_hash(name: bytes) -> int:
    """Hashes "<class>/<file>" to 64 bits, evenly: what is below data.held_out * 2**64 is val."""
    return int.from_bytes(hashlib.sha256(name).digest()[:8])


def squares(rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Finds raw squares: where each begins in the shard, -1 where there is none, and fingerprints.

    Returns:
      int64 [n], twice; nothing at all of rows without squares.
    """
    if rows.dtype == ROW:
        return ()
    places = rows["square"].astype(np.int64)
    return np.where(places > 0, places, -1), rows["fingerprint"].astype(np.int64)


def to_bytes(index: Index) -> bytes:
    """Makes the file of an index."""
    magic = next(magic for magic, row in _VERSIONS.items() if row == index.rows.dtype)
    return magic + len(index).to_bytes(8, "little") + index.rows.tobytes() + index.names


def from_bytes(contents: bytes) -> Index:
    """Reads the file of an index.

    Raises:
      ValueError: it is none, of a later version, or cut short.
    """
    rows = rows_from(contents)
    names = contents[_HEAD_BYTES + rows.nbytes :]
    if len(names) != (int(rows["name_end"][-1]) if len(rows) else 0):
        raise ValueError(f"{len(contents)} bytes, which is not the length of {len(rows)} records")
    return Index(rows, names)


def most_row_bytes(count: int) -> int:
    """Counts the bytes from the beginning of a file to the end of its rows, in any version."""
    return _HEAD_BYTES + count * max(row.itemsize for row in _VERSIONS.values())


def rows_from(contents: bytes) -> np.ndarray:
    """Reads the rows, ROW or RAW_ROW [n], of a file of which what follows them may be left out.

    Raises:
      ValueError: it is no index, of a later version, or cut short.
    """
    row = _VERSIONS.get(contents[:_MAGIC_BYTES])
    count = int.from_bytes(contents[_MAGIC_BYTES:_HEAD_BYTES], "little")
    if row is None or len(contents) < _HEAD_BYTES + count * row.itemsize:
        raise ValueError(f"{len(contents)} bytes that are no index of this version, or cut short")
    return np.frombuffer(contents, row, count, _HEAD_BYTES)
