"""A program: which part of the time steps wait for data. Prints it for two kinds of data.

python tests/waiting.py DEVICE [DEVICE]
"""

import json
import os
import sys
import threading
import time

import tensorflow as tf

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.training import device_loop
from alexnet_tf.training.state import TrainState
from alexnet_tf.training.strategy import make_strategy
from alexnet_tf.training.task import classification
from pipelines.cache import MemorySource
from pipelines.config import InputConfig

NETWORK = NetworkConfig(
    num_classes=4, width=0.5, fc_width=64, input=InputConfig(size=96, resize=96)
)
NUM_EXAMPLES, NUM_STEPS, ROWS = 64, 4, 32


class Sleeping:
    """A source that gives one picture at a time, on however many threads.

    Args:
      seconds: that each of them takes.
    """

    num_examples, classes, digest = NUM_EXAMPLES, tuple("abcd"), ""

    def __init__(self, seconds: float):
        """Keeps the duration."""
        self._seconds, self._lock = seconds, threading.Lock()

    def _sleep(self, png):
        with self._lock:
            time.sleep(self._seconds)
        return png

    def read(self, index):
        """Sleeps, and gives a tiny picture."""
        png = tf.io.encode_png(tf.zeros([96, 96, 3], tf.uint8))
        png = tf.numpy_function(self._sleep, [png], tf.string)
        return tf.ensure_shape(png, []), tf.cast(index % 4, tf.int32)


def waited(strategy, source) -> tuple[float, float]:
    """Makes some launches; the part that the steps waited, and the seconds of one step.

    The smallest but the first launch's, since other processes add to both.
    """
    run = RunConfig(global_batch_size=ROWS)
    config = Config(network=NETWORK, run=run)
    with strategy.scope():
        state = TrainState(config, strategy)
    task = classification(config, source)
    launcher = device_loop.Launcher(task, state, config, strategy, source)
    carried = device_loop.carried(task.zero, 1.0, 0)
    parts, seconds = [], []
    for number in range(4):
        first = 1 + number * NUM_STEPS
        carried, said = launcher(first, [0.001] * NUM_STEPS, carried)
        parts.append(said.waited_seconds / said.seconds)
        seconds.append(said.seconds / NUM_STEPS)
    return min(parts[1:]), min(seconds[1:])


def main(devices: list[str]) -> None:
    """Prints {"memory": part, "sleeping": part}."""
    name = "mirrored" if len(devices) > 1 else "single"
    strategy = make_strategy(RunConfig(devices=tuple(devices), strategy=name))
    images = tf.zeros([NUM_EXAMPLES, 96, 96, 3], tf.uint8)
    labels = tf.range(NUM_EXAMPLES) % 4
    good = tf.ones([NUM_EXAMPLES], tf.bool)
    memory = MemorySource(Sleeping(0), NETWORK.input, images, labels, good)
    from_memory, step_seconds = waited(strategy, memory)
    # A batch takes as long as three steps: two of three parts of the time are spent waiting for it.
    sleeping, _ = waited(strategy, Sleeping(3 * step_seconds / ROWS))
    print(json.dumps({"memory": from_memory, "sleeping": sleeping}), flush=True)
    os._exit(0)  # the shutdown of the interpreter may hang (environment.leave)


if __name__ == "__main__":
    main(sys.argv[1:])
