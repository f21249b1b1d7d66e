"""The family: networks with a name, each of them a value. Imports neither TensorFlow nor Keras."""

from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.network_config import DropoutMode, Init, NetworkConfig
from pipelines.config import InputConfig

NETWORKS: dict[str, NetworkConfig] = {
    "paper": NetworkConfig(),
    "small": NetworkConfig(
        name="small",
        input=InputConfig(size=96, resize=104, scale=1 / 64),
        width=0.25,
        fc_width=512,
        init=Init.HE,
        dropout=DropoutMode.INVERTED,
        dropout_rate=0.3,
    ),
}
"""Every named network. paper: the text of 2012. small: its form at a quarter of the width, for
pictures of 96 pixels, with an initialisation and a scale of inputs that learn from little data."""


def network(name: str) -> NetworkConfig:
    """Looks up a network by name.

    Raises:
      UserError: no network has this name.
    """
    if name not in NETWORKS:
        raise UserError(expected_one_of("network.name", name, NETWORKS))
    return NETWORKS[name]
