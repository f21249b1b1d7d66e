"""Several steps in one call of one graph, for every strategy."""

import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import Config
from alexnet_tf.training import evaluation
from alexnet_tf.training.counts import Counts
from alexnet_tf.training.state import TrainState
from alexnet_tf.training.steps import Scale
from alexnet_tf.training.strategy import device_names, distribute, share
from alexnet_tf.training.task import Task
from pipelines.dataset import Batch, train_dataset


class Carried(NamedTuple):
    """What one launch passes to the next; stored in checkpoints, so launches change no result."""

    sums: Counts
    """Sums since the last line of training metrics."""
    scale: Scale
    """The loss scale of float16."""


class Report(NamedTuple):
    """What a launch reports about its steps, besides what it passes on."""

    bad_step: int
    """The first step whose loss was not finite; 0 where all were."""
    undecoded: np.ndarray
    """int64 [any]; examples that could not be decoded."""
    seconds: float
    """Duration of the launch."""
    waited_seconds: float | None
    """The part of it spent waiting for batches, measured in the graph. None on a GPU, which would
    have to stop at each step for the host's clock, and for a deterministic run, whose graphs may
    not read a clock (TF 2.21)."""


def _may_read_clock() -> bool:
    """Tells whether graphs of this process may read the clock.

    They may not once TensorFlow's determinism is on, which lasts, whichever run it was meant for.
    """
    try:
        tf.timestamp()
    except tf.errors.FailedPreconditionError:
        return False
    return True


class Launcher:
    """Runs several steps without the host in between.

    Args:
      task: what a step does and counts.
      state: network and optimizer, built inside the strategy's scope, how far they have come, and
        versions of draws.
      config: the run's settings.
      strategy: the distribution strategy.
      source: the training Source.
    """

    def __init__(self, task: Task, state: TrainState, config: Config, strategy, source):
        """Starts reading; the graph is built at the first call."""
        first_position = state.progress.step * config.run.global_batch_size
        rows = config.run.global_batch_size // strategy.num_replicas_in_sync
        if config.data.service:
            num_examples = source.num_examples
            first_position = state.progress.begin_epoch_anew(first_position, num_examples)
        dataset = distribute(
            strategy,
            lambda: train_dataset(
                source,
                config.data,
                config.network.input,
                config.run.seed,
                first_position,
                rows,
                state.draw_versions,
                share(strategy, rows),
            ),
        )
        are_cpus = all(name.startswith("CPU") for name in device_names(strategy))
        self._has_clock = are_cpus and _may_read_clock()
        self._graph = _graph(task, state, strategy, iter(dataset), self._has_clock)

    def __call__(
        self, first_step: int, rates: list[float], carried: Carried
    ) -> tuple[Carried, Report]:
        """Runs one step for each learning rate.

        Args:
          first_step: number of the first step, from 1.
          rates: learning rates of the steps.
          carried: what the last launch returned.
        """
        began = time.monotonic()
        carried, bad_step, undecoded, waited = self._graph(
            tf.constant(first_step, tf.int64), tf.constant(rates, tf.float32), carried
        )
        undecoded = undecoded.numpy()  # waits for the device
        seconds = time.monotonic() - began
        waited = float(waited) if self._has_clock else None
        return carried, Report(int(bad_step), undecoded, seconds, waited)


def _graph(task: Task, state: TrainState, strategy, iterator, has_clock: bool):
    """Makes the tf.function of a Launcher; one graph for any number of steps."""
    signature = Carried(
        task.counts(*[tf.TensorSpec([], tf.float64)] * len(task.zero)),
        Scale(tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.int64)),
    )

    @tf.autograph.experimental.do_not_convert
    def one_step(batch, step, scale, arrived):
        if has_clock:
            with tf.control_dependencies([arrived]):  # beside the step it may be read after it
                batch = Batch(*[tf.identity(part) for part in batch])
        sums, scale = task.train_step(state, batch, step, scale)
        return tf.stack(sums), scale  # as one, since workers sum over a network

    @tf.function(
        input_signature=[tf.TensorSpec([], tf.int64), tf.TensorSpec([None], tf.float32), signature],
        autograph=True,  # of this function alone: it is the only one with a loop of Python's
    )
    def launch(first_step, rates, carried):
        waited = tf.zeros([], tf.float64)
        bad_step = tf.zeros([], tf.int64)
        undecoded = tf.zeros([0], tf.int64)
        for i in tf.range(tf.shape(rates)[0]):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(undecoded, tf.TensorShape([None]))]
            )
            # What an iteration hands to the next is there when all its work is done, the weights'
            # last update too.
            asked = _time_after([carried.sums.loss], has_clock)
            with tf.control_dependencies([asked]):
                batch = next(iterator)
            arrived = _time_after(strategy.experimental_local_results(batch.mask), has_clock)
            waited += arrived - asked
            step = first_step + tf.cast(i, tf.int64)
            state.optimizer.learning_rate.assign(rates[i])
            parts, scales = strategy.run(one_step, (batch, step, carried.scale, arrived))
            new = tf.unstack(strategy.reduce("sum", parts, axis=None), num=len(task.zero))
            sums = task.counts(*[a + b for a, b in zip(carried.sums, new, strict=True)])
            scale = Scale(*[strategy.experimental_local_results(part)[0] for part in scales])
            carried = Carried(sums, scale)
            if bad_step == 0 and not tf.math.is_finite(sums.loss):
                bad_step = step
            undecoded = tf.concat([undecoded, evaluation.find_undecoded(strategy, batch)], axis=0)
        return carried, bad_step, undecoded, waited

    return launch


def _time_after(tensors, has_clock: bool) -> tf.Tensor:
    """Reads the clock once `tensors` are computed; 0 without a clock."""
    if not has_clock:
        return tf.zeros([], tf.float64)
    with tf.control_dependencies([tf.identity(tensor) for tensor in tensors]):
        return tf.timestamp()


def carried(sums: Counts, loss_scale: float, good_steps: int) -> Carried:
    """Makes a Carried of numbers from a checkpoint."""
    return Carried(
        type(sums)(*[tf.constant(x, tf.float64) for x in sums]),
        Scale(tf.constant(loss_scale, tf.float32), tf.constant(good_steps, tf.int64)),
    )
