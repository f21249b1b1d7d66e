"""Workers on this machine, each on its own part of the processors, or on its own GPU.

The contender's process is worker 0 and starts the others, which are this module as a program. A
line on their standard input says how many steps to make next; they end when that ends.
"""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys

import tensorflow as tf

from alexnet_tf.benchmarking.contenders import on_tensorflow, ours
from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work, cpu_seconds_of_all
from alexnet_tf.command_line import environment
from alexnet_tf.config.run import StrategyName
from alexnet_tf.training import rendezvous
from alexnet_tf.training.cluster import Cluster, cores_of
from alexnet_tf.training.joining import JOIN_SECONDS
from alexnet_tf.training.strategy import make_strategy

WAIT_SECONDS = 120.0
"""How long one waits for the others to start."""


def alone(spec: Spec) -> Work:
    """Measures the step of `train` on what one of the workers has of this machine."""
    _take_cores(0, 2)
    return ours.step(spec)


def together(spec: Spec, num_bytes: int = 0, count: int = 2) -> Work:
    """Measures the step of `train` on workers that share each batch, or their sum.

    Args:
      spec: what to measure.
      num_bytes: of what they sum, as if that were a step; 0 makes steps.
      count: how many workers.

    Raises:
      UserError: there are fewer GPUs, but some; or the batch cannot be shared.
    """
    on_tensorflow.devices_of(count)
    addresses = _free_addresses(count)
    others = [_start(spec, num_bytes, Cluster(addresses, index)) for index in range(1, count)]
    own = _work(spec, num_bytes, Cluster(addresses, 0))

    def run(num_steps: int) -> None:
        for other in others:
            other.stdin.write(f"{num_steps}\n")
            other.stdin.flush()
        own.run(num_steps)

    return dataclasses.replace(own, run=run, cpu_seconds=cpu_seconds_of_all)


def _start(spec: Spec, num_bytes: int, cluster: Cluster) -> subprocess.Popen:
    """Starts another worker, which lives no longer than this one."""
    arguments = [spec.to_text(), str(num_bytes), json.dumps(cluster.addresses), str(cluster.index)]
    command = [sys.executable, "-m", __name__, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True)


def _work(spec: Spec, num_bytes: int, cluster: Cluster) -> Work:
    """Joins the other workers; the work is this one's part."""
    count, index = len(cluster.addresses), cluster.index
    _take_cores(index, count)
    device, *_ = on_tensorflow.devices_of(count)
    run = dataclasses.replace(
        spec.config.run,
        strategy=StrategyName.MULTI_WORKER,
        devices=(device if device.startswith("cpu") else f"gpu:{index}",),
    )
    rendezvous.meet(cluster, {}, WAIT_SECONDS)
    with rendezvous.Deadline(cluster, JOIN_SECONDS):
        strategy = make_strategy(run, cluster)
    if num_bytes:
        return _sum(strategy, num_bytes, run.global_batch_size)
    return ours.step_of(dataclasses.replace(spec.config, run=run), strategy)


def _sum(strategy: tf.distribute.Strategy, num_bytes: int, rows: int) -> Work:
    """Sums float32 numbers over the workers, many times a launch; each sum stands for a step."""
    device = on_tensorflow.device_of(strategy)

    def of_replica(x):
        return tf.distribute.get_replica_context().all_reduce(
            "sum", tf.identity(x)
        )  # on the device

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)])
    def many(count):
        x = tf.zeros([num_bytes // 4])
        for _ in tf.range(count):
            x = strategy.run(of_replica, (x,))  # each waits for the one before
        return x[0]

    def run(num_steps: int) -> None:
        many(num_steps).numpy()

    return on_tensorflow.work(device, rows, run, wait=lambda: None)


def _take_cores(index: int, count: int) -> None:
    """Leaves each worker its own part of the processors, as `train` does."""
    if hasattr(os, "sched_setaffinity"):
        free = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores_of(free, index, range(count)))


def _free_addresses(count: int) -> tuple[str, ...]:
    """Finds ports of loopback that nobody listens at, one for each worker."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in found)


def main(text: str, num_bytes: str, addresses: str, index: str) -> None:
    """Is one of the other workers, until standard input ends."""
    cluster = Cluster(tuple(json.loads(addresses)), int(index))
    own = _work(Spec.from_text(text), int(num_bytes), cluster)
    for line in sys.stdin:
        own.run(int(line))
    environment.leave(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
