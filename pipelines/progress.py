"""How far a long piece of work has come, on standard error."""

import math
import os
import sys
import time
from typing import TextIO

REDRAW_SECONDS = 0.2
LINE_SECONDS = 30.0
CELLS = 24


class Progress:
    """One line that is drawn over itself on a terminal, a line every half minute elsewhere."""

    def __init__(self, what: str, stream: TextIO | None = None):
        """Begins.

        Args:
          what: the first word of each line, such as packed.
          stream: standard error unless another is given.
        """
        self._what, self._stream = what, stream or sys.stderr
        self._is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._first: tuple[int, float] | None = None
        self._shown_at = -math.inf

    def __call__(self, done: int, total: int) -> None:
        """Says how many examples of how many are done."""
        now = time.monotonic()
        if self._first is None:
            self._first = (done, now)
        pause = REDRAW_SECONDS if self._is_terminal else LINE_SECONDS
        if now - self._shown_at < pause and done < total:
            return
        self._shown_at = now
        text = self._text(done, total, now)
        self._stream.write(f"\r{text}\x1b[K" if self._is_terminal else f"{text}\n")
        if self._is_terminal and done == total:
            self._stream.write("\n")
        self._stream.flush()

    @property
    def first(self) -> int:
        """How many were done at the first call."""
        return self._first[0] if self._first else 0

    def _text(self, done: int, total: int, now: float) -> str:
        first, began = self._first
        speed = (done - first) / (now - began) if now > began else 0.0
        full = CELLS * done // max(total, 1)
        parts = [f"{self._what} {done:,} of {total:,}", f"[{'=' * full}{' ' * (CELLS - full)}]"]
        if speed:
            seconds = round((total - done) / speed)
            parts.append(f"{speed:.1f} images/s")
            parts.append(f"left {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}")
        return "  ".join(parts)
