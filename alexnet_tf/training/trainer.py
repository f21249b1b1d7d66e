"""The loop: when to step, evaluate, save, log, stop. One loop for all strategies.

The length of a launch changes no result: log lines and evaluations are due at fixed steps, sums are
passed from launch to launch, and order, augmentation and dropout are functions of the step.
"""

import pathlib
import time

import keras

from alexnet_tf.config.optimizer import Schedule
from alexnet_tf.config.run import Config
from alexnet_tf.errors import NotFinite
from alexnet_tf.training import checkpoint, run_directory, signals, versions
from alexnet_tf.training.cadence import Cadence
from alexnet_tf.training.checkpoint_writer import CheckpointWriter
from alexnet_tf.training.counts import Counts
from alexnet_tf.training.device_loop import Launcher, carried
from alexnet_tf.training.evaluation import report
from alexnet_tf.training.sinks.sinks import NoSinks, Sinks
from alexnet_tf.training.state import Progress, TrainState, evaluate
from alexnet_tf.training.strategy import device_names
from alexnet_tf.training.task import Task
from alexnet_tf.training.timer import Timer
from alexnet_tf.training.workers import Workers
from pipelines.dataset import DrawVersions

LAUNCH_SECONDS = 1.0
"""How long a launch should last at most, where a step is shorter than that."""


