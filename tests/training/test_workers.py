"""Workers as real processes: the same numbers as one device, towers too, and one run of any number.

Slow, since each starts two or three processes.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import tiny
import worker_programs
from worker_processes import FLAGS, Processes, run_to_end

from alexnet_tf import evaluate, export
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError
from alexnet_tf.training import checkpoint
from alexnet_tf.training.strategy import make_strategy
from pipelines.config import DataConfig

STEPS = "--steps=20"


def alone(pictures, run_dir, *flags):
    """Runs one process; returns weights and momenta."""
    command = [sys.executable, "-m", "alexnet_tf.train", *FLAGS, f"--run_dir={run_dir}"]
    command += [f"--data.source=folder:{pictures}", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return checkpoint.load(run_dir, "last").arrays()


@pytest.fixture(scope="module")
def single(pictures, tmp_path_factory):
    """The run of one process, and what it ended with."""
    run_dir = tmp_path_factory.mktemp("single")
    return run_dir, alone(pictures, run_dir, STEPS)


def largest(found, expected) -> float:
    assert found.keys() == expected.keys()
    return max(np.abs(found[name] - expected[name]).max() for name in found)


def assert_same_counts(run_dir, other):
    """Compares all lines of metrics: counts and errors exactly, losses up to rounding."""
    lines, expected = tiny.metrics(run_dir), tiny.metrics(other)
    assert len(lines) == len(expected) > 10
    for line, wanted in zip(lines, expected, strict=True):
        assert line.keys() == wanted.keys()
        for name in line:
            if "loss" in name or "rate" in name:
                assert line[name] == pytest.approx(wanted[name], rel=1e-5)
            else:
                assert line[name] == wanted[name], name


@pytest.mark.slow
def test_two_workers_end_like_one_device(pictures, tmp_path, single):
    run_dir, expected = single
    found = run_to_end(2, tmp_path / "run", *FLAGS, STEPS, f"--data.source=folder:{pictures}")
    assert largest(found, expected) <= 1e-5
    assert_same_counts(tmp_path / "run", run_dir)
    # Afterwards one process does, as for any other run.
    assert evaluate.main([f"--run_dir={tmp_path / 'run'}"]) == 0
    assert export.main([f"--run_dir={tmp_path / 'run'}", f"--output={tmp_path / 'out'}"]) == 0


TOWERS = ("--towers=2", "--devices=cpu:0,cpu:1")
CLIPPED = ("--optimizer.clip_norm=0.5",)
# A batch of 12 makes normalization chaotic: a step multiplies rounding tenfold, unless it is small.
NORMALIZED = ("--network.normalization=batch", "--optimizer.learning_rate=0.0001")
# Of 16 bits, rounding depends on the rows that are added up, and grows with each step as well.
FLOAT16 = ("--precision=float16", "--optimizer.learning_rate=0.001")
BFLOAT16 = ("--precision=bfloat16", "--optimizer.learning_rate=0.001")
WIDE = ("--network.fc_width=1024",)
AVERAGES = ("--optimizer.rule=lamb", "--optimizer.average=0.9", "--optimizer.learning_rate=0.001")
# Not erased: areas of one value make windows of pooling tie, which rounding decides.
MIXED = ("--data.mixup=0.4", "--data.cutmix=1", "--data.least_crop=0.3")
MOST = {"batch norm": 1e-4} | dict.fromkeys(("float16", "bfloat16", "towers bfloat16"), 1e-2)
MOST |= {"factors of float16": 1e-2}
"""The largest difference allowed, where it is not 1e-5; variances of batch norm go up to 10."""
CASES = {
    "three workers": (3, (), ()),
    "ring": (2, ("--collectives=ring",), ()),
    "two parts each": (2, ("--accumulate_steps=2",), ()),
    "clipped": (2, CLIPPED, CLIPPED),
    "batch norm": (2, NORMALIZED, NORMALIZED),
    "averages": (2, AVERAGES, AVERAGES),
    "mixed in pairs": (3, MIXED, MIXED),
    "squares in memory": (2, ("--data.cache=memory",), ()),
    # Wide enough for fc7's gradient to be sent as factors.
    "factors": (2, (*WIDE, *CLIPPED), (*WIDE, *CLIPPED)),
    "factors in two parts": (3, (*WIDE, "--accumulate_steps=2"), WIDE),
    "factors of float16": (2, (*WIDE, *FLOAT16), (*WIDE, *FLOAT16)),
    "towers": (2, TOWERS, ()),
    "towers clipped": (2, (*TOWERS, *CLIPPED), CLIPPED),
    "float16": (2, FLOAT16, FLOAT16),
    "bfloat16": (2, BFLOAT16, BFLOAT16),
    "towers bfloat16": (2, (*TOWERS, *BFLOAT16), BFLOAT16),
}
"""Number of workers, their flags, and those of the one process that they are compared with."""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_workers_end_like_one_process(pictures, tmp_path, single, case):
    count, flags, others = CASES[case]
    source = f"--data.source=folder:{pictures}"
    found = run_to_end(count, tmp_path / "run", *FLAGS, STEPS, source, *flags)
    expected = alone(pictures, tmp_path / "one", STEPS, *others) if others else single[1]
    difference = largest(found, expected)
    print(f"{case}: largest difference {difference:.2g}")
    assert difference <= MOST.get(case, 1e-5)


FOUR = ("--strategy=mirrored", "--devices=cpu:0,cpu:1,cpu:2,cpu:3")
PAIR = ("--strategy=mirrored", "--devices=cpu:0,cpu:1")
DEVICES = {
    "four parts": (("--accumulate_steps=4", *CLIPPED), CLIPPED),
    "two devices of two parts": ((*PAIR, "--accumulate_steps=2", *CLIPPED), CLIPPED),
    "four devices": ((*FOUR, *CLIPPED), CLIPPED),
    "two devices": (PAIR, ()),
    "two devices float16": ((*PAIR, *FLOAT16), FLOAT16),
    "two devices bfloat16": ((*PAIR, *BFLOAT16), BFLOAT16),
    "towers float16": ((*TOWERS, *FLOAT16), FLOAT16),
    "towers bfloat16": ((*TOWERS, *BFLOAT16), BFLOAT16),
}
"""Flags of one process, and those of the one that it is compared with."""


@pytest.mark.slow
@pytest.mark.parametrize("case", DEVICES)
def test_devices_of_one_process_end_like_one(pictures, tmp_path, single, case):
    flags, others = DEVICES[case]
    found = alone(pictures, tmp_path / "run", STEPS, *flags)
    expected = alone(pictures, tmp_path / "one", STEPS, *others) if others else single[1]
    difference = largest(found, expected)
    print(f"{case}: largest difference {difference:.2g}")
    assert difference <= (1e-2 if "float16" in case else 1e-5)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_workers(pictures, tmp_path, single):
    run_dir, source = tmp_path / "run", f"--data.source=folder:{pictures}"
    run_to_end(2, run_dir, *FLAGS, "--steps=7", source)
    alone(pictures, run_dir, "--steps=13")
    found = run_to_end(3, run_dir, *FLAGS, STEPS, source)
    assert largest(found, single[1]) <= 1e-5


@pytest.mark.slow
def test_two_workers_have_the_same_bits_each_time_and_after_going_on(pictures, tmp_path):
    flags = (*FLAGS, f"--data.source=folder:{pictures}", "--collectives=ring", "--deterministic")
    whole = run_to_end(2, tmp_path / "whole", *flags, STEPS)
    run_to_end(2, tmp_path / "parts", *flags, "--steps=9")
    tiny.assert_equal(run_to_end(2, tmp_path / "parts", *flags, STEPS), whole)


@pytest.mark.slow
def test_the_chief_gives_what_it_started_from_to_workers_without_it(pictures, tmp_path, single):
    source = f"--data.source=folder:{pictures}"
    flags = (*FLAGS, source, "--steps=5", f"--start_from={single[0]}")
    # Worker 1 has another place for the run and cannot see the chief's.
    own = {1: (f"--run_dir={tmp_path / 'nowhere'}",)}
    found = run_to_end(2, tmp_path / "run", *flags, own=own)
    assert not (tmp_path / "nowhere").exists()
    expected = alone(pictures, tmp_path / "one", "--steps=5", f"--start_from={single[0]}")
    assert largest(found, expected) <= 1e-5
    again = run_to_end(2, tmp_path / "run", *flags[:-2], "--steps=8", flags[-1], own=own)
    assert np.abs(again["fc8/kernel"] - found["fc8/kernel"]).max() > 0


@pytest.mark.slow
def test_a_mistake_that_only_the_chief_sees_ends_all_with_its_sentence(pictures, tmp_path, single):
    flags = (*FLAGS, f"--data.source=folder:{pictures}", "--optimizer.momentum=0.8", STEPS)
    own = {1: (f"--run_dir={tmp_path / 'nowhere'}",)}
    with Processes(2, single[0], *flags, own=own) as workers:
        assert workers.codes(100) == [2, 2]
        for index in range(2):
            last = workers.said(index).splitlines()[-1]
            assert "holds a run with other settings: optimizer.momentum: 0.9 -> 0.8" in last


@pytest.mark.slow
@pytest.mark.parametrize("program", ["overflow", "placement"])
def test_two_workers_see_in_their_own_processes(program):
    done = subprocess.run(
        [sys.executable, worker_programs.__file__, program],
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)


def test_settings_of_workers_alone_are_refused_elsewhere():
    with pytest.raises(ValueError, match="workers=a:1 with strategy=single: expected strategy=mul"):
        Config(run=RunConfig(workers=("a:1",)))
    for devices in (("cpu:0", "cpu:1"), ("cpu:1",)):
        with pytest.raises(
            ValueError, match="devices=.* with strategy=multi_worker: expected cpu:0"
        ):
            Config(run=RunConfig(strategy="multi_worker", devices=devices))
    with pytest.raises(ValueError, match="strategy=multi_worker, data.service=.*: expected one of"):
        run = RunConfig(strategy="multi_worker")
        Config(run=run, data=DataConfig(service="grpc://a:1", cache="none"))
    with pytest.raises(
        UserError, match="strategy=multi_worker: expected single or mirrored, since"
    ):
        make_strategy(run)
