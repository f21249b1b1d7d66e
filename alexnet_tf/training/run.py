"""From a Config to a finished run directory: what `python -m alexnet_tf.train` does."""

import contextlib
import dataclasses
import json
import pathlib
import sys
from collections.abc import Iterator

import keras

from alexnet_tf.config.optimizer import PAPER_BATCH
from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError, user_errors
from alexnet_tf.networks.named_weights import assign_some, named_weights
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.two_towers import towers_table
from alexnet_tf.training import parts, run_directory, schedules, selection, start
from alexnet_tf.training.joining import check_same_data, joined
from alexnet_tf.training.run_directory import Elsewhere, RunDirectory
from alexnet_tf.training.signals import Signals
from alexnet_tf.training.sinks.sinks import NoSinks, Sinks
from alexnet_tf.training.strategy import describe
from alexnet_tf.training.task import classification
from alexnet_tf.training.trainer import Trainer
from alexnet_tf.training.workers import Workers
from pipelines import service
from pipelines.cache import kept
from pipelines.dataset import dataset_mean
from pipelines.source import Source
from pipelines.sources import advice, open_source
from pipelines.sources.layout import looking_once


def run(config: Config, callbacks=()) -> tuple[int, dict]:
    """Trains a run to its end, or resumes it.

    Args:
      config: the settings, resolved from flags.
      callbacks: Keras callbacks.

    Returns:
      the exit code (0, 129, 130 or 143) and the result (BUILD.md, "JSON"), {} but for the chief.

    Raises:
      UserError: a mistake in the settings or in the data.
      NotFinite: the loss or a weight is not finite.
      RunFailed: a file cannot be written, or another worker was lost.
    """
    selection.check(config)
    with joined(config) as (strategy, workers), contextlib.ExitStack() as opened:
        parts.check(config, strategy.num_replicas_in_sync)
        with workers.together():
            if workers.is_chief:
                start.check_place(config)
            sources = open_sources(config)
            if config.data.service:
                with user_errors():
                    service.check(config.data.service)
            classes = sources[0].classes
            directory = opened.enter_context(_directory(config, workers))
            config = _with_classes(config, classes)
            if directory.last:
                parts.check_same(config, directory.last.config)
            is_new = directory.last is None  # a run that has begun needs nothing of its start
            takes = config.run.start_from and is_new and workers.is_chief
            first = start.load(config, classes) if takes else None
        config, sources = _prepare(config, sources, directory, workers)
        trainer = _trainer(config, strategy, sources, directory.path, workers, callbacks, first)
        return _train(trainer, first)


def _directory(config: Config, workers: Workers):
    """Opens the run directory, as the chief; the others need none."""
    path = pathlib.Path(config.run_dir)
    if workers.is_chief:
        return run_directory.opened(path)
    return contextlib.nullcontext(Elsewhere(path, None, {}))


def _trainer(config, strategy, sources, run_dir, workers, callbacks, first) -> Trainer:
    """Makes the trainer, with the weights that the run starts or goes on with."""
    task = classification(config, sources[0])
    trainer = Trainer(config, task, strategy, sources, run_dir, workers, callbacks)
    if first:
        assign_some(named_weights(trainer.state.model), first.arrays)
        first.arrays.clear()  # the network has them now
    trainer.follow_chief()
    return trainer


