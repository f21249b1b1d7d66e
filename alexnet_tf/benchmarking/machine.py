"""On what a benchmark was made: processor, libraries, load and day. No name of a host."""

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
      versions: of the libraries that did the work.
      accelerator: model of the GPU, or None.
      load: average of runnable processes in the minute before the benchmark.
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
    """Average number of runnable processes over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def sentence(about: Mapping[str, Any]) -> str:
    """The same on one line."""
    parts = [f"{about['cores']} cores, {about['processor']}, {about['system']}"]
    if about["accelerator"]:
        parts.append(about["accelerator"])
    parts.append(", ".join(f"{name} {x}" for name, x in about["versions"].items()))
    parts.append(f"load {about['load_before']:.1f} before")
    return "; ".join([*parts, about["date"]])
