"""Training on batches of a tf.data service that runs in a process of its own, over loopback."""

import contextlib
import json
import pathlib
import re
import socket
import subprocess
import sys

import pytest
import tiny

from alexnet_tf.config.run import Config, RunConfig
from pipelines.config import DataConfig

SCRIPT = pathlib.Path(__file__).parents[2] / "launch" / "data_service.sh"


def port() -> int:
    """A port that nothing uses now."""
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@contextlib.contextmanager
def service(*more):
    """Starts the script; yields the address that it prints."""
    command = ["env", f"PYTHON={sys.executable}", str(SCRIPT), "--host=localhost", *more]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield json.loads(process.stdout.readline())["service"]
    finally:
        process.kill()
        process.communicate()


def train(pictures, run_dir, *more):
    flags = [*tiny.FLAGS, f"--data.source=folder:{pictures}", f"--run_dir={run_dir}", *more]
    return subprocess.run(
        [sys.executable, "-m", "alexnet_tf.train", *flags], capture_output=True, text=True
    )


@pytest.mark.slow
def test_a_run_takes_its_batches_from_a_service_and_says_what_repeats(pictures, tmp_path):
    with service(f"--port={port()}") as address, service(f"--dispatcher={address}", "--port=1"):
        flags = [f"--data.service={address}", "--data.cache=none", "--save_every_seconds=0.01"]
        first = train(pictures, tmp_path, *flags, "--steps=4")
        assert first.returncode == 0, first.stderr
        assert json.loads(first.stdout.splitlines()[-1])["step"] == 4
        again = train(pictures, tmp_path, *flags, "--steps=6")
        assert again.returncode == 0, again.stderr
        assert re.search(r"epoch \d+ starts anew.*\d+ of its \d+ examples come again", again.stderr)
        assert json.loads(again.stdout.splitlines()[-1])["step"] == 6


@pytest.mark.long
def test_a_service_that_does_not_answer_is_one_sentence(pictures, tmp_path):
    done = train(pictures, tmp_path, f"--data.service=grpc://localhost:{port()}")
    assert done.returncode == 2
    said = re.search(r"data.service='grpc://localhost:\d+': nothing answers.*\n", done.stderr)
    assert said and "Traceback" not in done.stderr


def test_a_deterministic_run_is_refused():
    with pytest.raises(ValueError, match="deterministic=true, data.service=grpc://a:1: expected"):
        Config(data=DataConfig(service="grpc://a:1"), run=RunConfig(deterministic=True))
