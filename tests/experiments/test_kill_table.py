"""Killed at any moment and started again, a table ends bit for bit like one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from alexnet_tf.experiments import results

COMMAND = [sys.executable, "-m", "alexnet_tf.experiment", "lrn_cifar", "--deterministic"]
COMMAND += ["--seeds=2", "--epochs=200"]


def start(pictures, output):
    flags = [f"--data.source=folder:{pictures}", f"--output={output}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *flags], env=dict(os.environ), **pipes)


def contents(output):
    stored = json.loads((output / results.FILE).read_text())["rows"]
    return [{name: x for name, x in row.items() if name != "time"} for row in stored]


@pytest.mark.slow
def test_a_table_that_is_killed_five_times_ends_the_same(pictures, tmp_path):
    whole, output = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    process = start(pictures, whole)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert json.loads(printed.splitlines()[-1])["finished"] == 4
    lasted, draw = time.monotonic() - began, random.Random()
    seen = []
    for number in [signal.SIGKILL, signal.SIGTERM] * 2 + [signal.SIGKILL]:
        process = start(pictures, output)
        time.sleep(draw.uniform(0.3, 1.0) * lasted)
        process.send_signal(number)
        process.communicate()
        assert process.returncode in (0, 143, -number)
        seen.append(len(results.read(output, "lrn_cifar").finished) if output.exists() else 0)
    process = start(pictures, output)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    print("rows that were finished at each kill:", seen)
    assert contents(output) == contents(whole)
    reports = [x.name for x in whole.iterdir() if x.stem in ("table", "plot")]
    assert {"table.md", "table.csv", "table.json"} <= {*reports}
    for name in reports:
        assert (output / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(output.glob("runs/*/*/checkpoints"))
    assert json.loads(printed.splitlines()[-1])["failed"] == []


@pytest.mark.slow
def test_a_long_table_is_trained_by_one_process_after_the_other(pictures, tmp_path):
    code = (
        "import os, sys\n"
        "from alexnet_tf import experiment\n"
        "from alexnet_tf.command_line import flags\n"
        "print('process', os.getpid(), file=sys.stderr)\n"
        "experiment.RUNS_A_PROCESS = 1\n"
        "sys.argv.remove(experiment.MODULE)\n"
        "flags.run_command(experiment.main)\n"
    )
    words = ["lrn_cifar", "--seeds=1", "--epochs=2", f"--data.source=folder:{pictures}"]
    command = [sys.executable, "-c", code, "alexnet_tf.experiment", *words, f"--output={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["finished"] == 2
    started = [x for x in done.stderr.splitlines() if x.startswith("process ")]
    assert len(started) == 2 and len({*started}) == 1  # the same process, begun anew


@pytest.mark.slow
def test_processes_share_a_table_and_it_ends_as_that_of_one(pictures, tmp_path):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    whole = start(pictures, alone)
    _, errors = whole.communicate()
    assert whole.returncode == 0, errors
    processes = [start(pictures, shared) for _ in range(2)]
    said = [process.communicate() for process in processes]
    assert [x.returncode for x in processes] == [0, 0], said
    lines = [line for _, errors in said for line in errors.splitlines()]
    trained = [x for x in lines if x.startswith("lrn_cifar: ") and ", seed " in x]
    assert len(trained) == len({*trained}) == 4  # none twice
    assert all(", seed " in errors for _, errors in said)  # both had some
    finished = [json.loads(printed.splitlines()[-1])["finished"] for printed, _ in said]
    assert max(finished) == 4
    if min(finished) < 4:
        place = f"left to other processes, which train in {str(shared)!r}: "
        assert any(place in line and "The last of them writes" in line for line in lines)

    def key(row):
        return row["row"], row["seed"]

    assert sorted(contents(shared), key=key) == sorted(contents(alone), key=key)
    for name in ("table.md", "table.csv", "table.json"):
        assert (shared / name).read_bytes() == (alone / name).read_bytes(), name
