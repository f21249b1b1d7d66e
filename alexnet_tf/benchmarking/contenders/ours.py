"""What this project does, as work to be measured."""

import dataclasses

import tensorflow as tf

from alexnet_tf.benchmarking.contenders import on_tensorflow
from alexnet_tf.benchmarking.sources import of_spec
from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work, synthetic
from alexnet_tf.config.run import Config, StrategyName
from alexnet_tf.training import device_loop, parts, steps
from alexnet_tf.training.state import FIRST_LOSS_SCALE, TrainState
from alexnet_tf.training.strategy import make_strategy
from alexnet_tf.training.task import classification
from alexnet_tf.training.trainer import LAUNCH_SECONDS
from pipelines.cache import in_memory
from pipelines.dataset import Batch, train_dataset
from pipelines.preprocess import preprocess
from pipelines.source import Source

LEAST_LOOP_STEPS = 4
"""Of a round that reads data: a batch more or less that is ready in advance changes little."""


def step(spec: Spec) -> Work:
    """Measures the step of `train` on one device, or on two towers."""
    return step_of(spec.config, make_strategy(spec.config.run))


def mirrored(spec: Spec) -> Work:
    """Measures the same step, each batch shared among all GPUs, or two logical CPUs.

    Raises:
      UserError: there is one GPU.
    """
    run = dataclasses.replace(
        spec.config.run, strategy=StrategyName.MIRRORED, devices=on_tensorflow.devices_of(2)
    )
    return step_of(dataclasses.replace(spec.config, run=run), make_strategy(run))


def step_of(config: Config, strategy: tf.distribute.Strategy) -> Work:
    """Measures the step of a strategy on a batch on its devices; as in `train`, many a launch.

    Raises:
      UserError: the replicas cannot share the batch.
    """
    parts.check(config, strategy.num_replicas_in_sync)
    state = TrainState(config, strategy)
    scale = steps.Scale(tf.constant(FIRST_LOSS_SCALE), tf.constant(0, tf.int64))
    batch = _batch(config, strategy)

    @tf.autograph.experimental.do_not_convert  # as in the launch of a run
    def one_step(batch, number):
        return steps.train_step(state, config, batch, number, scale)[0].loss

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)] * 2)
    def many(first, last):
        loss = tf.zeros([], tf.float64)
        for number in tf.range(first, last):
            losses = strategy.run(one_step, (batch, number))
            loss += strategy.reduce("sum", losses, axis=None)
        return loss

    done = 0

    def run(num_steps: int) -> None:
        nonlocal done
        many(done + 1, done + 1 + num_steps)
        done += num_steps

    if config.run.strategy != StrategyName.MULTI_WORKER:
        wait = tf.test.experimental.sync_devices
    else:  # this would reach for the other workers' devices, and cannot (TF 2.21)
        wait = state.model.trainable_variables[-1].numpy
    device, rows = on_tensorflow.device_of(strategy), config.run.global_batch_size
    return on_tensorflow.work(device, rows, run, wait=wait)


def _batch(config: Config, strategy: tf.distribute.Strategy):
    """Copies each replica's rows of the batch that all contenders use to its device."""
    images, labels = synthetic(config)
    devices = strategy.extended.worker_devices
    rows = len(labels) // strategy.num_replicas_in_sync

    def part(context: tf.distribute.experimental.ValueContext) -> Batch:
        replica = context.replica_id_in_sync_group
        own = slice(replica * rows, (replica + 1) * rows)
        with tf.device(devices[replica % len(devices)]):
            return Batch(
                image=tf.constant(images[own]),
                shift=tf.zeros([rows, 3]),
                label=tf.constant(labels[own]),
                mask=tf.ones([rows], tf.bool),
                index=tf.range(own.start, own.stop, dtype=tf.int64),
            )

    return strategy.experimental_distribute_values_from_function(part)


def inference(spec: Spec) -> Work:
    """Measures the forward pass, as `evaluate` and an exported model run it."""
    config, strategy = spec.config, make_strategy(spec.config.run)
    device = on_tensorflow.device_of(strategy)
    model = TrainState(config, strategy).model
    images, _ = on_tensorflow.batch_on(device, config)

    @tf.function(autograph=False)
    def forward():
        def on_replica():
            return model(preprocess(images, config.network.input), training=False)

        return strategy.run(on_replica)

    return on_tensorflow.repeated(device, config.run.global_batch_size, forward)


def loop_in_memory(spec: Spec) -> Work:
    """Measures the loop of `train` over decoded squares in memory."""
    strategy = make_strategy(spec.config.run)
    return _loop(spec, strategy, in_memory(of_spec(spec), spec.config.network.input))


def loop_encoded(spec: Spec) -> Work:
    """Measures the loop of `train` over encoded pictures."""
    strategy = make_strategy(spec.config.run)
    return _loop(spec, strategy, of_spec(spec))


def decoder(spec: Spec) -> Work:
    """Measures the input pipeline of the loop over encoded pictures alone."""
    config, strategy = spec.config, make_strategy(spec.config.run)
    rows = config.run.global_batch_size
    ds = train_dataset(of_spec(spec), config.data, config.network.input, config.run.seed, 0, rows)
    batches = iter(ds)
    device = on_tensorflow.device_of(strategy)
    return on_tensorflow.repeated(device, rows, lambda: next(batches), LEAST_LOOP_STEPS)


def _loop(spec: Spec, strategy: tf.distribute.Strategy, source: Source) -> Work:
    """Measures launches of about a second at most, as the Trainer makes them."""
    config, rate = spec.config, spec.config.optimizer.learning_rate
    task, state = classification(config, source), TrainState(config, strategy)
    launcher = device_loop.Launcher(task, state, config, strategy, source)
    sums = device_loop.carried(task.zero, FIRST_LOSS_SCALE, 0)
    done, seconds_per_step = 0, LAUNCH_SECONDS

    def run(num_steps: int) -> None:
        nonlocal done, seconds_per_step, sums
        end = done + num_steps
        while done < end:
            fitting = max(1, int(LAUNCH_SECONDS / seconds_per_step))
            now = min(fitting, end - done)
            sums, said = launcher(done + 1, [rate] * now, sums)
            done, seconds_per_step = done + now, said.seconds / now

    device, rows = on_tensorflow.device_of(strategy), config.run.global_batch_size
    return on_tensorflow.work(device, rows, run, LEAST_LOOP_STEPS)
