"""Trains the rows of an experiment one after the other, each an ordinary run, and keeps the table.

A row is stored before its checkpoints are removed, and the report is made of what is stored. So a
kill at any moment loses nothing but steps since the last checkpoint.

Processes may share a table, each on its own cores or GPU. A run belongs to the process that locked
it first; the others pass over it and look at it again when they have nothing else to do.
"""

import contextlib
import gc
import math
import pathlib
import shutil
import sys
import time
from collections.abc import Iterator

import alexnet_tf
from alexnet_tf.config.run import Config
from alexnet_tf.directory_lock import InUse, Lock
from alexnet_tf.errors import NotFinite, UserError, listed, user_errors
from alexnet_tf.experiments import measures, report, results
from alexnet_tf.experiments.results import Finished
from alexnet_tf.experiments.table import GRID_SEED, Experiment, Measure, Row
from alexnet_tf.training.run import identity, open_sources
from pipelines.sources.apart import check_pictures_apart


class Runner:
    """Runs an experiment in a directory.

    Args:
      experiment: with the settings of the call in its base.
      rows: those to train.
      seeds: how many of each.
      output: the directory; other processes may work there.
      command: what was typed, for the report.
      keep_checkpoints: leave those of finished runs.

    Attributes:
      results: what is finished.
      verdicts: a sentence for each row, of the last report.

    Raises:
      UserError: a finished row of this table, asked for or not, was trained with other settings,
        the data of a row cannot be opened, or the directory cannot be written.
      RunFailed: the file of finished rows is damaged.
    """

    def __init__(
        self,
        experiment: Experiment,
        rows: tuple[Row, ...],
        seeds: int,
        output: pathlib.Path,
        command: str = "",
        keep_checkpoints: bool = False,
    ):
        """Compares what is finished with the table, and opens the data of what is asked for."""
        self._experiment, self._rows, self._seeds = experiment, rows, seeds
        self._output, self._keeps = output, keep_checkpoints
        self._command = command or f"python -m alexnet_tf.experiment {experiment.name}"
        self._known_data: dict[tuple, dict] = {}
        self.verdicts: dict[str, str] = {}
        if (output / "config.json").exists():
            raise UserError(
                f"output={str(output)!r} holds a run, where no table can be; expected another "
                "directory. Name one with --output."
            )
        with user_errors():
            check_pictures_apart(str(output), experiment.base.data.source)
        self._table_lock().release()  # which refuses a directory that cannot be written
        self._read()
        base = self._experiment.config(Row(name="base"), 0, "")
        about = base, self._data(base), self._planned_steps(Row(name="base"), 0)
        with self._table_lock():
            results.check_begun(output, experiment.name, *about)
        for row in rows:
            for seed in range(seeds):
                self._data(self._experiment.config(row, seed, ""))

    def run(self, most: float = math.inf) -> int | None:
        """Trains what is missing.

        Args:
          most: runs to train.

        Returns:
          the exit code: 0, 1 where a row failed, 129, 130 or 143 after a signal. None where more is
          missing than `most`.

        Raises:
          UserError: a mistake in the settings or in the data.
          RunFailed: a file cannot be written.
        """
        has_trained = True
        while has_trained:  # runs of others may have ended meanwhile, which more depends on
            has_trained = False
            for row, seed in self._jobs():
                with self._claimed(row, seed) as is_ours:
                    if not is_ours:
                        continue
                    if not self._is_finished(row, seed):
                        if not most:
                            return None
                        most -= 1
                        code, finished = self._train(row, seed)
                        if finished is None:
                            return code
                        self._keep(finished)
                        has_trained = True
                    self._clean(row, seed)
        with self._table_lock():
            self._read()
            self._report()
        self._say_left()
        asked = {row.name for row in self._rows}
        return int(any(x.failed for x in self.results.finished if x.row in asked))

    def _table_lock(self) -> Lock:
        """Keeps the other processes from the file of finished rows and from the report."""
        return Lock(self._output, "output", "table.lock", waits=True)

    @contextlib.contextmanager
    def _claimed(self, row: Row, seed: int) -> Iterator[bool]:
        """Keeps the other processes from a run; tells whether none of them has it."""
        run_dir = self._run_dir(row, seed)
        try:
            lock = Lock(run_dir.parent, "output", f"{run_dir.name}.lock")
        except InUse:
            yield False
            return
        with lock:
            yield True

    def _is_finished(self, row: Row, seed: int) -> bool:
        """Looks for a run among those that are known, then among those of other processes."""
        if not self.results.find(row.name, seed):
            self._read()
        return self.results.find(row.name, seed) is not None

    def _read(self) -> None:
        """Reads what this and other processes have finished, and compares it with the table."""
        self.results = results.read(self._output, self._experiment.name)
        for row in self._experiment.rows:
            for part in (*row.tries, self._with_best_rate(row)):
                for found in self.results.of(part.name):
                    self._check(part, found.seed)
        results.check_pictures(self.results.finished, self._output)

    def _keep(self, finished: Finished) -> None:
        """Adds a finished run to the table."""
        with self._table_lock():
            self._read()
            new = self.results.plus(finished)
            results.check_pictures(new.finished, self._output)
            self.results = new
            results.write(self._output, self._experiment.name, new)
            self._report()

    def _say_left(self) -> None:
        """Says which runs other processes are still training."""
        planned = [(row.name, seed) for seed in range(self._seeds) for row in self._rows]
        left = [
            f"{row} with seed {seed}" for row, seed in planned if not self.results.find(row, seed)
        ]
        if left:
            print(
                f"{self._experiment.name}: left to other processes, which train in "
                f"{str(self._output)!r}: {listed(left)}. The last of them writes the whole report.",
                file=sys.stderr,
                flush=True,
            )

    def _report(self) -> None:
        self.verdicts = report.write(self._experiment, self.results, self._output, self._command)

    def _jobs(self) -> Iterator[tuple[Row, int]]:
        """Yields rows with their seeds: the first seed of every row, then the second, and so on.

        Rows whose rate is still to be chosen are left out until all of their tries are finished.
        """
        for row in self._rows:
            for part in row.tries:
                yield part, GRID_SEED
                if not self.results.find(part.name, GRID_SEED):
                    break  # another process has it; how long the next are depends on it
        for seed in range(self._seeds):
            for row in self._rows:
                if all(self.results.find(part.name, GRID_SEED) for part in row.tries):
                    yield self._with_best_rate(row), seed

    def _with_best_rate(self, row: Row) -> Row:
        """Chooses the rate whose try reached the error first; none where none has."""
        tries = [self.results.find(part.name, GRID_SEED) for part in row.tries]
        ends = [x.epochs_to if x and x.epochs_to else math.inf for x in tries]
        if min(ends, default=math.inf) == math.inf:
            return row
        return row.with_rate(row.rates[ends.index(min(ends))])

    def _run_dir(self, row: Row, seed: int) -> pathlib.Path:
        return self._output / "runs" / row.name / f"seed-{seed}"

    def _planned_steps(self, row: Row, seed: int) -> int:
        """Computes the length of a run: the base's; of a try little more than the best before took.

        That is a window and a half more, so that one which is as good is seen to be.
        """
        base = self._experiment.config(Row(name="base"), seed, "")
        num_examples = self._data(base)["train_num_examples"]
        before = []
        for rival in self._experiment.rows:
            names = [part.name for part in rival.tries]
            if row.name in names:
                before = [self.results.find(x, GRID_SEED) for x in names[: names.index(row.name)]]
        ends = [x.epochs_to for x in before if x and x.epochs_to]
        whole, run = self._experiment.num_steps(num_examples), base.run
        if not ends:
            return whole
        window = run.log_every_steps
        steps = min(ends) * num_examples / run.global_batch_size + 1.5 * window
        return min(whole, math.ceil(steps / window) * window)

    def _config(self, row: Row, seed: int) -> Config:
        run_dir = str(self._run_dir(row, seed))
        return self._experiment.config(row, seed, run_dir, self._planned_steps(row, seed))

    def _data(self, config: Config) -> dict:
        """Describes the pictures of a run; looks at each set once."""
        data = config.data
        is_drawn = data.train_part < 1 or data.source == "shapes"
        seed = config.run.seed if is_drawn else None
        key = (data.source, data.held_out, data.train_part, seed)
        if key not in self._known_data:
            self._known_data[key] = identity(*open_sources(config))
        return self._known_data[key]

    def _check(self, row: Row, seed: int) -> None:
        """Compares a row with what is stored of it; the length of a try hangs on other tries."""
        config, found = self._config(row, seed), self.results.find(row.name, seed)
        steps = found.planned_steps if seed == GRID_SEED else config.run.steps
        results.check_same(found, config, self._data(config), steps, self._output)

    def _train(self, row: Row, seed: int) -> tuple[int, Finished | None]:
        """Trains one row, or goes on with it; the exit code, and None after a signal."""
        config, began = self._config(row, seed), time.monotonic()
        print(f"{self._experiment.name}: {row.name}, seed {seed}", file=sys.stderr, flush=True)
        values = {"row": row.name, "seed": seed, "version": alexnet_tf.__version__}
        values["command"] = self._command
        values |= {"planned_steps": config.run.steps, "settings": results.settings_text(config)}
        values["data"] = self._data(config)
        if row.rates:
            return 0, Finished(**values, failed=self._no_rate(row), seconds=0.0)
        try:
            to_an_error = self._experiment.measure == Measure.EPOCHS_TO
            measure = measures.epochs_to if to_an_error else measures.errors
            code, measured = measure(self._experiment, config, values["data"])
        except NotFinite as error:
            # Without the step: a checkpoint that is due finds weights a step before the loss does.
            code, measured = 0, {"failed": "the loss is not finite"}
            print(error, file=sys.stderr, flush=True)
        finally:
            gc.collect()  # what this row's graphs hold
        if code:
            return code, None
        return 0, Finished(**values, **measured, seconds=time.monotonic() - began)

    def _no_rate(self, row: Row) -> str:
        """Says that no rate of a grid is good enough."""
        rates = ", ".join(f"{x:g}" for x in row.rates)
        said = (
            f"no learning rate of {rates} reached {self._experiment.reached:.0%} training error "
            f"within {self._experiment.base.run.epochs:g} epochs"
        )
        print(f"{row.name}: {said}", file=sys.stderr, flush=True)
        return said

    def _clean(self, row: Row, seed: int) -> None:
        """Removes the checkpoints of a finished run."""
        if not self._keeps:
            shutil.rmtree(self._run_dir(row, seed) / "checkpoints", ignore_errors=True)
