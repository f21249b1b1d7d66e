"""Makes Keras know our classes in `.keras` files, without importing Keras or them before need."""

import importlib
import sys

CLASSES = {
    "Network": "networks.model",
    "Convolution": "networks.layers.convolution",
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
    """Puts a stand-in where the class itself has not been registered yet."""
    known = sys.modules["keras"].saving.get_custom_objects()
    for name in CLASSES:
        known.setdefault(f"alexnet_tf>{name}", Later(name))


class Later:
    """Stands for a class of ours until a file names it. The class itself then takes its place.

    Args:
      name: of the class.
    """

    def __init__(self, name: str):
        """Imports nothing."""
        self._name = name

    def from_config(self, config: dict):
        """Imports all of our classes, and lets the one that is meant read its config."""
        for module in sorted(set(CLASSES.values())):
            importlib.import_module(f"alexnet_tf.{module}")
        known = sys.modules["keras"].saving.get_custom_objects()
        return known[f"alexnet_tf>{self._name}"].from_config(config)


class KerasFinder:
    """Lets Keras' own import end with `_register`, whenever that import comes.

    Keras asks nobody for a class that it does not know (Keras 3.15).
    """

    def find_spec(self, name, path=None, target=None):
        """Finds `keras` as the other finders do."""
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
