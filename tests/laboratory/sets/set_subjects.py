"""A tiny network and its set, for the tests of exhibits of whole sets."""

import dataclasses

import tiny

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.tables.resolved import table
from pipelines.sources import open_source


def subject_of(pictures, network: NetworkConfig | None = None, num_rows=None, **changes) -> Subject:
    config = tiny.config(pictures, pictures)
    network = dataclasses.replace(network or config.network, num_classes=3)
    config = dataclasses.replace(config, network=network)
    source = open_source(config.data, "val", 0, inputs=network.input)
    values = {
        "what": "a network",
        "model": alexnet(network),
        "config": config,
        "classes": tiny.CLASSES,
        "rows": tuple(table(network))[:num_rows],
        "opened": lambda: (source, "val"),
    }
    return Subject(**values | changes)
