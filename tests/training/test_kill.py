"""Killed at any moment and started again, a run ends bit for bit like one that never was."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tiny
from event_records import records

from alexnet_tf.training import checkpoint

COMMAND = [sys.executable, "-m", "alexnet_tf.train", *tiny.FLAGS, "--deterministic", "--steps=60"]
COMMAND += ["--save_every_seconds=0.5", "--steps_per_launch=2", "--evaluate_every_epochs=2"]
"""Checkpoints as often as possible, so that kills land in the writing of them too."""
KEPT = [1, 4, 9, 16]
"""Epochs that a killed run keeps, evaluated or not; to keep them changes no weight."""


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    done = start(pictures, run_dir)
    output, errors = done.communicate()
    assert done.returncode == 0, errors
    return run_dir, time.monotonic() - began, json.loads(output.splitlines()[-1])


def start(pictures, run_dir, more=(), limits=()):
    flags = [f"--data.source=folder:{pictures}", f"--run_dir={run_dir}", *more]
    flags += ["--data.cache=disk", f"--data.cache_dir={tiny.squares_of(pictures)}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*COMMAND, *flags], env=dict(os.environ), **pipes)
    for limit in limits:
        resource.prlimit(process.pid, limit, limits[limit])
    return process


def wait_for_training(run_dir, process):
    """Waits until the process has begun to make steps of its own."""
    lines = run_dir / "metrics.jsonl"
    size = lines.stat().st_size if lines.exists() else 0
    while process.poll() is None and (not lines.exists() or lines.stat().st_size <= size):
        time.sleep(0.01)


def survive(pictures, run_dir, undisturbed, num_kills, draw):
    """Kills and restarts a run, then lets it end and compares; returns the steps it was seen at."""
    whole, _, result = undisturbed
    steps = []
    more = [f"--keep_epochs={','.join(map(str, KEPT))}"]
    for kill in range(num_kills):
        process = start(pictures, run_dir, more)
        if kill % 3:  # two thirds while it trains, the others at any moment of its start
            wait_for_training(run_dir, process)
            time.sleep(draw.uniform(0, 1.0))
        else:
            time.sleep(draw.uniform(3, 12))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        last = checkpoint.read_last(run_dir / "checkpoints")
        steps.append(last.step if last else 0)
    process = start(pictures, run_dir, more)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    one, other = (checkpoint.load(x, checkpoint.Which.LAST) for x in (whole, run_dir))
    tiny.assert_equal(one.arrays(), other.arrays())
    assert tiny.metrics(run_dir) == tiny.metrics(whole)
    assert [kept.kept_epoch for kept in checkpoint.kept(run_dir)] == KEPT
    for side in ("train", "eval"):  # TensorBoard shows each step of each curve once
        keys = [(tag, step) for tag, step, _ in records(run_dir / "events" / side)]
        assert len(keys) == len(set(keys))
        assert set(keys) == {(tag, step) for tag, step, _ in records(whole / "events" / side)}
    end = json.loads(output.splitlines()[-1])
    for name in ("step", "epoch", "top1_error", "seen"):
        assert end[name] == result[name]
    return steps


@pytest.mark.long
def test_a_run_killed_twice_ends_with_the_same_bits(pictures, tmp_path, undisturbed):
    steps = survive(pictures, tmp_path, undisturbed, 2, random.Random(0))
    assert steps == sorted(steps)


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments_ends_with_the_same_bits(
    pictures, tmp_path, undisturbed
):
    steps = survive(pictures, tmp_path, undisturbed, 10, random.Random())
    print("steps of the last checkpoint at each kill:", steps)


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_run_goes_on(pictures, tmp_path, undisturbed, number, code):
    process = start(pictures, tmp_path)
    wait_for_training(tmp_path, process)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == code
    stopped = json.loads(output.splitlines()[-1])["step"]
    assert checkpoint.load(tmp_path, checkpoint.Which.LAST).step == stopped < 60
    process = start(pictures, tmp_path)
    process.communicate()
    one, other = (checkpoint.load(x, checkpoint.Which.LAST) for x in (undisturbed[0], tmp_path))
    tiny.assert_equal(one.arrays(), other.arrays())
    assert tiny.metrics(tmp_path) == tiny.metrics(undisturbed[0])


LARGE = ["--network.fc_width=1024", "--optimizer.learning_rate=0.001", "--tensorboard=false"]
"""A network whose checkpoints, of 9 MB, take a while to write."""


@pytest.mark.slow
def test_a_kill_in_the_middle_of_writing_costs_this_checkpoint_only(pictures, tmp_path):
    checkpoints = tmp_path / "checkpoints"
    process = start(pictures, tmp_path, [*LARGE, "--save_every_seconds=0.01"])
    is_written = is_writing = False
    while not (is_written and is_writing):
        assert process.poll() is None
        process.send_signal(signal.SIGSTOP)  # so that it stays as it is seen here
        is_written = any(checkpoints.glob("step-*"))
        is_writing = any(checkpoints.glob(".unfinished-step-*/arrays.npz"))
        if not (is_written and is_writing):
            process.send_signal(signal.SIGCONT)
            time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (unfinished,) = checkpoints.glob(".unfinished-*")
    last = checkpoint.read_last(checkpoints)
    assert last.step < int(unfinished.name.rpartition("-")[2])
    assert all(array.size for array in last.arrays().values())
    process = start(pictures, tmp_path, LARGE)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f"going on after step {last.step} in" in errors
    assert not unfinished.exists()


@pytest.mark.long
def test_a_full_disk_while_training_goes_on_ends_the_run_in_one_sentence(pictures, tmp_path):
    limit = {resource.RLIMIT_FSIZE: (2_000_000, 2_000_000)}
    process = start(pictures, tmp_path, LARGE, limit)
    output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    text = "could not be written: File too large. Earlier ones are as they were; make room or"
    assert text in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert not any((tmp_path / "checkpoints").iterdir())


@pytest.mark.slow
def test_a_second_process_in_the_same_directory_is_refused(pictures, tmp_path):
    first = start(pictures, tmp_path)
    while not (tmp_path / "config.json").exists() and first.poll() is None:
        time.sleep(0.01)
    second = start(pictures, tmp_path)
    _, errors = second.communicate()
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "is in use by another process" in errors.splitlines()[-1]


@pytest.mark.slow
def test_a_run_with_frozen_layers_that_began_elsewhere_survives(pictures, tmp_path, undisturbed):
    flags = ["--freeze=conv1,conv2,conv3", "--optimizer.rates=fc8=2", "--start_from"]
    ends = []
    for is_killed in (False, True):
        origin, run_dir = tmp_path / f"origin{is_killed}", tmp_path / f"run{is_killed}"
        shutil.copytree(undisturbed[0], origin)
        more = [*flags, str(origin)]
        process = start(pictures, run_dir, more)
        if is_killed:
            while process.poll() is None and not checkpoint.read_last(run_dir / "checkpoints"):
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            shutil.rmtree(origin)
            process = start(pictures, run_dir, more)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        ends.append(checkpoint.load(run_dir, checkpoint.Which.LAST).arrays())
    tiny.assert_equal(*ends)
