"""The layers that settings name: to start from, to freeze, to train at a rate of their own.

Imports no TensorFlow, so that a misspelled layer is found before anything starts.
"""

from collections.abc import Iterable

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import ALL_BUT_LAST, Config
from alexnet_tf.errors import UserError, expected_one_of, user_errors
from alexnet_tf.networks.tables.resolved import table

ANY_CLASSES = 10
"""Stands for a number of classes that the data will bring; names do not depend on it."""


def layers_with_weights(network: NetworkConfig) -> list[str]:
    """Lists the layers of a network that have weights, bottom to top; the last is the output.

    Raises:
      ValueError: the network cannot be built.
    """
    known = network.with_num_classes(network.num_classes or ANY_CLASSES)
    return [row.name for row in table(known) if row.arrays]


def frozen_layers(config: Config) -> tuple[str, ...]:
    """Lists the layers that stay as they are, bottom to top.

    Raises:
      UserError: `freeze` names a layer that the network lacks, or all that it has.
    """
    freeze = config.run.freeze
    if not freeze:
        return ()
    names = layers_with_weights(config.network)
    if freeze == (ALL_BUT_LAST,):
        return tuple(names[:-1])
    _check_known("freeze", freeze, [*names, ALL_BUT_LAST])
    if set(freeze) == set(names):
        raise UserError(
            f"freeze={','.join(freeze)}: expected a layer that is left to train, but the network "
            f"has no other. Leave one out, or use --freeze={ALL_BUT_LAST}."
        )
    return tuple(name for name in names if name in freeze)


def check(config: Config) -> None:
    """Checks the names of layers in the settings.

    Raises:
      UserError: the network has no such layer, or two settings contradict each other.
    """
    picked, rates = config.run.start_from_layers, config.optimizer.rate_by_layer
    if not (picked or rates or config.run.freeze):
        return
    with user_errors():
        names = layers_with_weights(config.network)
    _check_known("start_from_layers", picked, names)
    _check_known(
        "optimizer.rates", rates, names, " Name those of this network, or none: --optimizer.rates="
    )
    for name in frozen_layers(config):
        if name in rates:
            raise UserError(
                f"optimizer.rates: {name} is frozen by freeze={','.join(config.run.freeze)}; "
                "expected a layer that trains. Take it out of one of the two."
            )


def _check_known(setting: str, names: Iterable[str], known: list[str], way_out: str = "") -> None:
    for name in names:
        if name not in known:
            raise UserError(expected_one_of(setting, name, known) + way_out)
