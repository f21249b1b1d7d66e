"""What can be set, frozen and checked. Imports no TensorFlow."""

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import (
    Config,
    OptimizerConfig,
    Precision,
    RunConfig,
    Schedule,
    StrategyName,
)

__all__ = [
    "Config",
    "NetworkConfig",
    "OptimizerConfig",
    "Precision",
    "RunConfig",
    "Schedule",
    "StrategyName",
]
