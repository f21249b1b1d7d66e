"""The networks of the family, narrower where they are large: what is built costs memory."""

import dataclasses

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.family.member import Member
from alexnet_tf.networks.family.names import FAMILY


def resolved(member: Member, **changes) -> NetworkConfig:
    return dataclasses.replace(member.config, num_classes=member.num_classes, **changes)


def small(name: str) -> NetworkConfig:
    """Narrows a network where it is large: building large layers takes memory."""
    is_large = FAMILY[name].config.input.size > 100
    return resolved(FAMILY[name], **({"width": 0.125, "fc_width": 32} if is_large else {}))
