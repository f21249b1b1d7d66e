"""Stands in for the interpreter of a launcher: workers that do what a test tells them.

Variables: DOES_0, DOES_1, ... a worker's program (DOES for all), NOTES a folder in which each
worker leaves its flags, its process and its variables. `attempt` counts the restarts by SLURM.
What is asked with `-c` is asked of Python itself.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

__all__ = ["signal", "subprocess", "time"]  # what the programs use

if sys.argv[1] == "-c":
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
flags = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[3:])
index = flags.get("worker_index", os.environ.get("SLURM_PROCID", "alone"))
attempt = int(os.environ.get("SLURM_RESTART_COUNT", 0))
notes = pathlib.Path(os.environ["NOTES"])
note = {"argv": sys.argv[1:], "flags": flags, "process": os.getpid(), "variables": {**os.environ}}
unfinished = notes / f"unfinished_{index}"
unfinished.write_text(json.dumps(note), encoding="utf-8")
unfinished.rename(notes / f"worker_{index}.json")
exec(os.environ.get(f"DOES_{index}", os.environ.get("DOES", "")))
