"""From a run, or a file with weights, to a network with its pictures."""

import dataclasses
from collections.abc import Callable

import keras

from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import user_errors
from alexnet_tf.laboratory.common import Common
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.training import checkpoint, start
from alexnet_tf.training.splits import default_split
from alexnet_tf.training.strategy import make_strategy
from pipelines.config import Split
from pipelines.source import Source
from pipelines.sources import open_source, own_splits
from pipelines.sources.layout import looking_once


def open_subject(settings: Common, override: Callable[[Config], Config]) -> Subject:
    """Builds the network and opens its pictures.

    Args:
      settings: where the weights are, which split, which files.
      override: from a Config to one with the settings that were typed.

    Raises:
      UserError: there are no weights, they do not fit, or there are no pictures.
      RunFailed: the weights are damaged.
    """
    return (_of_run if settings.run_dir else _of_file)(settings, override)


def _of_run(settings: Common, override: Callable[[Config], Config]) -> Subject:
    """Opens a checkpoint of a run, or converted weights."""
    stored = checkpoint.load(settings.run_dir, settings.checkpoint)
    config = override(stored.config.elsewhere())
    model = _network(config)
    assign(named_weights(model), stored.weights())
    trained_on = stored.config.data.source
    with looking_once(), user_errors():
        split = settings.split or default_split(config, trained_on, settings.run_dir)
        source = _open(config, split, stored.classes)
    step = "converted weights" if stored.step is None else f"step {stored.step}"
    return Subject(
        what=f"{settings.run_dir}, {step}",
        model=model,
        config=config,
        classes=stored.classes,
        rows=tuple(table(config.network)),
        source=source,
        split=str(split),
        files=settings.images,
    )


def _of_file(settings: Common, override: Callable[[Config], Config]) -> Subject:
    """Opens a file of weights; layers above the first that it lacks are not shown."""
    config = override(Config())
    with looking_once(), user_errors():
        own = Split.VAL if Split.VAL in own_splits(config.data) else Split.ALL
        split = settings.split or own
        source = _open(config, split, ())
    config = dataclasses.replace(
        config,
        network=config.network.with_num_classes(len(source.classes)),
        run=dataclasses.replace(config.run, start_from=settings.start_from),
    )
    model = _network(config)
    arrays, variables = start.load(config, source.classes).arrays, named_weights(model)
    assign({name: variables[name] for name in arrays}, arrays)
    return Subject(
        what=settings.start_from,
        model=model,
        config=config,
        classes=source.classes,
        rows=_with_weights(tuple(table(config.network)), arrays),
        source=source,
        split=str(split),
        files=settings.images,
    )


def _network(config: Config) -> keras.Model:
    """Builds the network, in exact float32 on one device."""
    make_strategy(RunConfig(devices=config.run.devices))
    return alexnet(config.network)


def _open(config: Config, split: str, classes: tuple[str, ...]) -> Source:
    """Opens a set by the network's classes, or by its own where it has others."""
    inputs = config.network.input
    try:
        return open_source(config.data, split, config.run.seed, classes, inputs=inputs)
    except ValueError:
        return open_source(config.data, split, config.run.seed, inputs=inputs)


def _with_weights(rows: tuple[Row, ...], arrays: dict) -> tuple[Row, ...]:
    """Keeps the layers below the first that lacks weights."""
    for place, row in enumerate(rows):
        if any(f"{row.name}/{part}" not in arrays for part in row.arrays):
            return rows[:place]
    return rows
