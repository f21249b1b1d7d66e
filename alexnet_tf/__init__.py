"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012) in TensorFlow and Keras.

    import alexnet_tf
    model = alexnet_tf.build("paper")              # a plain Keras model, 60,965,224 parameters
    model = alexnet_tf.load("runs/imagenette")     # a trained one
    x = alexnet_tf.preprocess(images, model.network.input)

Names are loaded when they are first used, so that importing this package costs nothing; Keras
learns of its layers as soon as both are imported.
"""

import importlib

from alexnet_tf import registration
from pipelines import interrupts

__version__ = "0.2.0"

_HOMES = {
    "build": "alexnet_tf.notebook",
    "load": "alexnet_tf.notebook",
    "load_model": "alexnet_tf.notebook",
    "named_arrays": "alexnet_tf.notebook",
    "preprocess": "alexnet_tf.notebook",
    "dense": "alexnet_tf.networks.tables.convolutional",
    "dense_weights": "alexnet_tf.networks.tables.convolutional",
    "Config": "alexnet_tf.config.run",
    "NetworkConfig": "alexnet_tf.config.network",
    "InputConfig": "pipelines.config",
    "DataConfig": "pipelines.config",
    "OptimizerConfig": "alexnet_tf.config.optimizer",
    "RunConfig": "alexnet_tf.config.run",
    "PaperSGD": "alexnet_tf.training.optimizer",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    """Imports a public name from its module on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'alexnet_tf' has no attribute {name!r}; it has {__all__}.")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Lists the public names."""
    return __all__


interrupts.end_quietly()
registration.register_with_keras()
