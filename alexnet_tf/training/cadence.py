"""When something is due, and at which rate: arithmetic of steps, from 1, and epochs, from 0."""

import dataclasses

from alexnet_tf.config.run import Config
from alexnet_tf.training import schedules
from alexnet_tf.training.schedules import Plateau
from alexnet_tf.training.state import Progress
from pipelines.order import last_step_of_epoch


@dataclasses.dataclass(frozen=True)
class Cadence:
    """At which steps a run logs, evaluates and ends."""

    config: Config
    """The run's settings."""
    num_examples: int
    """Of the training set."""

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.num_steps(self.num_examples)

    def epoch_of(self, step: int) -> float:
        """Computes the passes over the training set that are done after a step."""
        return step * self.config.run.global_batch_size / self.num_examples

    def epochs_done(self, step: int) -> int:
        """Counts the epochs completed by a step; the next has this number, from 0."""
        return step * self.config.run.global_batch_size // self.num_examples

    def next_event(self, step: int) -> int:
        """Finds the next step after which a log line or an evaluation is due."""
        every = self.config.run.log_every_steps
        return min((step // every + 1) * every, self._epoch_end_after(step), self.num_steps)

    def ends_epoch(self, step: int) -> bool:
        """Tells whether a step completes an epoch."""
        return step > 0 and self._epoch_end_after(step - 1) == step

    def is_scheduled(self, step: int) -> bool:
        """Tells whether a run is evaluated after this step, whatever its length."""
        if not self.ends_epoch(step):
            return False
        every = self.config.run.evaluate_every_epochs  # a step may complete several epochs
        return self.epochs_done(step) // every > self.epochs_done(step - 1) // every

    def kept_epoch(self, step: int) -> int:
        """Finds the last epoch of `keep_epochs` that a step completes, 0 where there is none."""
        before, now = self.epochs_done(step - 1), self.epochs_done(step)
        return max((x for x in self.config.run.keep_epochs if before < x <= now), default=0)

    def num_still_to_keep(self, step: int) -> int:
        """Counts the epochs of `keep_epochs` that the run completes after a step."""
        done, end = self.epochs_done(step), self.epochs_done(self.num_steps)
        return sum(done < x <= end for x in set(self.config.run.keep_epochs))

    def is_finished(self, progress: Progress) -> bool:
        """Tells whether a run is at its end."""
        is_evaluated = progress.evaluated_step == progress.step
        is_at_end = progress.step >= self.num_steps and is_evaluated
        return is_at_end or self.has_stalled(progress)

    def has_stalled(self, progress: Progress) -> bool:
        """Tells whether `stop_after_stalled_epochs` ends a run at the last evaluation."""
        step, patience = progress.step, self.config.run.stop_after_stalled_epochs
        is_asked = patience and progress.evaluated_step == step < self.num_steps
        waited = self.epochs_done(step) - self.epochs_done(progress.improved_step)
        return bool(is_asked and self.is_scheduled(step) and waited >= patience)

    def learning_rate(self, step: int, plateau: Plateau) -> float:
        """Computes the learning rate of a step."""
        return self.config.rate_factor * schedules.learning_rate(
            self.config.optimizer, step, self.num_steps, self.epoch_of, plateau
        )

    def _epoch_end_after(self, step: int) -> int:
        """Finds the first step after `step` that completes an epoch."""
        batch_size = self.config.run.global_batch_size
        return last_step_of_epoch(self.epochs_done(step), self.num_examples, batch_size)
