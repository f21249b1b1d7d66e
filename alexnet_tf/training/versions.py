"""What decides, besides the settings, whether two runs are bit-identical."""

import os
import platform
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf import __version__
from alexnet_tf.config.run import RunConfig
from alexnet_tf.errors import UserError
from alexnet_tf.machine import instructions, processor
from alexnet_tf.networks.alexnet import INIT_VERSION
from pipelines.augment import AUGMENTATION_VERSIONS
from pipelines.dataset import DRAW_VERSIONS, DrawVersions
from pipelines.machine import this_machine
from pipelines.order import ORDER_VERSIONS

LATER = {"instructions", "towers", "accumulate_steps"}
"""Checkpoints of before 2026-11-29 do not say them."""


def versions(devices: Sequence[str] = (), run: RunConfig | None = None) -> dict[str, str | int]:
    """Collects what decides whether two runs are bit-identical; stored in every checkpoint.

    Args:
      devices: the strategy's devices, one for each replica.
      run: how the run is spread over them, and over parts of a step; by default it is not.
    """
    run = run or RunConfig()
    return {
        "devices": ", ".join(devices),
        "towers": run.towers,
        "accumulate_steps": run.accumulate_steps,
        "alexnet_tf": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor(),
        "instructions": instructions(),
        "cores": this_machine().cpus,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        **of_draws(DRAW_VERSIONS),
        "init_version": INIT_VERSION,
    }


def of_draws(versions: DrawVersions) -> dict[str, int]:
    """Names the versions of draws as a checkpoint does."""
    return {f"{name}_version": number for name, number in versions._asdict().items()}


def draws_of(stored: dict) -> DrawVersions:
    """Takes the versions of draws out of a checkpoint's."""
    return DrawVersions(*(stored[name] for name in of_draws(DRAW_VERSIONS)))


def check_versions(stored: dict, now: dict) -> str | None:
    """Compares the versions of a resumed run: returns a remark, or None if they are the same.

    Args:
      stored: `versions` from the checkpoint.
      now: `versions` of this process.

    Raises:
      UserError: the run cannot go on with the order or the augmentation that it began with.
    """
    known = of_draws(DrawVersions(ORDER_VERSIONS, AUGMENTATION_VERSIONS))
    for name, numbers in known.items():
        if stored.get(name) not in numbers:
            expected = " or ".join(map(str, numbers))
            raise UserError(
                f"{name}={stored.get(name)} in the checkpoint, expected {expected}. Go on with "
                f"alexnet_tf {stored.get('alexnet_tf')}, or start anew in another --run_dir."
            )
    # A run keeps what it draws, and has its weights already.
    left_out = {*known, "init_version"} | (LATER - stored.keys())
    others = [name for name in now if name not in left_out]
    changed = [f"{k} {stored.get(k)} -> {now[k]}" for k in others if stored.get(k) != now[k]]
    if changed:
        return f"the end will not be bit-identical to an undisturbed run: {', '.join(changed)}"
    return None
