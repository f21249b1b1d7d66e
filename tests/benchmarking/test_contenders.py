"""Contenders that cannot race, and one that is lost in the middle."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import threading
import time

import pytest

from alexnet_tf.benchmarking import rounds, sources, timing
from alexnet_tf.benchmarking.contenders import pytorch, table
from alexnet_tf.benchmarking.spec import Spec, What
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import RunFailed, UserError
from pipelines.config import InputConfig

NETWORK = NetworkConfig(num_classes=5, width=1 / 16, fc_width=16, input=InputConfig(size=67))
SPEC = Spec(
    what=What.STEP,
    config=Config(network=NETWORK, run=RunConfig(global_batch_size=2)),
    round_seconds=0.01,
)


@pytest.mark.long
def test_a_contender_that_is_lost_between_two_rounds_ends_the_benchmark():
    def kill(line):
        if line == "round 2 of 2":
            children = pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/children")
            for number in map(int, children.read_text().split()):
                if b"alexnet_tf.benchmarking.child" in command_line(number):
                    os.killpg(number, signal.SIGKILL)  # what it started holds the pipe too
                    while not has_ended(number):  # its pipe is closed by then
                        time.sleep(0.01)

    def command_line(number):
        return pathlib.Path(f"/proc/{number}/cmdline").read_bytes()

    def has_ended(number):
        return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2][0] == "Z"

    *_, peak = table.CONTENDERS[What.STEP]
    text = "process of a contender is lost: its process ended with code -9.* Run the same command"
    with pytest.raises(RunFailed, match=text):
        rounds.measure([peak], SPEC, 2, kill)


def test_a_loop_over_classes_that_its_network_lacks_is_refused():
    few = dataclasses.replace(NETWORK, num_classes=1)
    spec = dataclasses.replace(SPEC, what=What.LOOP, config=Config(network=few))
    with pytest.raises(UserError, match="num_classes=1: expected at least 2, as many classes"):
        sources.of_spec(spec)
    assert sources.of_spec(dataclasses.replace(spec, what=What.INPUT)).classes


@pytest.mark.parametrize(
    "change, message",
    [
        ({}, None),
        ({"normalization": "batch"}, "norm1 of network.name=paper is no stock layer"),
        (
            {"input": InputConfig(channel_order="gray")},
            "network.name=paper sees gray pictures",
        ),
    ],
)
def test_others_race_with_layers_alone_that_they_have(change, message):
    config = dataclasses.replace(NetworkConfig(num_classes=5), **change)
    refused = pytest.raises(UserError, match=message) if message else contextlib.nullcontext()
    with refused:
        timing.check_is_stock(config)


def test_a_gpu_that_pytorch_does_not_see_is_said():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if torch.cuda.is_available():
        pytest.skip("PyTorch sees a GPU")
    config = dataclasses.replace(SPEC.config, run=RunConfig(devices=("gpu:0",)))
    with pytest.raises(UserError, match="devices=gpu:0: this PyTorch sees no GPU"):
        pytorch.step(dataclasses.replace(SPEC, config=config))
