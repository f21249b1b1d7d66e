"""How replicas and parts share a batch, and what a batch normalization sees of it.

Imports no TensorFlow, so that a batch that cannot be shared is refused before anything starts.
"""

from collections.abc import Sequence

from alexnet_tf.config.run import Config, StrategyName
from alexnet_tf.errors import UserError, user_errors
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training.selection import ANY_CLASSES, frozen_layers

LEAST_GAIN = 4
"""So many times larger sums have to be: the product of all rows is more work than that of some."""


def sends_factors(shape: Sequence[int], num_rows: int) -> bool:
    """Tells whether workers send a kernel's gradient as factors (`factors.py`), not as a sum.

    Args:
      shape: of the kernel of a fully connected layer, [D, units].
      num_rows: of the global batch.
    """
    inputs, units = shape
    return LEAST_GAIN * num_rows * (inputs + units) < 2 * inputs * units


def check(config: Config, replicas: int) -> None:
    """Refuses a batch that cannot be shared, or whose statistics nobody asked for.

    Args:
      config: the run's settings.
      replicas: how many there are.

    Raises:
      UserError: the batch is no multiple of replicas times parts; or a batch normalization would
        see parts.
    """
    run = config.run
    parts, batch_size = run.accumulate_steps, run.global_batch_size
    if batch_size % (replicas * parts):
        counted = "workers" if run.strategy == StrategyName.MULTI_WORKER else "devices"
        raise UserError(
            f"global_batch_size={batch_size}: expected a multiple of {replicas * parts}, "
            f"{_counted(replicas, 'replica')} times {_counted(parts, 'part')}. Change it"
            f"{f', or --{counted}' if replicas > 1 else ''}"
            f"{', or --accumulate_steps' if parts > 1 else ''}."
        )
    if (config.data.mixup or config.data.cutmix) and batch_size // (replicas * parts) % 2:
        raise UserError(
            f"global_batch_size={batch_size}: expected a multiple of {2 * replicas * parts}, since "
            "data.mixup and data.cutmix mix pictures in pairs. Change it, or leave them out."
        )
    if batch_size == 1 and _has_statistics(config, of_vectors=True):
        raise UserError(
            "global_batch_size=1: expected at least 2 with a batch normalization of fully "
            "connected layers, which makes the same of any one example. Change it, or leave out "
            "--network.normalization."
        )
    if parts == 1 or not _has_statistics(config):
        return
    if replicas > 1:
        raise UserError(
            f"accumulate_steps={parts}: expected 1 with {replicas} replicas and a batch "
            "normalization, which would need the sums of all in each part. Leave it out, or use "
            "--strategy=single with --batch_norm_of_parts."
        )
    if not run.batch_norm_of_parts:
        raise UserError(
            f"accumulate_steps={parts}: expected 1 for a network with batch normalization, whose "
            "statistics would be those of each part and no longer the batch's. Say that you want "
            "that with --batch_norm_of_parts, or leave it out."
        )
    if batch_size == parts:
        raise UserError(
            f"accumulate_steps={parts}, global_batch_size={batch_size}: expected two examples in a "
            "part, since a batch normalization makes nothing of one. Use fewer parts."
        )


def check_same(config: Config, before: Config) -> None:
    """Refuses other parts for a run whose batch normalization sees them.

    Args:
      config: the run's settings.
      before: those of its last checkpoint.

    Raises:
      UserError: they differ, and the result would too.
    """
    now, then = config.run.accumulate_steps, before.run.accumulate_steps
    if now != then and _has_statistics(before):
        raise UserError(
            f"accumulate_steps={now}: the run in {config.run_dir!r} was begun with {then}, and its "
            "batch normalization sees each part. Expected the same; for others name another "
            "--run_dir."
        )


def _has_statistics(config: Config, of_vectors: bool = False) -> bool:
    """Tells whether a layer that trains normalizes by the batch.

    Args:
      config: the run's settings.
      of_vectors: a layer whose output has no places.
    """
    network = config.network
    with user_errors():
        rows = table(network.with_num_classes(network.num_classes or ANY_CLASSES))
    frozen = frozen_layers(config)
    trained = [row for row in rows if row.statistics and row.name not in frozen]
    return any(len(row.output_shape) == 1 or not of_vectors for row in trained)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
