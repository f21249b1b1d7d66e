"""Writes a shard of a packed set, its index, and what is known of it once it is complete."""

import contextlib
import dataclasses
import errno
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from pipelines import files
from pipelines.decode import last_words
from pipelines.packing.statistics import Sums
from pipelines.records import index
from pipelines.records.description import Shard, Undecoded
from pipelines.records.shards import FRAME_BYTES, HEAD_BYTES, place_of_picture

PARTIAL = ".partial"
"""Ends the name of the file that says what is known of a shard: the last that is written."""


class ShardWriter:
    """Writes one shard, under another name until it is complete."""

    def __init__(self, folder: pathlib.Path, name: str, sums: Sums | None):
        """Opens the file.

        Args:
          folder: where it goes.
          name: of the shard.
          sums: where squares are added to; None where they are not counted.
        """
        self._place, self.sums = folder / name, sums
        self._unfinished = folder / f".{name}"
        self._columns: list[tuple[int, int, int, str]] = []
        self._squares: list[tuple[int, int]] = []
        self._offset = 0
        self.undecoded: list[Undecoded] = []
        with writing(self._place):
            self._writer = tf.io.TFRecordWriter(os.fsencode(self._unfinished))

    def add(
        self, record: bytes, num_bytes: int, label: int, name: str, fingerprint: int | None = None
    ) -> None:
        """Adds a record and its line in the index.

        Args:
          record: a serialized example.
          num_bytes: of the file that it was made of.
          label: of the example.
          name: of the example.
          fingerprint: of its square where squares are stored; 0 for what has none.

        Raises:
          OSError: the disk does not take it.
        """
        self._columns.append((self._offset, num_bytes, label, name))
        if fingerprint is not None:
            place = self._offset + HEAD_BYTES + place_of_picture(record) if fingerprint else 0
            self._squares.append((place, fingerprint % 2**64))
        self._offset += len(record) + FRAME_BYTES
        with writing(self._place):
            self._writer.write(record)

    def finish(self) -> None:
        """Brings shard, index and what is known of it to the disk.

        Raises:
          OSError: the disk does not take it.
        """
        with writing(self._place):
            self._writer.close()
            shard_digest, num_bytes = _synced(self._unfinished)
            if num_bytes != self._offset:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self._unfinished.rename(self._place)
            columns = zip(*self._columns, strict=True)
            rows = index.to_bytes(index.make(*columns, squares=self._squares or None))
            files.write_bytes(self._beside(index.SUFFIX), rows)
            shard = Shard(
                name=self._place.name,
                num_examples=len(self._columns),
                num_bytes=num_bytes,
                sha256=shard_digest,
                index_sha256=hashlib.sha256(rows).hexdigest(),
            )
            files.write_bytes(self._beside(PARTIAL), self._partial(shard))

    def _partial(self, shard: Shard) -> bytes:
        undecoded = [dataclasses.asdict(one) for one in self.undecoded]
        about = {"shard": dataclasses.asdict(shard), "undecoded": undecoded}
        contents = io.BytesIO()
        arrays = self.sums.to_arrays() if self.sums else {}
        np.savez(contents, about=np.array(json.dumps(about)), **arrays)
        return contents.getvalue()

    def _beside(self, suffix: str) -> pathlib.Path:
        return self._place.with_name(self._place.name + suffix)


def _synced(path: pathlib.Path) -> tuple[str, int]:
    """Brings a file to the disk; returns its SHA-256 and its length."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return digest, file.tell()


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Turns what the system and TensorFlow say of a file that is written into one sentence."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        is_ours = isinstance(error, OSError)
        reason = (error.strerror or error) if is_ours else last_words(error)
        raise OSError(
            f"{str(path)!r} could not be written: {reason}. Make room or permit writing, and run "
            "the same command again: it goes on from here."
        ) from error