class Trainer:
    """One run in one directory, from its last checkpoint to its end.

    Args:
      config: resolved settings: `network.num_classes` and `network.input.mean` are known.
      task: what is learned and counted.
      strategy: the distribution strategy; everything with variables is built inside its scope.
      sources: the training and the validation Source.
      run_dir: an existing directory that this process has locked.
      workers: all workers of the run; the chief restores, writes and decides when.
      callbacks: Keras callbacks, called as by `fit`, with a launch as a batch.

    Attributes:
      cadence: at which steps something is due.
      state: network, optimizer and progress, restored from the last checkpoint if there is one.
      remark: a sentence about what differs since that checkpoint, or None.
    """

    def __init__(
        self,
        config: Config,
        task: Task,
        strategy,
        sources,
        run_dir: pathlib.Path,
        workers: Workers,
        callbacks=(),
    ):
        """Builds the network; the chief restores the last checkpoint, if there is one."""
        self.config, self.task, self.strategy, self.run_dir = config, task, strategy, run_dir
        self.workers = workers
        self.train_source, self.val_source = sources
        self.cadence = Cadence(config, self.train_source.num_examples)
        self._versions = versions.versions(device_names(strategy) * workers.count, config.run)
        self.state = TrainState(config, strategy)
        self.state.progress.sums = task.zero
        self._saved_step: int | None = None
        self.remark: str | None = None
        with workers.together():
            self.remark = self._restore() if workers.is_chief else None
        self.callbacks = keras.callbacks.CallbackList(list(callbacks), model=self.state.model)
        self._evaluator = task.evaluator(self.state.model, self.val_source, strategy)
        self._open_epoch: int | None = None
        self._training: dict = {}
        self.timer = Timer()

    def follow_chief(self) -> None:
        """Takes weights, momenta and progress of the chief, which may have restored them."""
        state = self.state
        said = self.workers.from_chief(
            lambda: {
                "progress": state.progress.to_json(),
                "draw_versions": state.draw_versions,
                "saved_step": self._saved_step,
            }
        )
        state.progress = Progress.from_json(said["progress"])
        state.draw_versions = DrawVersions(*said["draw_versions"])
        self._saved_step = said["saved_step"]
        if self._saved_step is not None or self.config.run.start_from:  # else all drew the same
            self.workers.copy_from_chief(state.variables())

    def run(self, sinks: Sinks | NoSinks, signals: signals.Signals) -> int:
        """Trains until the end, or until a signal comes.

        Args:
          sinks: take lines and pictures.
          signals: read between launches; one worker's stop all.

        Returns:
          the exit code: 0 at the end of the run, 129, 130 or 143 after a signal.

        Raises:
          RunFailed: a loss or weight is not finite (NotFinite), or a checkpoint cannot be written.
          UserError: an example cannot be decoded and `data.on_error` is fail.
        """
        with CheckpointWriter(self.run_dir / "checkpoints") as self._writer:
            return self._run(sinks, signals)

    def _run(self, sinks: Sinks | NoSinks, signals: signals.Signals) -> int:
        """Trains as `run` says; what is being written at the end is waited for there."""
        self._sinks, progress = sinks, self.state.progress
        self.state.begin()
        self._launch = Launcher(
            self.task, self.state, self.config, self.strategy, self.train_source
        )
        with self.workers.together():
            if self.workers.is_chief:
                directory = self.run_dir / "checkpoints"
                num_to_keep = self.cadence.num_still_to_keep(progress.step)
                needed = checkpoint.needed_bytes(directory, self.state.arrays(), num_to_keep)
                run_directory.check_space(self.run_dir, needed)
        self.timer.start(int(self.sums.seen))
        if self._saved_step is None and self.config.run.start_from:
            self._save()  # from here on the run needs nothing of what it started from
        self.state.model.stop_training = False
        self.callbacks.on_train_begin()
        while True:
            if self._is_evaluation_due():
                with self.workers.noting():
                    if self._saved_step != progress.step:
                        self._save()  # first: whatever happens meanwhile, the steps are safe
                with self.workers.noting():
                    self._evaluate(signals)
            is_stopped = self._is_evaluation_due()  # still: a signal came meanwhile
            ends_epoch = self._open_epoch is not None and self.cadence.ends_epoch(progress.step)
            if ends_epoch and not is_stopped:
                self.callbacks.on_epoch_end(self._open_epoch, self._epoch_logs())
                self._open_epoch = None
            heard = self.workers.tell(
                {
                    "exit_code": signals.exit_code or 0,
                    "stops": bool(self.state.model.stop_training),
                    "fitting_steps": self.config.run.steps_per_launch
                    or self.timer.steps_in(LAUNCH_SECONDS),
                }
            )
            exit_code = max(worker["exit_code"] for worker in heard)
            is_over = self.is_finished() or any(worker["stops"] for worker in heard)
            if is_stopped or is_over or exit_code:
                break
            self._make_steps(heard[0]["fitting_steps"])
            with self.workers.noting():  # no worker waits for a save: reading weights is no sum
                self._writer.check()
                is_late = self.timer.seconds_since_save() > self.config.run.save_every_seconds
                if is_late or self.cadence.kept_epoch(progress.step):
                    self._save()
        with self.workers.together():  # who left while the chief still writes would seem lost
            self.callbacks.on_train_end()
            if self._saved_step != progress.step or self.callbacks.callbacks:
                self._save()  # callbacks may have changed the weights since
            self._writer.wait()
        return 0 if is_over and not is_stopped else exit_code

    def is_finished(self) -> bool:
        """Tells whether the run is at its end."""
        return self.cadence.is_finished(self.state.progress)

    @property
    def sums(self) -> Counts:
        """Sums since the last line of training metrics."""
        return self.task.counts(*self.state.progress.sums)

    def _make_steps(self, most: int) -> None:
        """Runs the steps up to the next event, at most `most`."""
        progress = self.state.progress
        event = self.cadence.next_event(progress.step)
        first, last = progress.step + 1, min(event, progress.step + most)
        if self._open_epoch is None:
            self._open_epoch = self.cadence.epochs_done(progress.step)
            self.callbacks.on_epoch_begin(self._open_epoch)
        self.callbacks.on_train_batch_begin(first - 1)
        rates = [self.cadence.learning_rate(x, progress.plateau) for x in range(first, last + 1)]
        state = carried(self.sums, progress.loss_scale, progress.good_steps)
        state, said = self._launch(first, rates, state)
        data = self.config.data
        if state.sums.skipped > self.sums.skipped:  # of all workers: none may save such a step
            with self.workers.together():
                report(said.undecoded, self.train_source, data, data.service)
        if said.bad_step:
            raise NotFinite(
                f"step={said.bad_step}: the loss is not finite. Earlier checkpoints are as "
                "they were; start in another --run_dir with a lower --optimizer.learning_rate, or "
                "with more --optimizer.warmup_epochs."
            )
        progress.step = last
        progress.sums = tuple(float(x) for x in state.sums)
        progress.loss_scale = float(state.scale.value)
        progress.good_steps = int(state.scale.good_steps)
        self.timer.add(len(rates), said.seconds, said.waited_seconds)
        speed = self.timer.steps_per_second() * self.config.run.global_batch_size
        loss = self.sums.loss / max(self.sums.seen, 1)
        self._sinks.progress(last, speed, loss)
        if last == event:
            self._log_training(rates[-1])
        self.callbacks.on_train_batch_end(last - 1, {"loss": loss})

    def _is_evaluation_due(self) -> bool:
        """Tells whether this step ends an epoch to evaluate, or the run, and was not evaluated."""
        progress = self.state.progress
        if progress.step == 0 or progress.evaluated_step == progress.step:
            return False
        return self.cadence.is_scheduled(progress.step) or progress.step >= self.cadence.num_steps

    def _log_training(self, rate: float) -> None:
        """Writes a line about the steps since the last one, and starts new sums."""
        progress = self.state.progress
        progress.seen += int(self.sums.seen)
        progress.skipped += int(self.sums.skipped)
        self._training = values = self.task.figures(self.sums)
        progress.sums = self.task.zero
        line = {f"train/{name}": value for name, value in values.items()}
        self._write(line | {"train/learning_rate": rate} | self.timer.lap(values["seen"]))

    def _evaluate(self, signals: signals.Signals) -> None:
        """Evaluates, unless a signal comes; updates the plateau schedule and the best."""
        progress = self.state.progress
        began = time.monotonic()
        self.callbacks.on_test_begin()
        workers = self.workers
        result = evaluate(
            self.state, lambda: self._evaluator(lambda: workers.stops(signals), workers.noting)
        )
        if result is None:
            return
        workers.tell({})  # a mistake in the last batch: then it is to be made again
        self.callbacks.on_test_end(result)
        error = result[self.task.best_when_low]
        # The end of a run that is extended later is no evaluation of the longer run.
        is_scheduled = self.cadence.is_scheduled(progress.step)
        progress.evaluated(result, error, is_scheduled)
        if is_scheduled and self.config.optimizer.schedule == Schedule.PLATEAU:
            progress.plateau = progress.plateau.after(error, self.config.optimizer)
        seconds = time.monotonic() - began
        self.timer.leave_out(seconds)
        line = {f"eval/{name}": value for name, value in result.items()}
        self._write(line | {"time/seconds": self.timer.seconds(), "time/evaluation": seconds})
        self._sinks.show_weights(self.state.model, progress.step)
        progress.metrics_bytes = self._sinks.flush()
        if self.workers.is_chief:
            began = time.monotonic()
            self._writer.mark_evaluated(progress.to_json())
            self.timer.leave_out(time.monotonic() - began)

    def _epoch_logs(self) -> dict:
        """Makes the logs for Keras callbacks: the last training line, evaluations under val_."""
        evaluation = self.state.progress.evaluation or {}
        return self._training | {f"val_{name}": value for name, value in evaluation.items()}

    def _write(self, values: dict) -> None:
        step = self.state.progress.step
        line = {"step": step, "epoch": self.cadence.epoch_of(step)} | values
        self._sinks.write({name: value for name, value in line.items() if value is not None})

    def _save(self) -> None:
        """Flushes the metrics, then begins to write a checkpoint, if this is the chief."""
        self._saved_step = self.state.progress.step
        if not self.workers.is_chief:
            return
        began = time.monotonic()
        self.state.progress.metrics_bytes = self._sinks.flush()
        self._writer.save(
            self.state.snapshot(),
            self.config,
            self.train_source.classes,
            self.state.progress.to_json(),
            self._versions | versions.of_draws(self.state.draw_versions),
            self.cadence.kept_epoch(self._saved_step),
        )
        self.timer.saved()
        self.timer.leave_out(time.monotonic() - began)

    def _restore(self) -> str | None:
        """Restores the last checkpoint; returns a remark if versions differ."""
        checkpoint.clean(self.run_dir / "checkpoints")
        last = checkpoint.read_last(self.run_dir / "checkpoints")
        if last is None:
            return None
        remark = versions.check_versions(last.versions, self._versions)
        self.state.draw_versions = versions.draws_of(last.versions)
        try:
            self.state.progress = Progress.from_json(last.progress)
            self.task.counts(*self.state.progress.sums)  # as many as the task has
            self.state.assign(last.arrays())
        except (KeyError, TypeError, ValueError) as error:
            raise checkpoint.damaged(last.path, error) from error
        self._saved_step = last.step
        return remark
