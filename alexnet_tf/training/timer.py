"""How fast a run is. Nothing here decides a result."""

import time


class Timer:
    """Measures steps, laps between two log lines, and the time since the last checkpoint."""

    def __init__(self):
        """Nothing is measured yet."""
        self._steps, self._seconds = 0, 0.0
        self._is_built = False

    def start(self) -> None:
        """Begins to measure."""
        self._started = self._lap_started = self._saved = time.monotonic()
        self._lap_waited = 0.0

    def has_measured(self) -> bool:
        """Whether there was a launch beside the first."""
        return self._steps > 0

    def add(self, num_steps: int, seconds: float, waited: float | None) -> None:
        """Notes a launch; the first one is mostly the building of the graph and does not count."""
        self._has_waits = waited is not None
        self._lap_waited += waited or 0.0
        if self._is_built:
            self._steps, self._seconds = self._steps + num_steps, self._seconds + seconds
        self._is_built = True

    def leave_out(self, seconds: float) -> None:
        """Takes time that was not training out of the current lap."""
        self._lap_started += seconds

    def lap(self, seen: int) -> dict[str, float]:
        """Speed and waiting since the last lap."""
        now = time.monotonic()
        lasted = max(now - self._lap_started, 1e-9)
        line = {
            "time/seconds": now - self._started,
            "time/images_per_second": seen / lasted,
            "time/data_wait": self._lap_waited / lasted if self._has_waits else None,
        }
        self._lap_started, self._lap_waited = now, 0.0
        return line

    def steps_per_second(self) -> float:
        """Over all launches but the first; 1 before there is a second."""
        return self._steps / self._seconds if self._steps else 1.0

    def seconds(self) -> float:
        """Since the start of this process's part of the run."""
        return time.monotonic() - self._started

    def saved(self) -> None:
        """Notes that a checkpoint was written."""
        self._saved = time.monotonic()

    def seconds_since_save(self) -> float:
        """Since the last checkpoint."""
        return time.monotonic() - self._saved
