"""metrics.jsonl: one JSON object for each log event."""

import json
import math
import os
from pathlib import Path

from alexnet_tf.errors import UserError, writing


class MetricsFile:
    """Appends one JSON object a line; equal values give equal text.

    Args:
      path: path of metrics.jsonl; made if missing.
      keep_bytes: the file is cut to this length first: its length at the checkpoint that the run
        is resumed from, 0 for a new run.

    Raises (each method):
      RunFailed: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike, keep_bytes: int):
        """Cuts the file and opens its end."""
        self._path = Path(path)
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < keep_bytes:
            raise UserError(
                f"{path} has {size} bytes, expected keep_bytes={keep_bytes} or more: it was cut or "
                "removed after the checkpoint. Put it back, or start again in a new run directory."
            )
        with writing(self._path):
            self._file = self._path.open("ab")
            self._file.truncate(keep_bytes)

    def write(self, line: dict) -> None:
        """Appends the line; NaN and infinities, which JSON cannot hold, become null."""
        text = json.dumps({key: _plain(value) for key, value in line.items()}, allow_nan=False)
        with writing(self._path):
            self._file.write(text.encode() + b"\n")
            self._file.flush()

    def progress(self, step: int, images_per_second: float, loss: float) -> None:
        """Does nothing: the file has log events only."""

    def flush(self) -> int:
        """Flushes what was written to the disk; returns its length in bytes."""
        with writing(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Closes the file."""
        with writing(self._path):
            self._file.close()


def _plain(value: object) -> object:
    """Converts a NumPy scalar to Python's, and a float that JSON lacks to None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
