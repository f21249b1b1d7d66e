"""Trains the networks of a table and compares them: python -m alexnet_tf.experiment NAME.

`--list` says which there are. OUTPUT/rows.json keeps what is finished, OUTPUT/table.md and the
files beside it what came out. The last line of standard output is one JSON object (BUILD.md,
"JSON").
"""

import dataclasses
import json
import math
import os
import pathlib
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from alexnet_tf.command_line import flags, kinds
from alexnet_tf.config.fields import to_text
from alexnet_tf.config.optimizer import Schedule
from alexnet_tf.errors import UserError, expected_one_of, user_errors
from alexnet_tf.experiments import plan_text
from alexnet_tf.experiments.named import EXPERIMENTS
from alexnet_tf.experiments.table import GRID_SEED, Experiment, Size
from alexnet_tf.experiments.transfer import transfer
from alexnet_tf.experiments.transfer_settings import SHARED as TRANSFER_SHARED
from alexnet_tf.experiments.transfer_settings import Arguments as TransferArguments
from pipelines.typed import MOST

DESCRIPTION = "Trains the networks of a table, and says whether what a paper claims holds here."
SEEDS = 3
OUTPUTS = "runs/experiments"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure1Arguments:
    """Trains every row of a table with several seeds, and says which of its claims hold here.

    The same command goes on where it was stopped. Pictures are decoded once for all rows, into
    OUTPUT/squares, unless --data.cache says otherwise or the set is packed.
    """

    shared_default: ClassVar[str] = "the experiment's own"

    output: str = ""
    """Directory of the report, the finished rows and their runs. Default:
    runs/experiments/NAME."""
    seeds: int = SEEDS
    """Runs of each row, with the seeds 0, 1, and so on. More may be added later."""
    epochs: float = 0.0
    """Train every row for so many passes over the training set; 0 takes the experiment's own."""
    rows: tuple[str, ...] = ()
    """Train these rows alone, by name; by default all."""
    dry_run: bool = False
    """Say what would be trained, and how long it takes."""
    keep_checkpoints: bool = False
    """Keep the checkpoints of finished runs, which are large; their metrics stay anyway."""

    def __post_init__(self):
        """Refuses numbers outside their range."""
        if not 1 <= self.seeds <= GRID_SEED:
            raise ValueError(f"seeds={self.seeds}: expected 1 to {GRID_SEED} runs of each row.")
        if self.epochs < 0:
            raise ValueError(
                f"epochs={self.epochs:g}: expected a positive number, or 0 for the experiment's."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableArguments(Figure1Arguments):
    """Trains every row of a table with several seeds, and says which of its claims hold here.

    The same command goes on where it was stopped. Pictures are decoded once for all rows, into
    OUTPUT/squares, unless --data.cache says otherwise or the set is packed.
    """

    size: Size = Size.BENCH
    """bench: a smaller network and fewer epochs. full: the whole one, as its recipe says; of
    ablations, depth and data on a packed set (records:DIR) with the paper's own settings."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RangeArguments:
    """Trains while the learning rate rises from step to step, and suggests one (Smith 2015).

    It begins with new weights in OUTPUT/range-test, which it removes at the end: only the curve
    stays.
    """

    shared_default: ClassVar[str] = "the run's or the recipe's own"

    output: str = ""
    """Where the curve is written. Default: runs/experiments/learning_rate."""
    run_dir: str = ""
    """Take the settings of this run, never its weights; nothing is written there. By default those
    of --recipe, which is imagenette unless another is named."""
    lowest: float = 1e-5
    """The rate of the first step."""
    highest: float = 1.0
    """The rate of the last step, which is not reached where the loss runs away before."""
    steps: int = 200
    """Steps from the lowest rate to the highest."""
    dry_run: bool = False
    """Say what would be trained, and on how many pictures."""

    def __post_init__(self):
        """Refuses numbers outside their range."""
        is_rising = 0 < self.lowest < self.highest < MOST[float]
        if not (is_rising and self.highest / self.lowest < MOST[float]):
            raise ValueError(
                f"lowest={self.lowest:g}, highest={self.highest:g}: expected two positive rates, "
                f"the lower one first, below {MOST[float]:g} and less than that many times apart."
            )
        if self.steps < 20:
            raise ValueError(f"steps={self.steps}: expected at least 20, to see a curve.")


class Kind(NamedTuple):
    """What one name stands for."""

    arguments: type
    shared: tuple[str, ...]
    """Settings of a run that it takes."""
    main: Callable[[str, flags.Call], int]
    """From the name and the parsed command line to the exit code."""
    title: str = ""
    """For --list, where the experiment is no table."""


def table(name: str, call: flags.Call) -> int:
    """Runs an experiment that is a table of rows."""
    arguments = call.arguments
    output = pathlib.Path(arguments.output or os.path.join(OUTPUTS, name))
    experiment = _experiment(name, call, output)
    names = [row.name for row in experiment.rows]
    for row in arguments.rows:
        if row not in names:
            raise UserError(expected_one_of("rows", row, names))
    rows = tuple(x for x in experiment.rows if x.name in (arguments.rows or names))
    if arguments.dry_run:
        with user_errors():
            print(plan_text.plan_text(experiment, rows, arguments.seeds, output), flush=True)
        return 0
    from alexnet_tf.experiments.runner import Runner  # TensorFlow starts here

    runner = Runner(
        experiment, rows, arguments.seeds, output, _command(name, call), arguments.keep_checkpoints
    )
    is_command = MODULE in sys.orig_argv
    code = runner.run(RUNS_A_PROCESS if is_command else math.inf)
    if code is None:
        sys.stderr.flush()
        os.execv(sys.executable, sys.orig_argv)
    finished = runner.results.finished
    result = {
        "experiment": name,
        "output": str(output),
        "finished": sum(not x.failed for x in finished),
        "failed": [f"{x.row} with seed {x.seed}" for x in finished if x.failed],
        "verdicts": runner.verdicts,
    }
    print(json.dumps(result), flush=True)
    return code


def _command(name: str, call: flags.Call) -> str:
    """Writes the command line again, without what says where, and how much of a table."""
    values = {}
    for x in dataclasses.fields(call.arguments):
        value = getattr(call.arguments, x.name)
        says_something = value or value != x.default  # a 0 may switch off what is on by default
        if says_something and x.name not in WHERE_AND_HOW_MUCH:
            values[x.name] = value
    values |= call.typed
    texts = (shlex.quote(f"--{x}={to_text(value)}") for x, value in values.items())
    return " ".join([f"python -m alexnet_tf.experiment {name}", *texts])


def _experiment(name: str, call: flags.Call, output: pathlib.Path) -> Experiment:
    """Looks up an experiment and gives its base the settings of the call."""
    typed, size = dict(call.typed), getattr(call.arguments, "size", Size.BENCH)
    found = EXPERIMENTS[name](size, typed.get("data.source", ""))
    source, minutes = typed.get("data.source", found.base.data.source), found.minutes
    if "data.cache" not in typed and not source.startswith("records:"):
        typed = {"data.cache": "disk", "data.cache_dir": str(output / "squares")} | typed
    if call.arguments.epochs:
        times = call.arguments.epochs / found.base.run.epochs
        minutes *= times
        typed["epochs"] = call.arguments.epochs
        optimizer = found.base.optimizer
        if optimizer.schedule == Schedule.STEP:
            typed["optimizer.drop_epochs"] = tuple(times * x for x in optimizer.drop_epochs)
    if size == Size.FULL:
        minutes = None
    return dataclasses.replace(found, base=flags.override(found.base, typed), minutes=minutes)


def learning_rate(name: str, call: flags.Call) -> int:
    """Runs the range test."""
    from alexnet_tf.experiments import range_test  # TensorFlow starts here

    arguments = call.arguments
    output = pathlib.Path(arguments.output or os.path.join(OUTPUTS, name))
    config = call.override(range_test.settings(arguments.run_dir, call.typed.get("recipe", "")))
    about = config, output, arguments.lowest, arguments.highest, arguments.steps
    if arguments.dry_run:
        print(plan_text.range_text(*about), flush=True)
        return 0
    for setting in RANGE_SETS:
        if setting in call.typed:
            print(
                f"{setting}={to_text(call.typed[setting])} changes nothing here; --lowest, "
                "--highest and --steps say how the rate rises. Leave it out.",
                file=sys.stderr,
                flush=True,
            )
    code, found = range_test.run_range(*about)
    if found:  # nothing after a signal
        print(json.dumps({"experiment": name, "output": str(output)} | found), flush=True)
    return code


def transfer_of_features(name: str, call: flags.Call) -> int:
    """Runs the transfer of features."""
    code, found = transfer(call.arguments, call.override, _command(name, call))
    if found:  # nothing where a training was stopped
        print(json.dumps({"experiment": name, "output": call.arguments.output} | found), flush=True)
    return code


MODULE = "alexnet_tf.experiment"
RUNS_A_PROCESS = 5
"""Then the command starts itself again: TensorFlow keeps what it compiled, 0.2 GB a run."""
WHERE_AND_HOW_MUCH = ("output", "seeds", "rows", "dry_run", "keep_checkpoints")
TABLE_SHARED = ("data.source", "data.held_out", "data.on_error", "data.max_megapixels")
TABLE_SHARED += ("data.cache", "data.cache_dir", "data.stage")
TABLE_SHARED += ("devices", "precision", "deterministic")
RANGE_SETS = ("schedule", "learning_rate", "drop_factor", "warmup_epochs", "drop_epochs")
RANGE_SETS = tuple(f"optimizer.{x}" for x in (*RANGE_SETS, "max_drops", "patience_epochs"))
"""What a range test decides itself."""
RANGE_SHARED = ("recipe", "network", "data", "optimizer", "global_batch_size", "seed")
RANGE_SHARED += ("devices", "precision", "deterministic")

KINDS = dict.fromkeys(EXPERIMENTS, Kind(TableArguments, TABLE_SHARED, table)) | {
    "figure1": Kind(Figure1Arguments, TABLE_SHARED, table),
    "learning_rate": Kind(
        RangeArguments,
        RANGE_SHARED,
        learning_rate,
        "The loss while the learning rate rises, and a rate to begin with; 200 steps, a minute or "
        "two on 2 cores",
    ),
    "transfer": Kind(
        TransferArguments,
        TRANSFER_SHARED,
        transfer_of_features,
        "What features are worth on other classes; minutes for a few thousand pictures and frozen "
        "layers on 2 cores, and 8 epochs of the whole network for each training",
    ),
}
"""What can be run, by name."""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    if [*argv[:1]] == ["--list"]:
        if argv[1:]:
            raise UserError(f"{argv[1]}: expected nothing behind --list. Leave it out.")
        others = {name: kind.title for name, kind in KINDS.items() if kind.title}
        print(plan_text.list_text(others, SEEDS), flush=True)
        return 0
    arguments = {name: kind.arguments for name, kind in KINDS.items()}
    shared = {name: kind.shared for name, kind in KINDS.items()}
    titles = {
        name: kind.title or EXPERIMENTS[name](Size.BENCH, "").title for name, kind in KINDS.items()
    }
    about = f"{DESCRIPTION} --list says more."
    called = kinds.parse(argv, "name", arguments, shared, about, titles)
    if called is None:
        return 0
    name, call = called
    return KINDS[name].main(name, call)


if __name__ == "__main__":
    flags.run_command(main)
