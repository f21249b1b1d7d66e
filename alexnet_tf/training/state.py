"""The whole state of a run: what it needs to be resumed after a kill as if undisturbed."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import (
    Weight,
    assign,
    compute_dtype,
    freeze,
    named_weights,
    statistics,
)
from alexnet_tf.networks.towers import Joined, TwoTowers
from alexnet_tf.training import optimizer
from alexnet_tf.training.schedules import Plateau
from alexnet_tf.training.selection import frozen_layers
from alexnet_tf.training.strategy import tower_devices
from pipelines import host
from pipelines.dataset import DRAW_VERSIONS
from pipelines.typed import Typed

FIRST_LOSS_SCALE = 2.0**15
"""Of float16 training; it doubles after 2,000 good steps and halves after a bad one."""


@dataclasses.dataclass
class Progress(Typed):
    """How far a run has come: plain numbers, stored in a checkpoint as JSON."""

    step: int = 0
    """Number of updates done; the next step is step + 1."""
    evaluated_step: int = 0
    """The last step that was evaluated."""
    sums: tuple[float, ...] = ()
    """The task's counts since the last line of training metrics."""
    seen: int = 0
    """Examples trained on since the start."""
    skipped: int = 0
    """Examples left out since the start because they could not be decoded."""
    best_step: int = 0
    """Step of the best evaluation, 0 before the first."""
    best_error: float = 1.0
    """Its error, a fraction: the task's figure of `best_when_low`."""
    improved_step: int = 0
    """Step of the best evaluation at the end of an epoch, 0 before the first."""
    improved_error: float = 1.0
    """The error of this evaluation."""
    evaluation: dict | None = None
    """What the last evaluation found, None before the first."""
    plateau: Plateau = Plateau()
    loss_scale: float = FIRST_LOSS_SCALE
    good_steps: int = 0
    """Steps since the loss scale last changed."""
    metrics_bytes: int = 0
    """Length of metrics.jsonl when this was stored."""
    served_shift: int = 0
    """How far a tf.data service's stream is ahead of the examples trained on: each stop moves it
    back to the start of its epoch. Runs of before 2026-11-29 do not say."""

    def __post_init__(self):
        """Refuses impossible values, which a damaged file may have."""
        super().__post_init__()
        self.at_least(0, "step", "evaluated_step", "seen", "skipped", "best_step", "good_steps")
        self.at_least(0, "metrics_bytes", "best_error", "loss_scale")
        self.at_least(0, "improved_step", "improved_error")

    def served_position(self, position: int) -> int:
        """Finds the place in a service's stream after so many examples."""
        return position + self.served_shift

    def begin_epoch_anew(self, position: int, num_examples: int) -> int:
        """Moves a service's stream to the start of the epoch that was interrupted.

        Returns:
          the place of the next example, a multiple of `num_examples`.
        """
        place = self.served_position(position) // num_examples * num_examples
        self.served_shift = place - position
        return place

    def evaluated(self, result: dict, error: float, is_scheduled: bool) -> None:
        """Takes down what an evaluation of this step found.

        Args:
          result: all its figures.
          error: the one by which evaluations are compared; the lowest is best.
          is_scheduled: whether a run of any length is evaluated here.
        """
        self.evaluated_step, self.evaluation = self.step, result
        if is_scheduled and (not self.improved_step or error < self.improved_error):
            self.improved_step, self.improved_error = self.step, error
        if not self.best_step or error < self.best_error:
            self.best_step, self.best_error = self.step, error

    def to_json(self) -> dict[str, Any]:
        """Makes a dict that `json.dumps` takes."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Progress":
        """Reads what `to_json` wrote.

        Raises:
          KeyError, TypeError, ValueError: these are not the fields of a Progress.
        """
        plateau, sums = Plateau(**values["plateau"]), tuple(values["sums"])
        # Files of before knew the best of all evaluations alone.
        improved = {f"improved_{what}": values[f"best_{what}"] for what in ("step", "error")}
        return cls(**improved | values | {"plateau": plateau, "sums": sums})


class TrainState:
    """The network, its optimizer, the progress and the versions of draws of one run."""

    def __init__(self, config: Config, strategy: tf.distribute.Strategy):
        """Builds the network and all slots of the optimizer inside the strategy's scope."""
        dtype = compute_dtype(config.run.precision)
        has_towers = config.run.towers == 2
        # A strategy's scope would put the variables of both towers on one device.
        with contextlib.nullcontext() if has_towers else strategy.scope():
            if has_towers:
                devices = tower_devices(config.run)
                self.model = TwoTowers(config.network, devices, config.run.seed, dtype)
            else:
                self.model = alexnet(config.network, config.run.seed, dtype)
            freeze(self.model, frozen_layers(config))
            self.optimizer = optimizer.optimizer(config.optimizer)
            self.optimizer.build(self.model.trainable_variables)
            self.optimizer.average_too(statistics(self.model))
        self.progress = Progress()
        self.draw_versions = DRAW_VERSIONS  # a resumed run keeps its own

    def arrays(self) -> dict[str, np.ndarray]:
        """Reads weights and slots by name: `conv1/kernel`, `conv1/kernel/momentum`, ...

        A frozen layer has no slots. The arrays cannot be written to.
        """
        return {name: np.asarray(held) for name, held in self.snapshot().items()}

    def snapshot(self) -> dict[str, tf.Tensor | Joined]:
        """Takes hold of what `arrays` would read, for `np.asarray` later, in any thread.

        On a CPU that is done in milliseconds: before a variable changes, TensorFlow copies it if
        anything else holds its numbers (TF 2.21). From a GPU all are copied now. They take up
        memory until the last reference is gone.
        """
        with host.kept():
            return {name: _held(variable) for name, variable in self.variables().items()}

    def assign(self, arrays: dict[str, np.ndarray]) -> None:
        """Sets every weight and slot.

        Until 2026-11-28 batch normalization's statistics had no averages: they begin as they are.

        Raises:
          ValueError: a name or a shape does not match.
        """
        variables, trained = self.variables(), named_weights(self.model, is_trained=True)
        statistics = {name for name in arrays if f"{name}/average" in variables} - trained.keys()
        begun = {f"{name}/average": arrays[name] for name in statistics}
        assign(variables, begun | arrays)

    def begin(self) -> None:
        """Prepares for the next step: updates are counted from `progress`, averages are there."""
        self.optimizer.iterations.assign(self.progress.step)
        if not self.progress.step:
            variables = self.variables()
            for name, average in variables.items():
                if name.endswith("/average"):
                    average.assign(np.asarray(_held(variables[name.removesuffix("/average")])))

    def variables(self) -> dict[str, Weight]:
        """Lists weights and slots by name, as `arrays` does."""
        weights, trained = named_weights(self.model), self.model.trainable_variables
        slots = {
            slot: dict(zip(map(id, trained), every, strict=True))
            for slot, every in self.optimizer.slots.items()
        }
        means = {id(variable): mean for variable, mean in self.optimizer.statistics}
        slots["average"] = slots.get("average", {}) | means
        found = dict(weights)
        for slot, of in slots.items():
            for name, weight in weights.items():
                is_joined = isinstance(weight, Joined)
                parts = weight.parts if is_joined else [weight]
                if id(parts[0]) in of:  # of two towers, both are or neither
                    parts = [of[id(part)] for part in parts]
                    found[f"{name}/{slot}"] = Joined(parts) if is_joined else parts[0]
        return found

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Gives the network the averages of its weights inside, where it has any."""
        variables, raw = self.variables(), self.snapshot()
        averages = {name: f"{name}/average" for name in raw if f"{name}/average" in raw}
        for name, average in averages.items():
            variables[name].assign(np.asarray(raw[average]))
        try:
            yield
        finally:
            for name in averages:
                variables[name].assign(np.asarray(raw[name]))


def evaluate(state: TrainState, evaluator: Callable[[], dict | None]) -> dict | None:
    """Evaluates the network of a run: the averages of its weights, where it has any, and both.

    Args:
      state: of the run.
      evaluator: returns the network's figures by name, or None where it was stopped.

    Returns:
      What it returned; of averages, with the figures of the weights themselves as `raw_...`.
    """
    raw = evaluator()
    if raw is None or "average" not in state.optimizer.slots:
        return raw
    with state.averaged():
        found = evaluator()
    beside = {f"raw_{name}": raw[name] for name in raw if name not in ("seen", "skipped")}
    return found and found | beside


def _held(weight: Weight) -> tf.Tensor | Joined:
    """Reads a weight without a copy; of two halves, both."""
    if isinstance(weight, Joined):
        return Joined([tf.identity(part.value) for part in weight.parts])
    return tf.identity(weight.value)
