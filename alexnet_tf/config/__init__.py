"""What can be set, frozen and checked. Imports no TensorFlow."""

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.optimizer import OptimizerConfig, Schedule
from alexnet_tf.config.run import Config, Precision, RunConfig, StrategyName

__all__ = [
    "Config",
    "NetworkConfig",
    "OptimizerConfig",
    "Precision",
    "RunConfig",
    "Schedule",
    "StrategyName",
]
