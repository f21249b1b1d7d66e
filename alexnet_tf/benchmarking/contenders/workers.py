"""Two workers on this machine, each on its own half of the processors, or on its own GPU.

The contender's process is worker 0 and starts worker 1, which is this module as a program. A line
on its standard input says how many steps to make next; it ends when that ends.
"""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys

from alexnet_tf.benchmarking.contenders import on_tensorflow, ours
from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work, cpu_seconds_of_all
from alexnet_tf.command_line import environment
from alexnet_tf.config.run import StrategyName
from alexnet_tf.training import rendezvous
from alexnet_tf.training.cluster import Cluster, cores_of
from alexnet_tf.training.joining import JOIN_SECONDS
from alexnet_tf.training.strategy import make_strategy

COUNT = 2
"""How many workers there are."""
WAIT_SECONDS = 120.0
"""How long one waits for the other to start."""


def together(spec: Spec) -> Work:
    """Measures the step of `train` on two workers that share each batch.

    Raises:
      UserError: there is one GPU, or the batch cannot be shared.
    """
    on_tensorflow.devices_of_two()
    addresses = _free_addresses()
    others = [_start(spec, Cluster(addresses, index)) for index in range(1, COUNT)]
    own = _work(spec, Cluster(addresses, 0))

    def run(num_steps: int) -> None:
        for other in others:
            other.stdin.write(f"{num_steps}\n")
            other.stdin.flush()
        own.run(num_steps)

    return dataclasses.replace(own, run=run, cpu_seconds=cpu_seconds_of_all)


def _start(spec: Spec, cluster: Cluster) -> subprocess.Popen:
    """Starts another worker, which lives no longer than this one."""
    arguments = [spec.to_text(), json.dumps(cluster.addresses), str(cluster.index)]
    command = [sys.executable, "-m", __name__, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True)


def _work(spec: Spec, cluster: Cluster) -> Work:
    """Joins the other worker; the work is this one's part."""
    _take_cores(cluster.index)
    (device, *_), index = on_tensorflow.devices_of_two(), cluster.index
    run = dataclasses.replace(
        spec.config.run,
        strategy=StrategyName.MULTI_WORKER,
        devices=(device if device.startswith("cpu") else f"gpu:{index}",),
    )
    rendezvous.meet(cluster, {}, WAIT_SECONDS)
    with rendezvous.Deadline(cluster, JOIN_SECONDS):
        strategy = make_strategy(run, cluster)
    return ours.step_of(dataclasses.replace(spec.config, run=run), strategy)


def _take_cores(index: int) -> None:
    """Leaves each worker its own part of the processors, as `train` does."""
    if hasattr(os, "sched_setaffinity"):
        free = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores_of(free, index, range(COUNT)))


def _free_addresses() -> tuple[str, ...]:
    """Finds ports of loopback that nobody listens at, one for each worker."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(COUNT)]
        return tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in found)


def main(text: str, addresses: str, index: str) -> None:
    """Is one of the other workers, until standard input ends."""
    own = _work(Spec.from_text(text), Cluster(tuple(json.loads(addresses)), int(index)))
    for line in sys.stdin:
        own.run(int(line))
    environment.leave(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
