"""launch/local.sh, started with the workers of told_workers.py."""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
LOCAL = HERE.parents[1] / "launch" / "local.sh"


class Local:
    """Starts launch/local.sh and reads what its workers have noted."""

    def __init__(self, notes: pathlib.Path):
        self.notes, self.script = notes, LOCAL
        self.python = notes / "python"
        self.python.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/told_workers.py "$@"\n')
        self.python.chmod(0o755)

    def start(self, *words, **variables) -> subprocess.Popen:
        given = {"PYTHON": str(self.python), "NOTES": str(self.notes), "GRACE_SECONDS": "1"}
        environment = {**os.environ, **given, **variables}
        environment = {name: value for name, value in environment.items() if value is not None}
        return subprocess.Popen(
            [self.script, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def run(self, *words, **variables) -> tuple[int, list[str], list[str]]:
        """Returns the exit code and the lines of both streams; nobody may be left then."""
        process = self.start(*words, **variables)
        out, err = process.communicate(timeout=60)
        assert self.left() == []
        return process.returncode, out.splitlines(), err.splitlines()

    def workers(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in sorted(self.notes.glob("worker_*.json"))]

    def left(self) -> list[int]:
        """Workers that are still there, and what they have started."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                is_ours = f"NOTES={self.notes}\0".encode() in path.read_bytes()
            except OSError:
                continue  # ended meanwhile
            found += [int(path.parent.name)] if is_ours else []
        return found

    def wait_for(self, *names: str) -> None:
        end = time.monotonic() + 60
        while not all((self.notes / name).exists() for name in names):
            assert time.monotonic() < end
            time.sleep(0.02)
