"""What --list and --dry_run say. No TensorFlow."""

import dataclasses
import pathlib
import statistics
import textwrap
from collections.abc import Iterable

from alexnet_tf.config import json_form
from alexnet_tf.config.fields import differences, to_text
from alexnet_tf.config.layer_rows import Layer
from alexnet_tf.config.run import Config
from alexnet_tf.experiments import results
from alexnet_tf.experiments.named import EXPERIMENTS
from alexnet_tf.experiments.table import GRID_SEED, Experiment, Row, Size
from alexnet_tf.experiments.transfer_settings import Arguments

COLUMNS = 100


def list_text(others: dict[str, str], seeds: int) -> str:
    """Lists all experiments with their claims and their cost.

    Args:
      others: titles of those that are no tables, by name.
      seeds: runs of each row by default.
    """
    lines = []
    for name, make in EXPERIMENTS.items():
        experiment = make(Size.BENCH, "")
        runs = sum(len(row.tries) + seeds for row in experiment.rows)
        lines.append(f"{name}: {experiment.title}")
        lines.append(
            f"  {len(experiment.rows)} rows, {seeds} seeds, {runs} runs of about "
            f"{experiment.minutes:g} minutes{'' if name == 'figure1' else ' at --size=bench'} on 2 "
            "cores: "
            f"{_hours(runs * experiment.minutes)}"
        )
        for row in experiment.rows:
            if row.claim:
                lines += _wrapped(f"{row.name}: {row.claim.sentence} ({row.claim.source})")
    lines += [f"{name}: {title}" for name, title in others.items()]
    return "\n".join(lines)


def range_text(
    config: Config, output: pathlib.Path, lowest: float, highest: float, steps: int
) -> str:
    """Says what a range test would train."""
    run = config.run
    return (
        f"learning_rate: {steps:,} steps of {run.global_batch_size} pictures of "
        f"{config.data.source}, rates from {lowest:g} to {highest:g}, network "
        f"{config.network.name} in {run.precision}, in {str(output)!r}.\n"
        f"It trains on {steps * run.global_batch_size:,} pictures."
    )


def transfer_text(
    arguments: Arguments, layers: Iterable[str], source: str, num_pictures: int, num_classes: int
) -> str:
    """Says what a transfer would measure.

    Args:
      arguments: those of the experiment.
      layers: names of those to probe.
      source: where the pictures are.
      num_pictures: that take part.
      num_classes: of them.
    """
    per_class, folds = sorted({*arguments.per_class}), arguments.tune_folds
    lines = [
        f"transfer: {num_pictures:,} pictures of {num_classes} classes of {source}, in "
        f"{arguments.output!r}",
        f"frozen layers: {', '.join(layers)}; {' and '.join(map(str, per_class))} pictures a class "
        f"to train on, {arguments.folds} folds",
        f"The network sees {num_pictures:,} pictures for the frozen layers.",
    ]
    if folds:
        trained = 2 * folds * arguments.epochs * num_classes * sum(per_class)
        lines.append(
            f"From scratch and fine-tuned, in {folds} of the folds, {arguments.epochs} epochs: "
            f"{2 * folds * len(per_class)} trainings on at most {trained:,} pictures."
        )
    return "\n".join(lines)


def plan_text(
    experiment: Experiment, rows: tuple[Row, ...], seeds: int, output: pathlib.Path
) -> str:
    """Says what would be trained and how long that takes.

    Args:
      experiment: with the settings of the call.
      rows: those to train.
      seeds: how many of each.
      output: where finished rows are looked for.

    Raises:
      ValueError: the settings of a row are refused.
    """
    base, done = experiment.base, results.read(output, experiment.name)
    lines = [
        f"{experiment.name}: {experiment.title}",
        f"{len(rows)} rows, {seeds} seeds, {base.run.epochs:g} epochs of {base.data.source} in "
        f"{base.run.precision}, in {str(output)!r}",
    ]
    for row in rows:
        lines.append(row.name)
        for change in changes_of(experiment, row):
            lines += _wrapped(change)
    lines += textwrap.wrap(experiment.note, COLUMNS)
    jobs = [(part.name, GRID_SEED) for row in rows for part in row.tries]
    jobs += [(row.name, seed) for row in rows for seed in range(seeds)]
    missing = sum(done.find(*job) is None for job in jobs)
    lines += _refused(experiment, rows, done, output)
    minutes = experiment.minutes
    whence = f"as stated for {experiment.source} on 2 cores in float32"
    seconds = [x.seconds for x in done.finished if not x.failed]
    if seconds:
        minutes = statistics.median(seconds) / 60
        whence = f"the median of the {len(seconds)} that are finished here"
    lines.append(f"{len(jobs)} runs, of which {len(jobs) - missing} are finished.")
    if minutes is None and missing:
        lines.append("How long a run takes was not measured at this size.")
    elif missing:
        lines.append(f"About {_hours(missing * minutes)}: {minutes:.1f} minutes a run, {whence}.")
    return "\n".join(lines)


def _refused(
    experiment: Experiment, rows: tuple[Row, ...], done: results.Results, output: pathlib.Path
) -> list[str]:
    """Warns of what the call would be refused for, as far as that is known without data."""
    begun = results.begun_settings(output, experiment.name)
    if begun and differences(begun, experiment.config(Row(name="base"), 0, "")):
        return _wrapped(
            "A table was begun there with other settings, so this call will be refused: name "
            "another --output."
        )
    first = next(iter(done.of(experiment.rows[0].name)), None)
    steps = first and experiment.num_steps(first.data["train_num_examples"])
    for row in rows:
        for found in done.of(row.name):
            stored = json_form.from_json(found.settings)
            asked = row.with_rate(stored.optimizer.learning_rate) if row.rates else row
            changed = differences(stored, experiment.config(asked, found.seed, ""))
            if changed or (steps and steps != found.planned_steps):
                return _wrapped(
                    f"{row.name} with seed {found.seed} was trained with other settings there, so "
                    "this call will be refused: name another --output."
                )
    return []


def changes_of(experiment: Experiment, row: Row) -> list[str]:
    """Lists what a row changes, as "name: old -> new".

    Raises:
      ValueError: the settings of the row are refused.
    """
    base, config = experiment.base, experiment.config(row, experiment.base.run.seed, "")
    changes = [x for x in differences(base, config) if not x.startswith("network.layers:")]
    changes += _layer_changes(base.network.layers, config.network.layers)
    if row.rates:
        texts = ", ".join(f"{rate:g}" for rate in row.rates)
        changes.append(f"optimizer.learning_rate: the best of {texts}, each tried once")
    return changes


def _layer_changes(old: tuple[Layer, ...], new: tuple[Layer, ...]) -> list[str]:
    """Lists the values that differ between two tables of layers, and the rows that are new."""
    known, changes = {layer.name: layer for layer in old}, []
    for layer in new:
        before = known.get(layer.name)
        if before is None:
            changes.append(f"{layer.name}: new")
            continue
        for field in dataclasses.fields(layer):
            a, b = getattr(before, field.name), getattr(layer, field.name)
            if a != b:
                changes.append(f"{layer.name}.{field.name}: {to_text(a)} -> {to_text(b)}")
    return changes


def _hours(minutes: float) -> str:
    if minutes >= 90:
        return f"{minutes / 60:.1f} hours"
    return "a minute" if minutes < 1.5 else f"{minutes:.0f} minutes"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, COLUMNS, initial_indent="  ", subsequent_indent="    ", break_long_words=False
    )
