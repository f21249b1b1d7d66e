"""The learning rate of every step, as plain arithmetic. Imports no TensorFlow.

Only the plateau schedule has a state, which checkpoints store.
"""

import dataclasses
import math
from collections.abc import Callable

from alexnet_tf.config.optimizer import OptimizerConfig, Schedule

AUTO2012_BASE, AUTO2012_PIECES = 250.0, 4
"""The later runs of 2012: three drops by 250 ** (1 / 3) = 6.30 (cuda-convnet2 wiki, dexp)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plateau:
    """The state of the plateau schedule between evaluations."""

    drops: int = 0
    """How often the rate was divided."""
    best_error: float = 1.0
    """Error of the best evaluation, a fraction."""
    waited: int = 0
    """Evaluations since the last best error."""

    def __post_init__(self):
        """Refuses values of other types; before 0.1.0 the first best error was infinity."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value) is not type(field.default) or not value >= 0:
                raise ValueError(f"plateau.{field.name}={value!r}, expected {field.type.__name__}")

    def after(self, error: float, config: OptimizerConfig) -> "Plateau":
        """Returns the state after an evaluation with `error`, a fraction (paper, section 5)."""
        if error < self.best_error:
            return dataclasses.replace(self, best_error=error, waited=0)
        if self.waited + 1 >= config.patience_epochs and self.drops < config.max_drops:
            return dataclasses.replace(self, drops=self.drops + 1, waited=0)
        return dataclasses.replace(self, waited=self.waited + 1)


def needs_length(schedule: Schedule) -> bool:
    """Tells whether a schedule depends on the run's length; such a run cannot be extended."""
    return schedule in (Schedule.COSINE, Schedule.AUTO2012, Schedule.RANGE)


def learning_rate(
    config: OptimizerConfig,
    step: int,
    num_steps: int,
    epoch_of: Callable[[int], float],
    plateau: Plateau,
) -> float:
    """Computes the learning rate of one step.

    Args:
      config: base rate and schedule.
      step: number of the step, from 1.
      num_steps: steps of the whole run.
      epoch_of: the passes over the training set that are done after a step; rounded once, so that
        an epoch that is over is a whole number.
      plateau: state of the plateau schedule; other schedules ignore it.
    """
    done = step - 1  # updates that lie behind
    epoch = epoch_of(done)
    rate = config.learning_rate
    if config.schedule == Schedule.STEP:
        drops = sum(epoch >= drop for drop in config.drop_epochs)
        rate = _dropped(rate, config.drop_factor, drops)
    elif config.schedule == Schedule.PLATEAU:
        rate = _dropped(rate, config.drop_factor, plateau.drops)
    elif config.schedule == Schedule.AUTO2012:
        piece = min(done * AUTO2012_PIECES // num_steps, AUTO2012_PIECES - 1)
        rate /= AUTO2012_BASE ** (piece / (AUTO2012_PIECES - 1))
    elif config.schedule == Schedule.COSINE:
        rate *= 0.5 * (1 + math.cos(math.pi * done / num_steps))
    elif config.schedule == Schedule.RANGE:
        rate *= config.drop_factor ** (done / max(num_steps - 1, 1) - 1)
    if epoch < config.warmup_epochs:
        rate *= min(1.0, step / (config.warmup_epochs / epoch_of(1)))
    return rate


def _dropped(rate: float, factor: float, drops: int) -> float:
    """Divides a rate so often; what is beyond a float ends at 0, or at infinity if it rises."""
    try:
        return rate / factor**drops
    except (OverflowError, ZeroDivisionError):
        return 0.0 if factor > 1 else math.inf
