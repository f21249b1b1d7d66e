"""Which GPUs a run opens, on machines with GPUs that are names alone: TensorFlow sees these."""

import pytest
import tensorflow as tf

from alexnet_tf.config.run import RunConfig
from alexnet_tf.training import strategy


class Gpus:
    """What `tf.config` knows of a process: as in TF 2.21, settled once a device was used."""

    def __init__(self, count: int):
        self.physical = [f"/physical_device:GPU:{index}" for index in range(count)]
        self.visible = list(self.physical)
        self.growing, self.has_started = [], False

    def set_visible(self, gpus, kind):
        assert kind == "GPU"
        if gpus != self.visible and self.has_started:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = gpus

    def grow(self, gpu, is_growing):
        if self.has_started and gpu not in self.growing:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        self.growing.append(gpu)


@pytest.fixture
def machine(monkeypatch):
    """A machine with four GPUs; strategies on them are lists of their names."""
    gpus, listed = Gpus(4), tf.config.list_physical_devices
    functions = {
        "list_physical_devices": lambda kind: gpus.physical if kind == "GPU" else listed(kind),
        "get_visible_devices": lambda kind: gpus.visible,
        "set_visible_devices": gpus.set_visible,
    }
    for name, function in functions.items():
        monkeypatch.setattr(tf.config, name, function)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", gpus.grow)
    monkeypatch.setattr(tf.distribute, "OneDeviceStrategy", lambda name: [name])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names, cross_device_ops: names)
    return gpus


def opened(machine) -> list[int]:
    return [machine.physical.index(gpu) for gpu in machine.visible]


@pytest.mark.parametrize(
    "run, names, indices",
    [
        (RunConfig(), ["GPU:0"], [0]),
        (RunConfig(devices=("gpu:2",)), ["GPU:0"], [2]),
        (RunConfig(strategy="mirrored"), ["GPU:0", "GPU:1", "GPU:2", "GPU:3"], [0, 1, 2, 3]),
        (RunConfig(strategy="mirrored", devices=("gpu:3", "gpu:1")), ["GPU:1", "GPU:0"], [1, 3]),
        (RunConfig(devices=("cpu:0",)), ["CPU:0"], []),
    ],
)
def test_a_run_opens_its_own_gpus_and_no_others(machine, run, names, indices):
    assert strategy.make_strategy(run) == names
    assert opened(machine) == indices
    assert machine.growing == machine.visible
    assert strategy.tower_devices(run) == names


def test_a_gpu_that_was_used_before_the_run_serves_it(machine):
    machine.has_started = True
    assert strategy.make_strategy(RunConfig(devices=("gpu:1",))) == ["GPU:1"]
    assert opened(machine) == [0, 1, 2, 3]  # those of the notebook


def test_a_second_run_in_the_process_takes_the_gpus_that_are_open(machine):
    for devices in ((), ("gpu:0",), ()):
        assert strategy.make_strategy(RunConfig(devices=devices)) == ["GPU:0"]
        machine.has_started = True
    with pytest.raises(ValueError, match="devices=gpu:1: .*Start a new process"):
        strategy.make_strategy(RunConfig(devices=("gpu:1",)))


def test_gpus_that_a_notebook_has_hidden_stay_hidden(machine):
    machine.visible = machine.physical[2:]
    assert strategy.make_strategy(RunConfig()) == ["GPU:0"]
    assert opened(machine) == [2]
    machine.visible = []
    assert strategy.make_strategy(RunConfig()) == ["CPU:0"]


def test_a_gpu_that_does_not_exist_is_refused(machine):
    with pytest.raises(ValueError, match="devices=gpu:4: expected indices below 4"):
        strategy.make_strategy(RunConfig(devices=("gpu:4",)))
