"""The Keras model of a network, which stores its config and the names of its classes."""

import keras

from alexnet_tf.config import json_form
from alexnet_tf.config.network import NetworkConfig

OLDEST_SCHEMA = 3
"""Of the settings in `.keras` files that do not name theirs."""


@keras.saving.register_keras_serializable("alexnet_tf")
class Network(keras.Model):
    """A functional model that stores its config and the names of its classes, in files too.

    Attributes:
      network: the NetworkConfig that it was built from; its `input` is what `preprocess` takes.
        None in a model that Keras made from another, as `clone_model` does.
      classes: the names of the outputs, in their order; empty if unknown.
    """

    # Not in `__init__`: Keras stores a functional model only where that is its own (Keras 3.15).
    network: NetworkConfig | None = None
    classes: tuple[str, ...] = ()

    def get_config(self):
        """Returns what Keras stores, with both attributes."""
        mine = {
            "schema_version": json_form.SCHEMA_VERSION,
            "network": self.network and json_form.to_dict(self.network),
            "classes": list(self.classes),
            "policy": self.dtype_policy.name,
        }
        return super().get_config() | mine

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from a config, with both attributes."""
        config = dict(config)
        schema_version = config.pop("schema_version", OLDEST_SCHEMA)
        network, classes, policy = (config.pop(name) for name in ("network", "classes", "policy"))
        model = super().from_config(config, custom_objects=custom_objects)
        model.network = network and json_form.network_from_json(network, schema_version)
        model.classes, model.dtype_policy = tuple(classes), policy
        return model
