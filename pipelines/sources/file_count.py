"""A line on standard error where folders are so large that opening them takes a while."""

import sys
import time

MANY_FILES = 100_000
"""From so many on a folder takes a while to open, and is better packed."""
_SAY_SECONDS = 5


class FileCount:
    """Says what takes long, and how far it is.

    Args:
      doing: what, as it stands in the line.
    """

    def __init__(self, doing: str):
        """Has said nothing yet."""
        self._doing, self._num_files, self._said_at = doing, 0, -_SAY_SECONDS

    def add(self, num_files: int) -> None:
        """Counts files that are done."""
        self._num_files += num_files
        if self._num_files >= MANY_FILES and time.monotonic() - self._said_at >= _SAY_SECONDS:
            self._said_at = time.monotonic()
            line = f"{self._doing}; {self._num_files:,} files so far"
            print(line, file=sys.stderr, flush=True)
