"""A progress bar on a terminal, and a plain line for each log event."""

import math
import os
import sys
import time
from typing import TextIO

# Tag without its first part, and how people read it. Errors are fractions in the line.
COLUMNS = {
    "loss": lambda x: f"loss {x:.4f}",
    "top1_error": lambda x: f"top-1 error {100 * x:5.2f} %",
    "top5_error": lambda x: f"top-5 error {100 * x:5.2f} %",
    "learning_rate": lambda x: f"lr {x:.3g}",
    "images_per_second": lambda x: f"{x:.1f} images/s",
    "data_wait": lambda x: f"data wait {100 * x:.1f} %",
    "skipped": lambda x: f"skipped {x}" if x else "",
}
REDRAW_SECONDS = 0.1
BAR_CELLS = 24
MIN_BAR_CELLS = 4
DEFAULT_WIDTH = 80  # where a terminal does not say


class Console:
    """A progress bar on a terminal, and a plain line for each log event everywhere.

    Args:
      num_steps: steps of the whole run.
      steps_per_epoch: need not be whole.
      start_step: shown until the first launch has ended, which takes long.
      stream: sys.stderr if None: standard output is for the last JSON line.
    """

    def __init__(
        self,
        num_steps: int,
        steps_per_epoch: float,
        start_step: int = 0,
        stream: TextIO | None = None,
    ):
        """Draws the first bar if there is a terminal."""
        self._num_steps = num_steps
        self._steps_per_epoch = steps_per_epoch
        self._stream = sys.stderr if stream is None else stream
        self._has_bar = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._bar = ""
        self._first = None  # step and time of the first launch: before it come tracing and filling
        self._drawn_at = -math.inf
        if self._has_bar:
            self._draw(start_step, ["preparing the first steps"])

    def write(self, line: dict) -> None:
        """Prints a log event, above the bar if there is one."""
        text = self._where(line["step"], line["epoch"]) + "  " + _words(line)
        if self._has_bar:
            self._stream.write(f"\r\x1b[K{text}\n{self._bar}")
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def progress(self, step: int, images_per_second: float, loss: float) -> None:
        """Redraws the bar; does nothing without a terminal."""
        if not self._has_bar:
            return
        now = time.monotonic()
        if self._first is None:
            self._first = (step, now)
        if now - self._drawn_at < REDRAW_SECONDS and step < self._num_steps:
            return
        self._drawn_at = now
        speed = f"{images_per_second:.1f} images/s"
        self._draw(step, [f"loss {loss:.4f}", speed, f"left {self._left(step, now)}"])

    def close(self) -> None:
        """Leaves the bar visible and ends its line."""
        if self._bar:
            self._stream.write("\n")
            self._stream.flush()
            self._bar = ""

    def _draw(self, step: int, words: list[str]) -> None:
        """Draws over the last bar; the bar proper fills the space next to the words, if any."""
        # One cell stays free: a full line would wrap, and "\r" would come back to its second half.
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns
        except OSError:  # it was closed meanwhile
            width = 0
        width = (width or DEFAULT_WIDTH) - 1
        parts = [self._where(step, step / self._steps_per_epoch), *words]
        cells = min(BAR_CELLS, width - len("  ".join([*parts, "[]"])))
        if cells >= MIN_BAR_CELLS:
            full = cells * step // self._num_steps
            parts.insert(1, "[" + "=" * full + " " * (cells - full) + "]")
        self._bar = "  ".join(parts)[:width]
        self._stream.write(f"\r{self._bar}\x1b[K")
        self._stream.flush()

    def _where(self, step: int, epoch: float) -> str:
        steps = len(str(self._num_steps))
        epochs = len(f"{self._num_steps / self._steps_per_epoch:.2f}")
        return f"step {step:{steps}d}  epoch {epoch:{epochs}.2f}"

    def _left(self, step: int, now: float) -> str:
        first_step, first_time = self._first
        if step == first_step:
            return "-:--:--"
        seconds = (self._num_steps - step) * (now - first_time) / (step - first_step)
        hours, rest = divmod(round(seconds), 3600)
        return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _words(line: dict) -> str:
    """Writes a line without step and epoch, as "train  loss 1.2345  top-1 error 43.21 %"."""
    values = {tag.partition("/")[2]: value for tag, value in line.items() if value is not None}
    columns = [COLUMNS[name](values[name]) for name in COLUMNS if name in values]
    kind = "eval " if any(tag.startswith("eval/") for tag in line) else "train"
    return "  ".join([kind, *filter(None, columns)])
