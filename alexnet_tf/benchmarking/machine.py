"""The machine of a benchmark: processor, libraries, load and date. No host name."""

import datetime
import os
import platform
from collections.abc import Mapping
from typing import Any

from alexnet_tf.machine import processor
from pipelines.machine import this_machine


def machine(versions: Mapping[str, str], accelerator: str | None, load: float) -> dict[str, Any]:
    """Describes this machine as values that JSON has.

    Args:
      versions: versions of the libraries that did the work.
      accelerator: model of the GPU, or None.
      load: mean number of runnable processes in the minute before the benchmark.
    """
    return {
        "cores": this_machine().cpus,
        "processor": processor(),
        "accelerator": accelerator,
        "system": platform.system(),
        "versions": {"Python": platform.python_version(), **versions},
        "load_before": round(load, 2),
        "date": datetime.date.today().isoformat(),
    }


def load() -> float:
    """Reads the mean number of runnable processes over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def sentence(about: Mapping[str, Any]) -> str:
    """Writes what `machine` returned on one line."""
    parts = [f"{about['cores']} cores, {about['processor']}, {about['system']}"]
    if about["accelerator"]:
        parts.append(about["accelerator"])
    parts.append(", ".join(f"{name} {x}" for name, x in about["versions"].items()))
    parts.append(f"load {about['load_before']:.1f} before")
    return "; ".join([*parts, about["date"]])
