"""How workers end together: by a signal, or by the mistake of one, with the same sentence."""

import contextlib
import json
import signal
import socket
import time

import pytest
import tensorflow as tf
import tiny
import worker_processes
from worker_processes import FLAGS, Processes

from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.directory_lock import Lock
from alexnet_tf.errors import RunFailed
from alexnet_tf.training import checkpoint, joining, state
from alexnet_tf.training.counts import Counts

STEPS = "--steps=20"


@pytest.mark.slow
def test_a_signal_to_any_worker_saves_at_one_step_and_ends_all(pictures, tmp_path):
    source = f"--data.source=folder:{pictures}"
    for index, number, code in (
        (1, signal.SIGTERM, 143),
        (0, signal.SIGTERM, 143),
        (1, signal.SIGINT, 130),
    ):
        run_dir = tmp_path / f"{index}{number}"
        with Processes(2, run_dir, *FLAGS, source, "--steps=100000") as workers:
            workers.wait_for(0, r"step +6 ")
            workers[index].send_signal(number)
            began = time.monotonic()
            assert workers.codes(60) == [code, code], [workers.said(i) for i in range(2)]
            seconds = time.monotonic() - began
            step = json.loads(workers.printed(0).splitlines()[-1])["step"]
        print(f"{number!r} to worker {index}: {seconds:.1f} s")
        assert seconds < 30
        assert checkpoint.load(run_dir, "last").step == step > 0


PREPARES_LONG = """
import sys, time
from alexnet_tf import train
from alexnet_tf.command_line import flags
from alexnet_tf.training import run

def kept(*sources):
    print("keeping", file=sys.stderr, flush=True)
    time.sleep(100)

run.kept = kept
flags.run_command(train.main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_a_signal_before_training_acts_at_once(pictures, tmp_path, number, code):
    """Of two workers, while pictures are decoded for the cache, which may take an hour."""
    flags = (*FLAGS, STEPS, f"--data.source=folder:{pictures}")
    with Processes(2, tmp_path / "run", *flags, program=PREPARES_LONG) as workers:
        for index in range(2):
            workers.wait_for(index, "keeping")
            workers[index].send_signal(number)
        assert workers.codes(20) == [code, code], [workers.said(i) for i in range(2)]


@pytest.mark.slow
def test_a_directory_in_use_is_the_same_sentence_for_all(pictures, tmp_path):
    flags = (*FLAGS, STEPS, f"--data.source=folder:{pictures}")
    lock = Lock(tmp_path / "run")
    own = {1: (f"--run_dir={tmp_path / 'nowhere'}",)}
    with lock, Processes(2, tmp_path / "run", *flags, own=own) as workers:
        assert workers.codes(100) == [2, 2]
        for index in range(2):
            last = workers.said(index).splitlines()[-1]
            assert "is in use by another process" in last and "Traceback" not in last


@pytest.mark.slow
def test_workers_that_do_not_fit_are_refused(pictures, tmp_path):
    source = f"--data.source=folder:{pictures}"
    other = tiny.write_pictures(tmp_path / "other", train=9)
    for own, text in (
        (("--optimizer.momentum=0.8",), "since it differs: optimizer.momentum: 0.9 -> 0.8"),
        ((f"--data.source=folder:{other}",), "since its data differ: train_num_examples: 30 -> 27"),
    ):
        with Processes(2, tmp_path / "run", *FLAGS, STEPS, source, own={1: own}) as workers:
            assert workers.codes(60) == [2, 2]
            for index in range(2):
                last = workers.said(index).splitlines()[-1]
                assert "was refused by the chief, " in last and text in last
                assert "Traceback" not in workers.said(index)
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train/dark/1.jpg", "val/dark/1.jpg", "val/red/4.jpg"])
def test_a_picture_that_one_worker_cannot_decode_ends_all_with_its_sentence(tmp_path, name):
    root = tiny.write_pictures(tmp_path / "pictures")
    (root / name).write_bytes(b"no picture")
    flags = (*FLAGS, STEPS, "--save_every_seconds=0.001", f"--data.source=folder:{root}")
    with Processes(2, tmp_path / "run", *flags) as workers:
        assert workers.codes(100) == [2, 2]
        for index in range(2):
            assert f"{name[-5:]}' cannot be decoded: " in workers.said(index).splitlines()[-1]
            assert "Traceback" not in workers.said(index)
    last = checkpoint.read_last(tmp_path / "run" / "checkpoints")
    if last:  # of what is saved nothing is lost, and an evaluation without a picture is none
        progress = state.Progress.from_json(last.progress)
        assert progress.skipped == Counts(*progress.sums).skipped == 0
        assert progress.evaluated_step == 0 and progress.evaluation is None
    assert last or name.startswith("train")


@pytest.mark.slow
def test_a_port_that_another_program_has_is_one_sentence(pictures, tmp_path):
    flags = (*FLAGS, f"--data.source=folder:{pictures}", STEPS)
    with socket.create_server(("127.0.0.1", 0)) as other, contextlib.ExitStack() as stack:
        ports = [*worker_processes.free_ports(1), other.getsockname()[1]]
        addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        own = {i: (f"--workers={addresses}",) for i in range(2)}
        workers = stack.enter_context(Processes(2, tmp_path / "run", *flags, own=own))
        assert workers.codes(60) == [1, 1]
        for i in range(2):
            last = workers.said(i).splitlines()[-1]
            assert f": worker 1 (127.0.0.1:{ports[1]}) cannot listen at its port (" in last


def test_a_server_that_tensorflow_cannot_start_is_one_sentence(monkeypatch):
    config = Config(run=RunConfig(strategy="multi_worker", workers=("127.0.0.1:1",)))

    def make_strategy(run, members):
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(joining, "make_strategy", make_strategy)
    monkeypatch.setattr(joining.cluster, "take_cores", lambda members: None)
    with pytest.raises(
        RunFailed, match=r"worker 0 \(.*\) could not join the others: Could not sta"
    ):
        with joining.joined(config):
            pass
