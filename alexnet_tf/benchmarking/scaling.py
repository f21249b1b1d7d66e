"""From measured steps and sums to predictions of data parallelism, held against two workers."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alexnet_tf.benchmarking.contenders.on_several import (
    HALF,
    LARGE_BYTES,
    LARGE_SUM,
    ONE_WORKER,
    SMALL_SUM,
    SMALLEST,
    TWO_WORKERS,
)
from alexnet_tf.benchmarking.contenders.table import contender
from alexnet_tf.benchmarking.ring import Link, link_of, predict
from alexnet_tf.benchmarking.spec import Sample, Spec, What
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training.parts import sends_factors

BYTES_OF_GRADIENT = 4
"""Of each trainable weight: gradients are summed as float32 in every precision."""
STRONG, WEAK = "strong", "weak"
"""Workers share a batch; or each has a whole one."""


def gradient_bytes(spec: Spec) -> int:
    """Counts the bytes of one worker's gradients."""
    return BYTES_OF_GRADIENT * sum(row.parameters for row in table(spec.config.network))


def bytes_to_sum(spec: Spec, num_rows: int) -> float:
    """Counts the bytes whose sum would send as much as workers on CPUs send in a step.

    They pass on the factors of large gradients once, where a sum goes around twice.

    Args:
      spec: what is measured.
      num_rows: of the global batch.
    """
    found = float(gradient_bytes(spec))
    for row in table(spec.config.network):
        if row.layer.kind == "dense" and sends_factors(row.kernel_shape, num_rows):
            inputs, units = row.kernel_shape
            found += BYTES_OF_GRADIENT * (num_rows * (inputs + units) / 2 - inputs * units)
    return found


def scaling(
    spec: Spec,
    samples: Mapping[str, Sequence[Sample]],
    entries: Sequence[Mapping[str, Any]],
    has_gpu: bool = False,
) -> dict[str, Any]:
    """Predicts what numbers of workers reach, over the given network and over loopback.

    Args:
      spec: what was measured, and the network between the workers.
      samples: of all rounds, by contender.
      entries: the contenders with their step_seconds.
      has_gpu: whether GPUs did the work, which sum all gradients.

    Returns:
      gradient_bytes, gbit_per_second, latency_seconds, predictions (a list of a Prediction's values
      and scaling: strong or weak) and loopback: gbit_per_second, latency_seconds, predicted (one
      more of them) and measured_speedup; null where two workers could not be measured.
    """
    seconds = {entry["name"]: entry["step_seconds"] for entry in entries}
    link = Link(spec.gbit_per_second, spec.latency_seconds)
    predictions = [
        _predicted(spec, seconds, workers, link, kind, has_gpu)
        for kind in (STRONG, WEAK)
        for workers in spec.workers
    ]
    loopback = None
    if {SMALL_SUM, LARGE_SUM, TWO_WORKERS} <= seconds.keys():
        found = link_of(2, seconds[SMALL_SUM], seconds[LARGE_SUM], LARGE_BYTES)
        pairs = zip(samples[TWO_WORKERS], samples[ONE_WORKER], strict=True)
        loopback = dataclasses.asdict(found) | {
            "predicted": _predicted(spec, seconds, 2, found, STRONG, has_gpu),
            "measured_speedup": statistics.median(two.rate / one.rate for two, one in pairs),
        }
    return {
        "gradient_bytes": gradient_bytes(spec),
        **dataclasses.asdict(link),
        "predictions": predictions,
        "loopback": loopback,
    }


def _predicted(
    spec: Spec, seconds: Mapping[str, float], workers: int, link: Link, kind: str, has_gpu: bool
) -> dict[str, Any]:
    """Predicts one number of workers; a part between two measured ones lies on their line."""
    batch = spec.config.run.global_batch_size
    rows = batch // workers if kind == STRONG else batch
    names = [name for name in (SMALLEST, HALF, ONE_WORKER) if name in seconds]
    step = np.interp(rows, [rows_of(spec, name) for name in names], [seconds[n] for n in names])
    speed = batch / seconds[ONE_WORKER]
    num_bytes = gradient_bytes(spec) if has_gpu else bytes_to_sum(spec, workers * rows)
    found = predict(workers, rows, float(step), speed, num_bytes, link)
    return {"scaling": kind} | dataclasses.asdict(found)


def rows_of(spec: Spec, name: str) -> int:
    """Counts the examples in a contender's step."""
    return contender(What.SCALING, name).adapt(spec).config.run.global_batch_size
