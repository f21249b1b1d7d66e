"""Contenders of strategy and scaling: the same step on several devices. No TensorFlow here."""

import dataclasses

from alexnet_tf.benchmarking.contenders.contender import FAST, Contender
from alexnet_tf.benchmarking.spec import Spec

SINGLE = "single"
"""Key of the strategy that the others are compared with."""

ONE_WORKER, HALF, SMALLEST = "one_worker", "one_worker_half", "one_worker_smallest"
"""Keys of one worker's step on the whole batch, on half of it, on what the most workers have."""

TWO_WORKERS, SMALL_SUM, LARGE_SUM = "two_workers", "small_sum", "large_sum"
"""Keys of two workers' step, and of their sums of next to nothing and of much."""

SMALL_BYTES, LARGE_BYTES = 8, 2**26
"""Of these sums."""


def _with_rows(spec: Spec, rows: int) -> Spec:
    """Changes the batch."""
    run = dataclasses.replace(spec.config.run, global_batch_size=max(1, rows))
    return dataclasses.replace(spec, config=dataclasses.replace(spec.config, run=run))


def _half(spec: Spec) -> Spec:
    """Leaves one of two workers' part of the batch."""
    return _with_rows(spec, spec.config.run.global_batch_size // 2)


def _smallest(spec: Spec) -> Spec:
    """Leaves the part of the batch that each of the most workers has."""
    return _with_rows(spec, spec.config.run.global_batch_size // max(spec.workers))


def _one_worker(key: str, label: str, adapt=lambda spec: spec, note: str = "") -> Contender:
    """A worker by itself, on half the processors."""
    return Contender(
        key=key,
        label=label,
        module="workers",
        function="alone",
        environment=FAST,
        adapt=adapt,
        note=note,
    )


def _two_workers(key: str, label: str, num_bytes: int = 0, note: str = "") -> Contender:
    """Two workers on loopback, and their step, or their sum of so many bytes."""
    return Contender(
        key=key,
        label=label,
        module="workers",
        function="together",
        environment=FAST,
        options={"num_bytes": num_bytes},
        is_stopped=False,
        can_be_missed=True,
        note=note,
    )


STRATEGY = (
    Contender(
        key=SINGLE,
        label="single",
        module="ours",
        function="step",
        environment=FAST,
        note="one device",
    ),
    Contender(
        key="mirrored",
        label="mirrored",
        module="ours",
        function="mirrored",
        environment=FAST,
        can_be_missed=True,
        note="all GPUs; without any, two logical CPUs that share the processors",
    ),
    Contender(
        key="multi_worker",
        label="2 workers",
        module="workers",
        function="together",
        environment=FAST,
        is_stopped=False,
        can_be_missed=True,
        note="processes on this machine, each on a GPU of its own or on half the processors",
    ),
)
"""The same step, on the same batch."""

SCALING = (
    _one_worker(ONE_WORKER, "one worker", note="on its GPU or on half the processors, as of two"),
    _one_worker(HALF, "one worker, half the batch", _half),
    _one_worker(SMALLEST, "one worker, the smallest part", _smallest),
    _two_workers(TWO_WORKERS, "two workers", note="on this machine, sharing the batch"),
    _two_workers(SMALL_SUM, f"their sum of {SMALL_BYTES} bytes", SMALL_BYTES),
    _two_workers(LARGE_SUM, f"their sum of {LARGE_BYTES:,} bytes", LARGE_BYTES),
)
"""What predictions are made of, and what they are held against."""
