"""What a worker process is asked to measure, and what it answers. No TensorFlow here."""

import dataclasses
import enum
import json
from typing import NamedTuple

from alexnet_tf.config import json_form
from alexnet_tf.config.run import Config
from pipelines.typed import Typed


class What(enum.StrEnum):
    """The benchmarks."""

    STEP = "step"
    INFERENCE = "inference"
    LOOP = "loop"
    INPUT = "input"
    STRATEGY = "strategy"
    SCALING = "scaling"


NOISE = "noise"
"""Instead of a data.source: drawn pictures of the size of photographs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec(Typed):
    """What to measure; passed on a worker's command line."""

    what: What
    config: Config
    """Network, batch, precision and device; `network.num_classes` is known."""
    pictures: str = NOISE
    """What the loop and the input read: noise, or a data.source."""
    has_squares: bool = False
    """Whether `pictures` is a packed set of raw squares."""
    workers: tuple[int, ...] = ()
    """Of scaling: the numbers of workers whose speed is predicted."""
    gbit_per_second: float = 0.0
    """Of scaling: the bandwidth between workers."""
    latency_seconds: float = 0.0
    """Of scaling: what a message between workers takes besides its bytes."""
    round_seconds: float = 1.0
    """Least duration of a round, about."""

    def to_text(self) -> str:
        """Writes it as one line of JSON."""
        return json.dumps(json_form.to_dict(self))

    @classmethod
    def from_text(cls, text: str) -> "Spec":
        """Reads what `to_text` wrote."""
        return json_form.from_dict(cls, json.loads(text))


class Sample(NamedTuple):
    """What a worker did in one round."""

    units: float
    """Images, or the floating-point operations of matrix products."""
    seconds: float
    """Elapsed time."""
    cpu_seconds: float
    """CPU time of all threads of the worker."""

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.units / self.seconds