def _train(trainer: Trainer, first) -> tuple[int, dict]:
    """Trains, and writes result.json at the end."""
    config, run_dir, workers = trainer.config, trainer.run_dir, trainer.workers
    if trainer.is_finished():
        if not workers.is_chief:
            return 0, {}
        print(_end(trainer), file=sys.stderr)
        return 0, _finished(trainer)
    if workers.is_chief:
        _announce(trainer, first)
        (run_dir / "result.json").unlink(missing_ok=True)  # of an end that is passed now
        sinks = Sinks(run_dir, config, trainer.state, trainer.train_source)
    else:
        print(f"worker {workers.index} of {workers.count} follows", file=sys.stderr, flush=True)
        sinks = NoSinks()
    try:
        with Signals() as signals:
            exit_code = trainer.run(sinks, signals)
    finally:
        sinks.close()
    if not workers.is_chief:
        return exit_code, {}
    result = _result(trainer)
    if exit_code:
        print(
            f"stopped at step {result['step']:,} of {trainer.cadence.num_steps:,}, which is saved. "
            "The same command goes on from there.",
            file=sys.stderr,
        )
    else:
        if trainer.cadence.has_stalled(trainer.state.progress):
            print(_end(trainer), file=sys.stderr)
        run_directory.write_text(run_dir / "result.json", json.dumps(result))
    return exit_code, result


def open_sources(config: Config) -> tuple[Source, Source]:
    """Opens the training and the validation split, and says what was left out of them.

    Raises:
      UserError: they cannot be opened, or have another number of classes than the network.
    """
    with user_errors(), looking_once():
        train, val = (
            open_source(config.data, split, config.run.seed, inputs=config.network.input)
            for split in ("train", "val")
        )
    for line in filter(None, (train.remark, advice(config.data, train))):  # about both splits
        print(line, file=sys.stderr, flush=True)
    if config.network.num_classes not in (0, len(train.classes)):
        raise UserError(
            f"network.num_classes={config.network.num_classes}: expected {len(train.classes)}, "
            f"the number of classes in data.source={config.data.source!r}. Leave it out."
        )
    return train, val


def _with_classes(config: Config, classes: tuple[str, ...]) -> Config:
    """Takes the number of classes from the data, and refuses a network that cannot be built."""
    network = config.network.with_num_classes(len(classes))
    with user_errors():
        (table if config.run.towers == 1 else towers_table)(network)
    return dataclasses.replace(config, network=network)


def _prepare(
    config: Config, sources: tuple[Source, Source], directory: RunDirectory, workers: Workers
) -> tuple[Config, tuple[Source, Source]]:
    """Fills the cache, measures the mean color if it is the data's, and claims the directory.

    A resumed run is compared with what is stored before pictures are decoded, with the mean that
    was measured at its start. One that was damaged is measured again, and claiming then tells.

    Returns:
      the settings and sources to use.
    """
    classes, data = sources[0].classes, identity(*sources)
    check_same_data(workers, data)
    is_measured = config.network.input.mean == "dataset"
    mean = workers.from_chief(lambda: directory.measured_mean) if is_measured else None
    if mean or not is_measured:
        with workers.together():
            directory.compare(*_with_mean(config, data, mean), classes)
    with workers.together(), _reading():
        sources = train, _ = kept([*sources], config.data, config.network.input)

    def measure() -> tuple[float, ...]:
        with _reading():
            return dataset_mean(train, config.network.input, config.data.max_pixels)

    if is_measured and not mean:
        mean = workers.from_chief(measure)
    config, data = _with_mean(config, data, mean)
    with workers.together():
        directory.claim(config, data, classes)
    return config, sources


