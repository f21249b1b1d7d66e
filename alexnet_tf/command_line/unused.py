"""Settings that were typed and change nothing, since another setting switches them off.

They are said, not refused, so that command lines of earlier versions go on working.
"""

from collections.abc import Callable, Mapping
from typing import Any

from alexnet_tf.config.fields import to_text
from alexnet_tf.config.network import DropoutMode
from alexnet_tf.config.optimizer import Rule, Schedule
from alexnet_tf.config.run import Config, StrategyName

DROPS = (Schedule.STEP, Schedule.PLATEAU, Schedule.RANGE)

NEEDED: dict[str, tuple[str, Callable[[Config], bool]]] = {
    "optimizer.drop_epochs": (
        "optimizer.schedule=step",
        lambda config: config.optimizer.schedule == Schedule.STEP,
    ),
    "optimizer.drop_factor": (
        "optimizer.schedule=step, plateau or range",
        lambda config: config.optimizer.schedule in DROPS,
    ),
    **dict.fromkeys(
        ["optimizer.max_drops", "optimizer.patience_epochs"],
        (
            "optimizer.schedule=plateau",
            lambda config: config.optimizer.schedule == Schedule.PLATEAU,
        ),
    ),
    "optimizer.second_momentum": (
        "optimizer.rule=lamb",
        lambda config: config.optimizer.rule == Rule.LAMB,
    ),
    "network.dropout_rate": (
        "network.dropout=program or inverted",
        lambda config: config.network.dropout != DropoutMode.NONE,
    ),
    "data.rand_strength": (
        "data.rand_augment of 1 to 3",
        lambda config: config.data.rand_augment > 0,
    ),
    "data.color_rescale": (
        "data.color_noise above 0",
        lambda config: config.data.color_noise > 0,
    ),
    "batch_norm_of_parts": (
        "accumulate_steps of 2 or more",
        lambda config: config.run.accumulate_steps > 1,
    ),
    "tpu": ("strategy=tpu", lambda config: config.run.strategy == StrategyName.TPU),
    **dict.fromkeys(
        ["collectives", "worker_index", "worker_wait_seconds"],
        (
            "strategy=multi_worker",
            lambda config: config.run.strategy == StrategyName.MULTI_WORKER,
        ),
    ),
}
"""What a setting needs to count, in words and as a test."""


def remarks(config: Config, typed: Mapping[str, Any]) -> list[str]:
    """Says of each setting that was typed and changes nothing what it would need.

    Args:
      config: resolved settings.
      typed: values by the setting's name.
    """
    return [
        f"{name}={to_text(typed[name])} changes nothing here; expected {needed} with it. Set that, "
        "or leave it out."
        for name, (needed, counts) in NEEDED.items()
        if name in typed and not counts(config)
    ]
