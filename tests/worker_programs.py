"""What two workers do in a test, a function each: python tests/worker_programs.py NAME.

Both check what they see, and end with 0 if it is as it should be.
"""

import collections
import dataclasses
import os
import subprocess
import sys

import numpy as np
import tensorflow as tf
import tiny
from worker_processes import free_ports

from alexnet_tf.config.run import Precision
from alexnet_tf.training import steps, strategy
from alexnet_tf.training.cluster import Cluster
from alexnet_tf.training.state import TrainState
from alexnet_tf.training.workers import Workers
from pipelines.dataset import Batch

ROWS = 6


def step_of(config, made, state):
    """Makes the function of one step, from pictures, noise to add and loss scale."""

    def one(image, shift, scale):
        batch = Batch(
            image=image,
            shift=shift,
            label=tf.range(ROWS) % 3,
            mask=tf.ones([ROWS], tf.bool),
            index=tf.range(ROWS, dtype=tf.int64),
        )
        return steps.train_step(state, config, batch, tf.constant(1, tf.int64), scale)[1]

    @tf.function(autograph=False)
    def step(image, shift, scale):
        return made.run(one, (image, shift, scale))

    return step


def pictures(index):
    draw = np.random.default_rng(index)
    return tf.constant(draw.integers(0, 256, (ROWS, 67, 67, 3)), tf.uint8)


def begun(cluster, **settings):
    """Makes strategy and state of a worker."""
    config = tiny.config("nowhere", "nowhere", strategy="multi_worker", **settings)
    config = tiny.with_network(config, num_classes=3)
    config = dataclasses.replace(
        config, run=dataclasses.replace(config.run, global_batch_size=2 * ROWS)
    )
    made = strategy.make_strategy(config.run, cluster)
    return config, made, TrainState(config, made)


def overflow(cluster):
    """An Inf on worker 1 holds both; the step after it moves both alike."""
    config, made, state = begun(cluster, precision=Precision.FLOAT16)
    step = step_of(config, made, state)
    scale = steps.Scale(tf.constant(1024.0), tf.constant(5, tf.int64))
    before = state.arrays()
    shift = np.zeros((ROWS, 3), np.float32)
    shift[2] = np.inf if cluster.index == 1 else 0
    held = step(pictures(cluster.index), tf.constant(shift), scale)
    after = state.arrays()
    assert all((before[name] == after[name]).all() for name in before)
    assert (float(held.value), int(held.good_steps)) == (512.0, 0)
    moved = step(pictures(cluster.index), tf.zeros([ROWS, 3]), held)
    after = state.arrays()
    assert all((before[name] != after[name]).any() for name in before)
    assert (float(moved.value), int(moved.good_steps)) == (512.0, 1)
    both = Workers(made, cluster).tell({n: float(x.sum()) for n, x in after.items()})
    assert both[0] == both[1]
    print("an Inf on worker 1: both held, scale 1024 -> 512; then both moved alike")


def placement(cluster):
    """Weights, momenta and work of tower b are on the second device of each worker."""
    config, made, state = begun(cluster, towers=2, devices=("cpu:0", "cpu:1"))
    here = f"/job:worker/replica:0/task:{cluster.index}/device:CPU:"
    count = collections.Counter()
    for tower, column in enumerate(state.model.columns):
        for stage in column:
            for variable in stage.trainable_variables:
                slot = state.optimizer.slots["momentum"][
                    [id(x) for x in state.model.trainable_variables].index(id(variable))
                ]
                for one in (variable, slot):
                    assert one.value.device == f"{here}{tower}", (variable.path, one.value.device)
                    count[tower] += 1
    assert count[0] == count[1] == 2 * 14
    step = step_of(config, made, state)
    scale = steps.Scale(tf.constant(1.0), tf.constant(0, tf.int64))
    arguments = pictures(cluster.index), tf.zeros([ROWS, 3]), scale
    # TF 2.21 reports no executed partitions where a server runs; all of these name their device.
    work = collections.Counter(
        (op.type, op.device)
        for op in step.get_concrete_function(*arguments).graph.get_operations()
        if op.type.startswith(("Conv2D", "MatMul", "Collective"))
    )
    rows = collections.defaultdict(dict)
    for (kind, device), number in sorted(work.items()):
        assert device.startswith(here), device  # nothing of another worker's
        rows[kind][device.removeprefix(here)] = number
    for kind in ("Conv2D", "Conv2DBackpropFilter", "Conv2DBackpropInput"):
        assert rows[kind] == {"0": 5, "1": 5}, (kind, rows[kind])
    assert rows["MatMul"] == {"0": 9, "1": 6}  # fc6 and fc7 in both, fc8 on the first, as alone
    assert set(rows["CollectiveReduceV2"]) == {"0"}  # sums pass through the first device
    step(*arguments)
    if cluster.index == 0:
        print(f"variables and momenta: {count[0]} on each device of each worker")
        for op, devices in rows.items():
            print(f"{op}: {', '.join(f'{n} on CPU:{d}' for d, n in devices.items())}")


def main(name, *rest) -> int:
    """Starts both workers, or is one of them: NAME INDEX ADDRESSES."""
    if rest:
        index, addresses = rest
        globals()[name](Cluster(tuple(addresses.split(",")), int(index)))
        sys.stdout.flush()
        os._exit(0)
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    command = [sys.executable, __file__, name]
    workers = [subprocess.Popen([*command, str(i), addresses]) for i in range(2)]
    return max(abs(worker.wait(200)) for worker in workers)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
