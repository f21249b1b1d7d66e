"""Predictions of data parallelism for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

TITLES = ["", "examples each", "ms a step", "ms to sum", "speed-up", "at most, overlapped"]


def lines(scaled: Mapping[str, Any], aligned: Callable[[Sequence], list[str]]) -> list[str]:
    """Writes the predictions and what they rest on.

    Args:
      scaled: what `scaling.scaling` returned.
      aligned: writes rows of cells as a table.
    """
    rows = [TITLES, *map(_cells, scaled["predictions"])]
    latency = 1e6 * scaled["latency_seconds"]
    said = [
        *aligned(rows),
        "",
        f"gradients: {scaled['gradient_bytes']:,} bytes, summed in a ring at "
        f"{scaled['gbit_per_second']:g} Gbit/s and {latency:g} us a message",
        "strong: workers share the batch; weak: each has a whole one. speed-up: in images/s over "
        "one worker, the sum after the step; at most: the sum beside it, at no cost",
    ]
    loopback = scaled["loopback"]
    if loopback:
        predicted = loopback["predicted"]
        said += [
            f"loopback: {loopback['gbit_per_second']:.3g} Gbit/s and "
            f"{1e6 * loopback['latency_seconds']:.0f} us a message measured; two workers predicted "
            f"{predicted['speedup_summed_after']:.2f} x as fast as one, "
            f"{predicted['speedup_overlapped']:.2f} x at most; "
            f"measured {loopback['measured_speedup']:.2f} x",
        ]
    return said


def _cells(one: Mapping[str, Any]) -> list[str]:
    return [
        f"{one['workers']} workers, {one['scaling']}",
        f"{one['examples_per_worker']}",
        f"{1000 * one['step_seconds']:.1f}",
        f"{1000 * one['sum_seconds']:.1f}",
        f"{one['speedup_summed_after']:.2f}",
        f"{one['speedup_overlapped']:.2f}",
    ]
