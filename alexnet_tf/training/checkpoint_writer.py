"""Checkpoints written beside training, in a thread of their own, one after the other."""

import concurrent.futures
import pathlib
from collections.abc import Mapping

from numpy.typing import ArrayLike

from alexnet_tf.config.run import Config
from alexnet_tf.training import checkpoint


class CheckpointWriter:
    """Writes checkpoints while the caller goes on; use it in a `with`, which waits at its end.

    One is written at a time. What fails is raised once, by the call that comes next.

    Args:
      directory: the checkpoints of a run.
    """

    def __init__(self, directory: pathlib.Path):
        """Starts without anything to write."""
        self._directory = directory
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._writing: concurrent.futures.Future | None = None

    def __enter__(self) -> "CheckpointWriter":
        """Returns itself."""
        return self

    def __exit__(self, *unused) -> None:
        """Waits; a failure is raised even after another error, since it happened first."""
        with self._thread:
            self.wait()

    def save(
        self,
        arrays: Mapping[str, ArrayLike],
        config: Config,
        classes: tuple[str, ...],
        progress: dict,
        versions: dict,
        kept_epoch: int = 0,
    ) -> None:
        """Waits for the checkpoint before this one, and begins to write it.

        Args:
          arrays: what nobody changes any more, such as `TrainState.snapshot` returns.
          config: the run's settings.
          classes: names of the classes.
          progress: fields of `state.Progress` at that step.
          versions: of the programs and formats that write it.
          kept_epoch: the epoch that it stays for, as its end; 0 for none.

        Raises:
          RunFailed: the one before could not be written.
        """
        self.wait()
        self._writing = self._thread.submit(
            checkpoint.save,
            self._directory,
            arrays,
            config,
            classes,
            progress,
            versions,
            kept_epoch,
        )

    def mark_evaluated(self, progress: dict) -> None:
        """Adds what an evaluation found to the checkpoint of its step, once that is written.

        Raises:
          RunFailed: one of the two cannot be written.
        """
        self.wait()
        checkpoint.mark_evaluated(self._directory, progress)

    def check(self) -> None:
        """Raises what went wrong since the last call, without waiting.

        Raises:
          RunFailed: the last checkpoint could not be written.
        """
        if self._writing and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Waits until everything is written.

        Raises:
          RunFailed: the last checkpoint could not be written.
        """
        if self._writing:
            concurrent.futures.wait([self._writing])
            written, self._writing = self._writing, None
            written.result()
