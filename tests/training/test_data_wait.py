"""The part of the time in which the device has nothing to do because no batch is there."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).parents[1] / "waiting.py"
ROOT = PROGRAM.parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("devices", [["cpu:0"], ["cpu:0", "cpu:1"]])
def test_only_steps_without_a_batch_wait(threads, devices):
    environment = {"TF_NUM_INTEROP_THREADS": threads, "PYTHONPATH": str(ROOT)}
    environment = os.environ | environment | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, str(PROGRAM), *devices]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    waited = json.loads(done.stdout.splitlines()[-1])
    assert waited["memory"] < 0.05
    assert waited["sleeping"] > 0.5


AFTER_ANOTHER = """
import pathlib, sys
import tiny
from alexnet_tf.training.run import run
pictures, here = map(pathlib.Path, sys.argv[1:])
run(tiny.config(pictures, here / "first", steps=2, deterministic=True))
assert run(tiny.config(pictures, here / "second", steps=2))[0] == 0
"""


@pytest.mark.slow
def test_a_run_after_a_deterministic_one_in_the_same_process_has_no_clock(pictures, tmp_path):
    subprocess.run(
        [sys.executable, "-c", AFTER_ANOTHER, pictures, tmp_path],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = (tmp_path / "second/metrics.jsonl").read_text().splitlines()
    assert lines and not any("time/data_wait" in line for line in lines)
