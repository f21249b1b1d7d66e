"""The speed of a run. Nothing here changes a result."""

import time


class Timer:
    """Measures steps, laps between two log lines, and the time since the last checkpoint."""

    def __init__(self):
        """Starts without a measurement."""
        self._steps, self._seconds = 0, 0.0
        self._is_built = False

    def start(self, seen: int = 0) -> None:
        """Starts the clock, in a lap of which another process has seen so many examples."""
        self._started = self._lap_started = self._saved = time.monotonic()
        self._lap_waited, self._seen_before = 0.0, seen

    def has_measured(self) -> bool:
        """Tells whether there was a launch after the first."""
        return self._steps > 0

    def add(self, num_steps: int, seconds: float, waited: float | None) -> None:
        """Records a launch; the first one mostly builds the graph and does not count."""
        self._has_waits = waited is not None
        self._lap_waited += waited or 0.0
        if self._is_built:
            self._steps, self._seconds = self._steps + num_steps, self._seconds + seconds
        self._is_built = True

    def leave_out(self, seconds: float) -> None:
        """Subtracts time that was not training from the current lap."""
        self._lap_started += seconds

    def lap(self, seen: int) -> dict[str, float]:
        """Returns speed and waiting time since the last lap of `seen` examples; starts another."""
        now = time.monotonic()
        lasted = max(now - self._lap_started, 1e-9)
        line = {
            "time/seconds": now - self._started,
            "time/images_per_second": (seen - self._seen_before) / lasted,
            "time/data_wait": self._lap_waited / lasted if self._has_waits else None,
        }
        self._lap_started, self._lap_waited, self._seen_before = now, 0.0, 0
        return line

    def steps_per_second(self) -> float:
        """Computes the speed over all launches but the first; 1 before there is a second."""
        return self._steps / self._seconds if self._steps else 1.0

    def steps_in(self, seconds: float) -> int:
        """Computes how many steps last so long; at least 1."""
        return max(1, int(seconds * self.steps_per_second()))

    def seconds(self) -> float:
        """Returns the time since `start`."""
        return time.monotonic() - self._started

    def saved(self) -> None:
        """Records that a checkpoint was written."""
        self._saved = time.monotonic()

    def seconds_since_save(self) -> float:
        """Returns the time since the last checkpoint."""
        return time.monotonic() - self._saved
