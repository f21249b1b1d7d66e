"""The family: networks with a name, each a value with its source. No TensorFlow here.

What a network has in common with `paper` is not written down again: its table is the paper's with
some rows changed.
"""

from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.network_config import NetworkConfig
from alexnet_tf.networks.imagenet import IMAGENET
from alexnet_tf.networks.later import LATER
from alexnet_tf.networks.pictures import SMALL_PICTURES
from alexnet_tf.networks.published import Member

FAMILY: dict[str, Member] = {
    member.config.name: member for member in (*IMAGENET, *LATER, *SMALL_PICTURES)
}
"""Every named network with its source, what was published of it, and what is ours."""

NETWORKS: dict[str, NetworkConfig] = {name: member.config for name, member in FAMILY.items()}
"""The settings of every named network."""


def network(name: str) -> NetworkConfig:
    """Looks up a network by name.

    Raises:
      UserError: no network has this name.
    """
    if name not in NETWORKS:
        raise UserError(expected_one_of("network.name", name, NETWORKS))
    return NETWORKS[name]
