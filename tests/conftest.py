"""Splits the CPU into two logical devices before any test starts TensorFlow."""

import os
import random
import signal
import sys

# A shell starts background jobs with SIGINT ignored, and all that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_run

from alexnet_tf.command_line.environment import FAST
from alexnet_tf.training.run import run

LONGEST = ("test_kill.py", "test_service.py", "test_squares.py", "test_going_on.py")
"""Files that come first, together with those of training: otherwise a process is left alone with
one at the end. (xdist has an order of its own, by number of tests; the Makefile turns it off.)"""


def pytest_collection_modifyitems(items):
    def is_short(item) -> bool:
        return item.path.name not in LONGEST and item.path.parent.name != "training"

    items.sort(key=is_short)  # stable: else as collected


def pytest_sessionfinish(session, exitstatus):
    session.config.exit_status = int(exitstatus)


def pytest_unconfigure(config):
    """Leaves at once: TensorFlow was seen to hang when Python tidies up (environment.leave)."""
    if getattr(config, "exit_status", None) in (0, 1):  # otherwise pytest has more to say
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.exit_status)


@pytest.fixture(scope="session", autouse=True)
def two_devices():
    """Two logical CPU devices, so that replicas and placement are tested for real."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return ["CPU:0", "CPU:1"]


@pytest.fixture(autouse=True)
def same_environment():
    """Takes back what a command sets for itself.

    Without oneDNN, which a command switches on, TensorFlow adds in another order. It has started
    here by then, so processes of later tests would compute other bits than this one.
    """
    before = {name: os.environ.get(name) for name in FAST}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def same_draws():
    """Makes what a test draws without a seed the same in every run, first weights of Keras too.

    Keras takes its seeds from `random`. Otherwise a bound that holds for nearly all weights fails
    one run in a hundred, of which nobody can say whether the code is at fault. TensorFlow's own
    seed stays: to set it empties the cache of kernels, which costs two minutes over all tests.
    """
    random.seed(0), np.random.seed(0)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of tiny.write_pictures for all tests; who changes it writes another."""
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def undisturbed(pictures, tmp_path_factory):
    """The directory of a run of tiny.config that nothing interrupted; who changes it copies it."""
    run_dir = tmp_path_factory.mktemp("undisturbed")
    assert run(tiny.config(pictures, run_dir))[0] == 0
    return run_dir


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run of seven classes, never trained; colors pass through it all the same."""
    path = tmp_path_factory.mktemp("run")
    tiny_run.write_checkpoint(path)
    return path