def _with_mean(config: Config, data: dict, mean) -> tuple[Config, dict]:
    """Puts a mean color that was measured into the settings and data.json, if there is one."""
    if not mean:
        return config, data
    inputs = dataclasses.replace(config.network.input, mean=tuple(mean))
    network = dataclasses.replace(config.network, input=inputs)
    return dataclasses.replace(config, network=network), data | {"measured_mean": list(mean)}


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Turns what goes wrong while pictures are read into one sentence."""
    try:
        with user_errors():
            yield
    except OSError as error:
        raise RunFailed(f"data.source: {error}. Run the same command again.") from error


def identity(train: Source, val: Source) -> dict:
    """Describes the data, enough to notice that they have changed."""
    return {
        f"{split}_{name}": getattr(source, name)
        for split, source in (("train", train), ("val", val))
        for name in ("num_examples", "digest")
    }


def _announce(trainer: Trainer, first: start.Start | None) -> None:
    """Says on standard error what is trained, where and for how long."""
    config, progress = trainer.config, trainer.state.progress
    source, cadence = trainer.train_source, trainer.cadence
    begun = f"going on after step {progress.step}" if progress.step else "a new run"
    lines = [
        f"{config.recipe}: {begun} in {trainer.run_dir}, "
        f"{describe(trainer.strategy, config.run.precision)}",
        f"{config.network.name} network, {trainer.state.model.count_params():,} parameters; "
        f"{source.num_examples:,} training examples of {len(source.classes)} classes from "
        f"{config.data.source}; {cadence.num_steps:,} steps of "
        f"{config.run.global_batch_size} = {cadence.epoch_of(cadence.num_steps):.1f} epochs",
        *(first.lines if first else ()),
    ]
    frozen = selection.frozen_layers(config)
    if frozen:
        count = sum(map(keras.ops.size, trainer.state.model.trainable_variables))
        lines.append(f"frozen: {', '.join(frozen)}; {int(count):,} parameters train")
    if config.rate_factor != 1:
        lines.append(
            f"optimizer.batch_scaling={config.optimizer.batch_scaling}: a learning rate of "
            f"{config.optimizer.learning_rate * config.rate_factor:.6g} for batches of "
            f"{config.run.global_batch_size}, {config.optimizer.learning_rate:g} for the paper's "
            f"of {PAPER_BATCH}"
        )
    if trainer.remark:
        lines.append(trainer.remark)
    position = progress.served_position(progress.step * config.run.global_batch_size)
    again = service.repeated_examples(position, source.num_examples) if config.data.service else 0
    if again:
        lines.append(
            f"data.service: epoch {position // source.num_examples + 1} starts anew, since a "
            f"service keeps no order; {again:,} of its {source.num_examples:,} examples come again"
        )
    print("\n".join(lines), file=sys.stderr, flush=True)


def _end(trainer: Trainer) -> str:
    """Says that a run is finished, why, and how to extend it."""
    config, progress = trainer.config, trainer.state.progress
    if trainer.cadence.has_stalled(trainer.state.progress):
        why = (
            f", since no evaluation was better than that of step {progress.improved_step} for "
            f"stop_after_stalled_epochs={config.run.stop_after_stalled_epochs}"
        )
        longer = "Go on with a higher --stop_after_stalled_epochs, or with 0. "
    else:
        why = ""
        is_fixed = schedules.needs_length(config.optimizer.schedule)
        longer = "" if is_fixed else "Train longer with --epochs or --steps. "
    return (
        f"run_dir={str(trainer.run_dir)!r} is finished at step {progress.step}{why}. {longer}"
        "For another run name another --run_dir."
    )


def _finished(trainer: Trainer) -> dict:
    """Reads the result of a finished run; makes it again if a kill kept it from being written."""
    path = trainer.run_dir / "result.json"
    stored = run_directory.read_json(path)
    if stored.get("step") == trainer.state.progress.step:
        return stored
    result = _result(trainer)
    run_directory.write_text(path, json.dumps(result))
    return result


def _result(trainer: Trainer) -> dict:
    """Makes the result: the last line of standard output, and result.json."""
    progress = trainer.state.progress
    speed = trainer.timer.steps_per_second() if trainer.timer.has_measured() else None
    evaluation = progress.evaluation or {}
    return {
        "run_dir": str(trainer.run_dir),
        "step": progress.step,
        "epoch": round(trainer.cadence.epoch_of(progress.step), 4),
        "top1_error": evaluation.get("top1_error"),
        "top5_error": evaluation.get("top5_error"),
        "seen": progress.seen + int(trainer.sums.seen),
        "skipped": progress.skipped + int(trainer.sums.skipped),
        "images_per_second": speed and round(speed * trainer.config.run.global_batch_size, 2),
    }
