"""Work that can be done any number of times, and how it is timed. No TensorFlow here."""

import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Iterator

import numpy as np

from alexnet_tf.benchmarking.spec import Sample
from alexnet_tf.config.layer_rows import Pool
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError
from alexnet_tf.networks.tables.options import layers_of

Clock = Callable[[], float]
"""Tells the time in seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What a contender does over and over."""

    run: Callable[[int], None]
    """Does a number of steps in sequence and returns when the device has done them."""
    units_per_step: float
    """Images, or floating-point operations of a matrix product."""
    least_steps: int = 1
    """The least number of steps in a round."""
    cpu_seconds: Clock = time.process_time
    """Tells the processor time taken so far by all threads that do it, in whatever process."""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    """Versions of the libraries that do it."""
    accelerator: str | None = None
    """Model of the GPU that does it; None for a CPU."""


def steps_for(work: Work, seconds: float, clock: Clock = time.perf_counter) -> int:
    """Warms up, and finds a number of steps that lasts at least about `seconds`.

    Args:
      work: what to measure.
      seconds: duration, much shorter than a round.
      clock: returns the time in seconds.
    """
    work.run(1)  # builds graphs
    work.run(1)  # takes the memory that stays
    steps = work.least_steps
    while True:
        began = clock()
        work.run(steps)
        if clock() - began >= seconds:
            return steps
        steps *= 2


def timed(
    work: Work, num_steps: int, seconds: float = 0.0, clock: Clock = time.perf_counter
) -> Sample:
    """Measures one round.

    Args:
      work: what to measure.
      num_steps: steps between two readings of the clock; repeated until the time is over.
      seconds: least duration of the round; 0 does `num_steps` once.
      clock: returns the time in seconds.
    """
    units, began, cpu_began = 0.0, clock(), work.cpu_seconds()
    while not units or clock() - began < seconds:
        work.run(num_steps)
        units += num_steps * work.units_per_step
    return Sample(units, clock() - began, work.cpu_seconds() - cpu_began)


def cpu_seconds_of_all() -> float:
    """Tells the processor time taken so far by this process and those that it started (Linux)."""
    return sum(map(_cpu_seconds, ["self", *_children()]))


def _children() -> Iterator[str]:
    """Numbers of the processes that this one started."""
    for path in pathlib.Path("/proc/self/task").glob("*/children"):
        yield from path.read_text().split()


def _cpu_seconds(process: str) -> float:
    """Processor time of all threads of a process."""
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def synthetic(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Draws the one batch that all contenders use: uint8 [N, H, W, 3] and int32 [N]."""
    draw = np.random.default_rng(0)
    size, rows = config.network.input.size, config.run.global_batch_size
    images = draw.integers(0, 256, (rows, size, size, 3), np.uint8)
    return images, draw.integers(0, config.network.num_classes, rows, np.int32)


def check_is_stock(config: NetworkConfig) -> None:
    """Refuses a network that plain Keras and PyTorch have no layers for.

    Raises:
      UserError: a row is no stock layer, or pools upwards, or the picture is gray.
    """
    for layer in layers_of(config):
        is_odd_pool = isinstance(layer, Pool) and (layer.round_up or layer.is_mean)
        if is_odd_pool or not layer.is_stock:
            raise UserError(f"{layer.name} of network.name={config.name} is no stock layer")
    if config.input.num_channels != 3:
        raise UserError(f"network.name={config.name} sees gray pictures")
