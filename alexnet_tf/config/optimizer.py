"""The update rule and the learning rate: settings, frozen and checked. No TensorFlow."""

import dataclasses
import enum
import math

from pipelines.typed import Typed

PAPER_BATCH = 128
"""Examples in a batch of the paper (section 5)."""


class Schedule(enum.StrEnum):
    """How the learning rate changes during a run."""

    STEP = "step"
    PLATEAU = "plateau"
    AUTO2012 = "auto2012"
    COSINE = "cosine"
    CONSTANT = "constant"
    RANGE = "range"


SLOTS = ("momentum", "second_moment", "average")
"""Last parts of the names of arrays that a checkpoint has beside a weight."""


def is_slot(name: str) -> bool:
    """Tells whether an array of a checkpoint is no weight, but kept beside one."""
    return name.rpartition("/")[2] in SLOTS


MOST_KEPT = 0.999999
"""Of a mean at each step: float32 takes what is nearer to 1 for 1."""


class Rule(enum.StrEnum):
    """How a gradient changes a weight."""

    PAPER = "paper"
    SGDW = "sgdw"
    LAMB = "lamb"


class BatchScaling(enum.StrEnum):
    """How the learning rate follows the size of the global batch."""

    NONE = "none"
    LINEAR = "linear"
    SQRT = "sqrt"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Typed, section="optimizer"):
    """The update rule of the paper's section 5, and the learning rate by step."""

    rule: Rule = Rule.PAPER
    """paper is that of section 5, whose velocity holds the weight decay; sgdw decays weights beside
    it (Loshchilov and Hutter 2017; by rate * weight_decay a step, as PyTorch's AdamW, so that it
    needs about ten times the paper rule's weight_decay at momentum 0.9); lamb is Adam with a
    trust ratio for each layer (You et al. 2019, for large batches)."""
    learning_rate: float = 0.01
    """Learning rate before any drop; of range, at the end."""
    momentum: float = 0.9
    """Fraction of the last update that is added to the next; of lamb, of the mean gradient."""
    second_momentum: float = 0.999
    """Of lamb: the same fraction of the mean squared gradient."""
    weight_decay: float = 5e-4
    """Added to a kernel's gradient as weight_decay * w, so that momentum sees it; sgdw and lamb
    keep it out of their means."""
    bias_rate: float = 1.0
    """Learning rate of the biases as a multiple of the kernels'; the 2012 program used 2."""
    bias_decay: float = 0.0
    """Weight decay of the biases; the 2012 program used none."""
    schedule: Schedule = Schedule.STEP
    """step divides at `drop_epochs`; plateau divides when the validation error stalls (the
    paper's); auto2012 divides by 6.3 at 25, 50 and 75 % of the run; cosine falls to 0; constant;
    range, a learning-rate range test (Smith 2015), rises exponentially from learning_rate /
    drop_factor to learning_rate."""
    drop_epochs: tuple[float, ...] = (25, 50, 80)
    """Epochs after which the step schedule divides the learning rate."""
    drop_factor: float = 10.0
    """What step and plateau divide the learning rate by; range begins at learning_rate divided by
    it."""
    max_drops: int = dataclasses.field(default=3)
    """How often plateau divides at most; the paper's run divided three times."""
    patience_epochs: int = 5
    """Evaluations without a new best that plateau waits for."""
    label_smoothing: float = 0.0
    """Part of each training target that is shared by all classes, 0 to below 1; the validation
    loss is not smoothed."""
    batch_scaling: BatchScaling = BatchScaling.NONE
    """linear multiplies the learning rate by global_batch_size / 128, the paper's batch; sqrt by
    the square root of that; none leaves it."""
    clip_norm: float = 0.0
    """Scale the gradient of a whole batch down to this length, the L2 norm over all weights; 0
    never."""
    average: float = 0.0
    """Average the weights over steps too, exponentially with this decay, such as 0.999, less at the
    start. Averages are evaluated and exported, and the weights themselves beside them; 0 for
    none."""
    warmup_epochs: float = 0.0
    """The learning rate rises linearly from 0 during so many epochs, whatever the schedule."""
    rates: tuple[str, ...] = ()
    """Learning rates of single layers, kernel and bias, as multiples of what they would be:
    fc8=10,conv1=0.1. For 0 use --freeze."""

    def __post_init__(self):
        """Refuses numbers outside their range."""
        super().__post_init__()
        for name in ("learning_rate", "drop_factor", "bias_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"optimizer.{name}={value}: expected a positive number.")
        for name in ("weight_decay", "bias_decay", "warmup_epochs", "clip_norm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"optimizer.{name}={value}: expected 0 or a positive number.")
        if self.clip_norm and not 1e-30 < self.clip_norm < 1e30:
            raise ValueError(
                f"optimizer.clip_norm={self.clip_norm}: expected 1e-30 to 1e30, or 0 to clip "
                "nothing."
            )
        for name in ("momentum", "second_momentum", "average"):
            value = getattr(self, name)
            if not 0 <= value <= MOST_KEPT:
                raise ValueError(f"optimizer.{name}={value}: expected 0 to {MOST_KEPT}, below 1.")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"optimizer.label_smoothing={self.label_smoothing}: expected 0 to below 1."
            )
        if list(self.drop_epochs) != sorted({abs(x) for x in self.drop_epochs}):
            raise ValueError(
                f"optimizer.drop_epochs={self.drop_epochs}: expected rising epochs, as 25,50,80."
            )
        for name in ("max_drops", "patience_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"optimizer.{name}={getattr(self, name)}: expected at least 1.")
        names = [layer for layer, _ in map(_rate, self.rates)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"optimizer.rates={','.join(self.rates)}: expected one rate for {name}."
                )

    @property
    def rate_by_layer(self) -> dict[str, float]:
        """The numbers in `rates`, by the name of the layer."""
        return dict(map(_rate, self.rates))


def _rate(text: str) -> tuple[str, float]:
    """Reads one of `OptimizerConfig.rates`, such as fc8=10."""
    layer, _, number = (part.strip() for part in text.partition("="))
    try:
        factor = float(number)
    except ValueError:
        factor = math.nan
    if factor == 0:
        raise ValueError(
            f"optimizer.rates={text}: expected a positive number. For a layer that stays as it is "
            f"use --freeze={layer}."
        )
    if not (layer and math.isfinite(factor) and factor > 0):
        raise ValueError(
            f"optimizer.rates={text}: expected a layer and a positive number, such as fc8=10."
        )
    return layer, factor
