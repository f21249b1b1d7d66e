"""Real workers: processes of `python -m alexnet_tf.train` that find each other on loopback."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time

import tiny

from alexnet_tf.training import checkpoint

FLAGS = (*tiny.FLAGS[:-3], "--global_batch_size=12", "--log_every_steps=3", tiny.FLAGS[-1])
"""The smallest run, with a batch that 1, 2, 3, 4 and 6 divide."""


class Processes:
    """Workers of one run; leaves none behind.

    Args:
      count: how many.
      run_dir: of all of them; worker i's output goes to run_dir.i.out and .err.
      flags: of all of them.
      own: further flags of single workers, by index.
      program: Python that does what `python -m alexnet_tf.train` would.
    """

    def __init__(self, count, run_dir, *flags, own=None, program=None):
        workers = ",".join(f"127.0.0.1:{port}" for port in free_ports(count))
        called = ["-c", program] if program else ["-m", "alexnet_tf.train"]
        common = [sys.executable, *called, f"--run_dir={run_dir}"]
        common += ["--strategy=multi_worker", f"--workers={workers}", "--worker_wait_seconds=60"]
        common += flags
        self.addresses = workers.split(",")
        self.paths = [f"{run_dir}.{index}" for index in range(count)]
        self.processes = []
        for index, path in enumerate(self.paths):
            with open(f"{path}.out", "w") as out, open(f"{path}.err", "w") as err:
                command = [*common, f"--worker_index={index}", *(own or {}).get(index, ())]
                started = subprocess.Popen(command, stdout=out, stderr=err, env=dict(os.environ))
                self.processes.append(started)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in self.processes:
            process.kill()
            process.wait()

    def __getitem__(self, index):
        return self.processes[index]

    def codes(self, seconds=240) -> list[int]:
        """Waits for all; their exit codes."""
        end = time.monotonic() + seconds
        return [process.wait(max(0.1, end - time.monotonic())) for process in self.processes]

    def said(self, index) -> str:
        """What a worker wrote to standard error so far."""
        with open(f"{self.paths[index]}.err") as file:
            return file.read()

    def printed(self, index) -> str:
        """What a worker wrote to standard output so far."""
        with open(f"{self.paths[index]}.out") as file:
            return file.read()

    def wait_for(self, index, pattern) -> None:
        """Waits until a worker has written a pattern to standard error, or has ended."""
        while not re.search(pattern, self.said(index)) and self[index].poll() is None:
            time.sleep(0.02)


def free_ports(count) -> list[int]:
    """Finds ports of loopback that nobody listens at."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in found]


def run_to_end(count, run_dir, *flags, own=None) -> dict:
    """Runs workers to their end; returns weights and momenta."""
    with Processes(count, run_dir, *flags, own=own) as workers:
        codes = workers.codes()
        assert codes == [0] * count, [workers.said(i)[-2000:] for i in range(count)]
        assert all(
            workers.printed(i) == "" for i in range(1, count)
        )  # the chief alone has a result
    return checkpoint.load(run_dir, "last").arrays()
