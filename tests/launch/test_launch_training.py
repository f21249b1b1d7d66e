"""launch/local.sh with two workers that train: interrupted, killed, gone on with."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TRAIN = ("2", "train", "--steps=1000000", "--log_every_steps=100", "--evaluate_every_epochs=9999")


class Run:
    """A run that was started, and what it says on standard error."""

    def __init__(self, folder: pathlib.Path):
        self.said = folder / "said"
        with self.said.open("w", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                [ROOT / "launch" / "local.sh", *TRAIN, f"--run_dir={folder / 'run'}"],
                stdout=subprocess.DEVNULL,
                stderr=err,
                env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )

    def __enter__(self) -> "Run":
        try:
            self.wait_for_a_step()
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused) -> None:
        self.process.terminate()
        self.process.wait(150)

    def text(self) -> str:
        return self.said.read_text(encoding="utf-8")

    def wait_for_a_step(self) -> None:
        end = time.monotonic() + 240
        while not re.search(r"^\[0\] step .* train ", self.text(), re.MULTILINE):
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < end, self.text()
            time.sleep(0.1)

    def worker(self, index: int) -> int:
        """The process of a worker: a child of the script."""
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
                parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # ended meanwhile
            if parent == self.process.pid and f"--worker_index={index}".encode() in words:
                return int(path.parent.name)
        raise AssertionError(self.text())


@pytest.mark.slow
def test_workers_that_were_interrupted_killed_or_stopped_go_on(tmp_path):
    with Run(tmp_path) as run:
        os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does
        assert run.process.wait(60) == 130, run.text()
    with Run(tmp_path) as run:
        assert "going on after step" in run.text()
        os.kill(run.worker(1), signal.SIGKILL)
        # The chief follows at once, and two that end within 0.2 s have no order.
        assert run.process.wait(90) in (137, 1), run.text()
        assert "still running" not in run.text()  # the chief ended by itself
    with Run(tmp_path) as run:
        run.process.terminate()
        assert run.process.wait(60) == 143, run.text()
