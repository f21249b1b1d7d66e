"""Registers our classes for `.keras` files, without importing Keras or them early."""

import importlib
import sys

CLASSES = {
    "Network": "networks.model",
    "Convolution": "networks.layers.convolution",
    "Dense": "networks.layers.dense",
    "LocalResponseNorm": "networks.layers.response_norm",
    "Pooling": "networks.layers.pooling",
    "BatchNorm": "networks.layers.batch_norm",
    "SpatialResponseNorm": "networks.layers.spatial_norm",
    "LocallyConnected": "networks.layers.locally_connected",
    "SpatialPyramid": "networks.layers.spatial_pyramid",
    "DigitDistance": "networks.layers.lenet",
    "SparseConvolution": "networks.layers.lenet",
    "Subsampling": "networks.layers.lenet",
    "Dropout": "networks.layers.dropout",
    "NamedNormal": "networks.layers.initializers",
    "NamedUniform": "networks.layers.initializers",
    "PaperSGD": "training.optimizer",
}
"""What a file of ours may name, and the module that registers it with Keras."""


def register_with_keras() -> None:
    """Registers our classes now if Keras has been imported, otherwise as soon as it is."""
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, KerasFinder())


def _register() -> None:
    """Registers a stand-in for each class that is not registered yet."""
    known = sys.modules["keras"].saving.get_custom_objects()
    for name in CLASSES:
        known.setdefault(f"alexnet_tf>{name}", Later(name))


class Later:
    """Stands for one of our classes until a file names it; the class then replaces it.

    Args:
      name: name of the class.
    """

    def __init__(self, name: str):
        """Stores the name; imports nothing."""
        self._name = name

    def from_config(self, config: dict):
        """Imports all our classes, and makes the named one from its config."""
        for module in sorted(set(CLASSES.values())):
            importlib.import_module(f"alexnet_tf.{module}")
        known = sys.modules["keras"].saving.get_custom_objects()
        return known[f"alexnet_tf>{self._name}"].from_config(config)


class KerasFinder:
    """Calls `_register` at the end of Keras' import, whenever that comes.

    Keras has no hook for unknown classes (Keras 3.15).
    """

    def find_spec(self, name, path=None, target=None):
        """Finds `keras` as the other finders do, with a loader that registers."""
        if name != "keras":
            return None
        others = [finder for finder in sys.meta_path if not isinstance(finder, KerasFinder)]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                _register()

            spec.loader.exec_module = exec_module
        return spec
