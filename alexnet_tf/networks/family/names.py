"""The family: networks with a name, each a value with its source. No TensorFlow here.

What a network has in common with `paper` is not written down again: its table is the paper's with
some rows changed.
"""

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.networks.family.after_2012 import LATER
from alexnet_tf.networks.family.alexnet_2012 import IMAGENET
from alexnet_tf.networks.family.member import Member
from alexnet_tf.networks.family.small_images import SMALL_PICTURES

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
