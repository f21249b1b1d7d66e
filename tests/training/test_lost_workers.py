"""A worker that is killed: the others say so and end, and all go on with the same bits.

A process that is killed with SIGKILL closes its sockets; a machine that loses its power does not,
and is missed by TensorFlow's heartbeats, which was not tried.
"""

import json
import random
import signal
import time

import pytest
import tiny
from worker_processes import FLAGS, Processes, run_to_end

from alexnet_tf.training import checkpoint

STEPS = "--steps=600"
MOMENTS = {
    "meeting": ("", 0.5),  # a pattern that the chief has written, and seconds after it at most
    "starting": ("", 6.0),
    "compiling": ("training examples", 1.0),
    "training": (r"step +\d+ +epoch .* train", 2.0),
    "evaluating": (r"step +\d+0 +epoch .* train", 0.02),  # the fourth epoch's last: evaluated next
    "saving": (r"step +\d+ +epoch .* train", 0.0),
}


@pytest.fixture(scope="module")
def flags(pictures):
    # 30 examples, 12 a step: every fourth epoch, so every tenth step, is evaluated.
    own = (f"--data.source=folder:{pictures}", "--collectives=ring", STEPS, "--steps_per_launch=1")
    return *FLAGS, *own, "--save_every_seconds=0.3", "--evaluate_every_epochs=4", "--deterministic"


@pytest.fixture(scope="module")
def undisturbed(flags, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    return run_dir, run_to_end(2, run_dir, *flags)


def kill(count, run_dir, flags, victim, moment, draw):
    """Kills a worker at a moment; returns the exit codes of the others and the seconds it took."""
    pattern, most = MOMENTS[moment]
    with Processes(count, run_dir, *flags) as workers:
        workers.wait_for(0, pattern)
        time.sleep(draw.uniform(0, most))
        while moment == "saving" and workers[victim].poll() is None:
            if list((run_dir / "checkpoints").glob(".unfinished-*")):  # being written
                break
        workers[victim].send_signal(signal.SIGKILL)
        began = time.monotonic()
        workers.codes(100)
        seconds = time.monotonic() - began
        others = [i for i in range(count) if i != victim]
        codes = [workers[i].returncode for i in others]
        last = [workers.said(i).splitlines()[-1] for i in others]
    if any(codes):  # else all had done their work
        for i, code, line in zip(others, codes, last, strict=True):
            assert code == 1, (i, code, line)
            name = rf"worker {victim} ({workers.addresses[victim]})"
            assert name in line
            assert any(
                what in line
                for what in (
                    "ended or cannot be reached, so this worker ends too; look at what was printed",
                    "did not come in time. Look at what they printed, and start",
                    "did not answer for",
                )
            )
    return codes, seconds


@pytest.mark.slow
def test_workers_killed_at_ten_random_moments_end_with_the_same_bits(flags, tmp_path, undisturbed):
    whole, expected = undisturbed
    draw = random.Random()
    run_dir = tmp_path / "run"
    moments = [(moment, i % 2) for i, moment in enumerate(MOMENTS)]
    moments += [("compiling", 1), ("training", 0), ("evaluating", 1), ("saving", 0)]
    rows = []
    for moment, victim in moments:
        limit = "--worker_wait_seconds=15"
        codes, seconds = kill(2, run_dir, (*flags, limit), victim, moment, draw)
        last = checkpoint.read_last(run_dir / "checkpoints")
        rows.append((moment, victim, codes, round(seconds, 1), last.step if last else 0))
        print(*rows[-1], flush=True)
        assert seconds < 60
        assert any(codes)  # it was not over before
    tiny.assert_equal(run_to_end(2, run_dir, *flags), expected)
    assert tiny.metrics(run_dir) == tiny.metrics(whole)


@pytest.mark.slow
def test_the_chiefs_result_is_written_once_and_whole(undisturbed):
    run_dir, _ = undisturbed
    assert json.loads((run_dir / "result.json").read_text())["step"] == 600
