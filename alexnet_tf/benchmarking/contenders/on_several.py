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

THREE_WORKERS = "three_workers"
"""Key of three workers' step, which nothing is predicted from or held against."""

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


def _thirds(spec: Spec) -> Spec:
    """Leaves what three workers can share of the batch."""
    return _with_rows(spec, max(3, spec.config.run.global_batch_size // 3 * 3))


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


def _workers(
    key: str, label: str, note: str = "", adapt=lambda spec: spec, **options: int
) -> Contender:
    """Workers on loopback; `options` are those of `workers.together`."""
    return Contender(
        key=key,
        label=label,
        module="workers",
        function="together",
        environment=FAST,
        adapt=adapt,
        options=options,
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
    _workers(
        "multi_worker",
        "2 workers",
        "processes on this machine, each on a GPU of its own or on half the processors",
    ),
)
"""The same step, on the same batch."""

SCALING = (
    _one_worker(ONE_WORKER, "one worker", note="on its GPU or on half the processors, as of two"),
    _one_worker(HALF, "one worker, half the batch", _half),
    _one_worker(SMALLEST, "one worker, the smallest part", _smallest),
    _workers(TWO_WORKERS, "two workers", "on this machine, sharing the batch"),
    _workers(SMALL_SUM, f"their sum of {SMALL_BYTES} bytes", num_bytes=SMALL_BYTES),
    _workers(LARGE_SUM, f"their sum of {LARGE_BYTES:,} bytes", num_bytes=LARGE_BYTES),
    _workers(
        THREE_WORKERS,
        "three workers",
        "on this machine, sharing what 3 divides of the batch; two processors have two on one",
        _thirds,
        count=3,
    ),
)
"""What predictions are made of, and what they are held against."""
