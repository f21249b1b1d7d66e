"""Damaged weight files of all formats: read, or refused in one sentence, in bounded memory."""

import json
import os
import pathlib
import subprocess
import sys

import foreign
import numpy as np
import pytest

from alexnet_tf.weights import formats, layouts

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """One file of each form."""
    path = tmp_path_factory.mktemp("wholes")
    config = foreign.small("torchvision")
    weights = foreign.weights(config)
    theirs = layouts.from_ours(weights, layouts.TORCHVISION, config)
    state = {name: torch.from_numpy(array) for name, array in theirs.items()}
    for index, kind in enumerate((torch.float32, torch.bfloat16)):
        halves = {f"module.{name}": tensor.to(kind) for name, tensor in state.items()}
        whole = {"state_dict": halves, "rng": torch.get_rng_state(), "epoch": 3, "args": object}
        torch.save(whole, path / f"torchvision.{index}.pth")
        torch.save(state, path / f"torchvision.{index}.pt", _use_new_zipfile_serialization=False)
    formats.store(str(path / "torchvision.4.npz"), weights, config)
    with open(path / "torchvision.5.npz", "wb") as file:
        np.savez_compressed(file, **weights)
    pytest.importorskip("safetensors")
    formats.store(str(path / "torchvision.6.safetensors"), weights, config)
    config = foreign.small("caffe")
    weights = foreign.weights(config)
    foreign.write_caffemodel(path / "caffe.7.caffemodel", config, weights, is_old=True)
    foreign.write_caffemodel(path / "caffe.8.caffemodel", config, weights, is_old=False)
    (path / "caffe.9.npy").write_bytes(foreign.old_npy(weights))
    np.save(path / "caffe.10.npy", foreign.by_layer(weights, "weights", "biases"))
    for file in path.iterdir():  # in the right state before it is damaged
        formats.load(str(file), foreign.small(file.name.partition(".")[0], num_classes=0))
    return path


@pytest.mark.parametrize("count", [240, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_files_end_in_a_sentence_and_take_no_memory(wholes, count):
    here = pathlib.Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    command = [sys.executable, "-W", "error", str(here / "damage.py"), str(wholes), str(count), "8"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["odd"] == {} and sum(found["ends"].values()) == count
    assert found["ends"]["refused"] > count / 2 and found["ends"]["read"] > count / 50
    assert found["mebibytes"] < 500 and found["slowest_seconds"] < 30
