"""An experiment as data: rows of changed settings, what is measured, what is claimed.

No TensorFlow.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from alexnet_tf.config.fields import replaced, settings_of
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError

GRID_SEED = 1000
"""Seed of the runs that only choose a learning rate; the seeds proper begin with 0."""

_PATHS = {setting.name: setting.path for setting in settings_of(Config)}


class Size(enum.StrEnum):
    """How large an experiment is."""

    BENCH = "bench"
    FULL = "full"


class Measure(enum.StrEnum):
    """What is compared."""

    TOP1_ERROR = "top1_error"
    EPOCHS_TO = "epochs_to"


class Direction(enum.StrEnum):
    """What a row's measure is claimed to be, beside the first row's."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """What somebody said about a row, compared with the first row."""

    sentence: str
    source: str
    """Who, and in which section."""
    direction: Direction | None = None
    """None where nothing is claimed that this row could show."""
    published: float | None = None
    """Published difference of the validation errors, this row's less the first's, a fraction; of
    epochs to an error their ratio. None where no number was published."""
    is_least: bool = False
    """Whether `published` is a bound, as in "over 1 %"."""
    published_train: float | None = None
    """The same of the training errors."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table."""

    name: str
    """Also that of a folder."""
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """New values by the name of the setting, as on the command line, or network.layers."""
    rates: tuple[float, ...] = ()
    """Learning rates of which the best is chosen first; empty where the rate is a setting."""
    claim: Claim | None = None

    @property
    def tries(self) -> tuple["Row", ...]:
        """The runs that choose a learning rate, in their order."""
        return tuple(
            Row(name=f"{self.name}_{rate:g}", changes=self.with_rate(rate).changes)
            for rate in self.rates
        )

    def with_rate(self, rate: float) -> "Row":
        """Copies the row with a learning rate."""
        changes = {**self.changes, "optimizer.learning_rate": rate}
        return dataclasses.replace(self, changes=changes, rates=())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """A table of rows that differ from a base in a few settings each."""

    name: str
    title: str
    base: Config
    rows: tuple[Row, ...]
    """The first is what the others are compared with."""
    minutes: float | None
    """What a row costs in float32 on 2 cores, about; None where that was not measured."""
    source: str = "folder:imagenette-224"
    """The set that `minutes` is for."""
    measure: Measure = Measure.TOP1_ERROR
    reached: float = 0.25
    """Of Measure.EPOCHS_TO: the training error that ends a run."""
    has_train_error: bool = False
    """Whether the training pictures are classified too, without augmentation."""
    note: str = ""
    """What is not as in the paper, and why."""

    def config(self, row: Row, seed: int, run_dir: str, num_steps: int = 0) -> Config:
        """Makes the settings of one run.

        Args:
          row: one of `rows`, or of their tries.
          seed: of the run.
          run_dir: where it lives.
          num_steps: its length, the same for all rows; 0 leaves that to the base's epochs.

        Raises:
          ValueError: the settings are refused.
        """
        values = {_PATHS[name]: value for name, value in row.changes.items()}
        values |= {("run", "seed"): seed, ("run", "run_dir"): run_dir}
        if num_steps:
            values |= {("run", "steps"): num_steps, ("run", "epochs"): 0.0}
        return replaced(self.base, values)

    def num_steps(self, num_examples: int) -> int:
        """Computes the steps of every row, from the number of examples that the base trains on.

        Raises:
          UserError: they are too few for what is measured.
        """
        steps, window = self.base.num_steps(num_examples), self.base.run.log_every_steps
        if self.measure == Measure.EPOCHS_TO and steps < 2 * window:
            raise UserError(
                f"epochs={self.base.run.epochs:g}: expected 2 windows of {window} steps or more, "
                f"between which an error is reached, but {num_examples:,} training pictures make "
                f"{steps} steps. Take more epochs, or a larger set."
            )
        return steps
