"""How the workers of a run come together, and how all of them end when one is lost."""

import contextlib
from collections.abc import Iterator
from importlib import metadata

import tensorflow as tf

from alexnet_tf import __version__
from alexnet_tf.config.fields import DOORS, settings_of, to_text, value_at
from alexnet_tf.config.run import Config, StrategyName
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import cluster, rendezvous
from alexnet_tf.training.signals import take_back_sigterm
from alexnet_tf.training.strategy import describe_devices, make_strategy
from alexnet_tf.training.workers import Workers

JOIN_SECONDS = 40.0
"""How long TensorFlow may take to join workers that have met."""

OWN = (
    *("workers", "worker_index", "worker_wait_seconds", "devices", "run_dir", "tensorboard"),
    *("data.source", "data.cache", "data.cache_dir", "data.stage"),
)
"""Settings that each worker may have for itself; data are compared by what they hold."""


@contextlib.contextmanager
def joined(config: Config) -> Iterator[tuple[tf.distribute.Strategy, Workers]]:
    """Makes the strategy of a run, together with its other workers if it has any.

    Raises:
      UserError: a mistake in the settings, or another worker has others.
      RunFailed: a worker did not come, or was lost.
    """
    if config.run.strategy != StrategyName.MULTI_WORKER:
        strategy = make_strategy(config.run)
        yield strategy, Workers(strategy)
        return
    members = cluster.find(config.run)
    rendezvous.meet(members, facts(config, members), config.run.worker_wait_seconds)
    cluster.take_cores(members)
    try:
        with rendezvous.Deadline(members, JOIN_SECONDS):
            strategy = make_strategy(config.run, members)
    except tf.errors.OpError as error:  # a port that is taken, or one that ended since
        raise RunFailed(
            f"{members.name(members.index)} could not join the others: {error.message}. Start all "
            "workers again; where a port is taken, with others."
        ) from error
    take_back_sigterm()
    workers = Workers(strategy, members)
    try:
        yield strategy, workers
        workers.part()
    except tf.errors.OpError as error:
        if lost := workers.lost(error):
            raise lost from error
        raise


def facts(config: Config, members: cluster.Cluster) -> rendezvous.Facts:
    """Collects what all workers must have in common before they start."""
    packages = {name: metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    settings = {
        setting.name: to_text(value_at(config, setting.path))
        for setting in settings_of(Config)
        if setting.name not in (*OWN, *DOORS)
    }
    addresses = {"addresses": ",".join(members.addresses)}
    addresses |= {"devices of each": describe_devices(config.run)}
    return addresses | {"alexnet_tf": __version__} | packages | settings


def check_same_data(workers: Workers, data: dict) -> None:
    """Refuses data that differ from the chief's, on all workers.

    Args:
      workers: all of them.
      data: what identifies this worker's data.

    Raises:
      UserError: some differ; the message has the first worker's.
    """
    chiefs, *others = workers.tell(data)
    for index, found in enumerate(others, start=1):
        changed = [
            f"{name}: {chiefs[name]} -> {found[name]}"
            for name in chiefs
            if found[name] != chiefs[name]
        ]
        if changed:
            raise UserError(
                f"data.source: worker {index} was refused by the chief, since its data differ: "
                f"{'; '.join(changed)}. Expected the same files everywhere. Copy them anew."
            )
