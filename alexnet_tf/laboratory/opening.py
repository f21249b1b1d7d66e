"""From a run, or a file with weights, to a network with its pictures."""

import dataclasses
import os
import sys
from collections.abc import Callable

import keras

from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError, user_errors
from alexnet_tf.laboratory.common import Common
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.training import checkpoint, splits, start
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
    config = splits.settings(stored.config, override)
    model = _network(config)
    assign(named_weights(model), stored.weights())

    def opened() -> tuple[Source, str]:
        trained_on = stored.config.data
        with looking_once(), user_errors():
            split = settings.split or splits.default_split(config, trained_on, settings.run_dir)
            return _open(config, split, stored.classes), str(split)

    step = "converted weights" if stored.step is None else f"step {stored.step}"
    return Subject(
        what=f"{settings.run_dir}, {step}",
        model=model,
        config=config,
        classes=stored.classes,
        rows=tuple(table(config.network)),
        opened=opened,
        files=settings.images,
    )


def _of_file(settings: Common, override: Callable[[Config], Config]) -> Subject:
    """Opens a file of weights; layers above the first that it lacks are not shown."""
    path = settings.start_from
    if os.path.isdir(path):
        raise UserError(
            f"start_from={path!r} names a directory, but one file of weights is expected. A run or "
            f"converted weights have their network and classes with them: --run_dir={path}."
        )
    config = override(Config())
    with looking_once(), user_errors():
        own = Split.VAL if Split.VAL in own_splits(config.data) else Split.ALL
        split = settings.split or own
        source = _open(config, split, ())
        config = dataclasses.replace(
            config,
            network=config.network.with_num_classes(len(source.classes)),
            run=dataclasses.replace(config.run, start_from=path),
        )
        rows = tuple(table(config.network))
    model, first = _network(config), start.load(config, source.classes)
    for line in first.lines:
        print(line, file=sys.stderr, flush=True)
    variables = named_weights(model)
    assign({name: variables[name] for name in first.arrays}, first.arrays)
    shown = _with_weights(rows, first.arrays)
    if not shown:
        raise UserError(
            f"start_from={path!r}: expected weights of the first layer of "
            f"network.name={config.network.name}, {rows[0].name}. Name another file."
        )
    classes = ""
    if len(shown) == len(rows):
        classes = (
            f", whose {len(source.classes)} outputs are taken for the classes of "
            f"{config.data.source} in their order"
        )
    return Subject(
        what=f"{path}{classes}",
        model=model,
        config=config,
        classes=source.classes,
        rows=shown,
        opened=lambda: (source, str(split)),
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
        source = open_source(config.data, split, config.run.seed, classes, inputs=inputs)
    except ValueError:
        source = open_source(config.data, split, config.run.seed, inputs=inputs)
    if source.remark:
        print(source.remark, file=sys.stderr, flush=True)
    return source


def _with_weights(rows: tuple[Row, ...], arrays: dict) -> tuple[Row, ...]:
    """Keeps the layers below the first that lacks weights."""
    for place, row in enumerate(rows):
        if any(f"{row.name}/{part}" not in arrays for part in row.arrays):
            return rows[:place]
    return rows
