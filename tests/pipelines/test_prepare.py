"""The command: what it prints, where, and how it ends."""

import io
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from pipelines import prepare
from pipelines.progress import Progress

ROOT = pathlib.Path(__file__).parents[2]


def run(*flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipelines.prepare", *flags]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_set_is_packed_and_verified(pictures, tmp_path, capsys):
    source, output = tmp_path / "in", str(tmp_path / "set")
    source.symlink_to(pictures)
    done = run(f"--input={source}", f"--output={output}", "--size=32", "--shard_examples=20")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("num_bytes") > 0 and found.pop("images_per_second") > 0
    assert found == {
        "output": output,
        "format": "jpeg",
        "size": 32,
        "examples": {"train": 30, "val": 15},
        "num_classes": 3,
        "num_shards": 3,
        "undecoded": 0,
        "left_out": 0,
    }
    lines = done.stderr.splitlines()
    assert lines[0] == f"listing {source}"
    assert re.fullmatch(r"packed 45 of 45  \[=+\]  .* images/s  left 0:00:00", lines[-1])

    assert prepare.main([f"--verify={output}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "verify": output,
        "examples": {"train": 30, "val": 15},
        "num_shards": 3,
        "undecoded": 0,
        "num_problems": 0,
        "problems": [],
    }

    shard = tmp_path / "set/val-00000-of-00001.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-30])
    assert prepare.main([f"--verify={output}"]) == 1
    text = capsys.readouterr()
    found = json.loads(text.out)
    assert found["num_problems"] == 2
    assert found["problems"][1]["file"] == "val-00000-of-00001.tfrecord"
    assert found["problems"][1]["record"] == 14
    assert "val-00000-of-00001.tfrecord, record 14: it" in text.err


def test_the_report_names_the_first_of_each_kind(tmp_path, capsys):
    for name in "ab":
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "in" / name / f"{number}.jpg").write_bytes(b"GIF8")
    (tmp_path / "in/alone.jpg").touch()
    flags = [f"--input={tmp_path}/in", f"--output={tmp_path}/set", "--size=32"]
    assert prepare.main(flags) == 0
    lines = capsys.readouterr().err.splitlines()
    place = lines.index("8 cannot be decoded:")
    reason = "it is a GIF picture; convert it to JPEG, PNG or BMP"
    assert lines[place + 1] == f"  'a/0.jpg': {reason}"
    assert lines[place + 6 :] == [
        "  and 3 more; dataset.json names all",
        "1 left out:",
        "  'alone.jpg': a picture in no class",
    ]


@pytest.mark.parametrize(
    "flags, code, message",
    [
        (["--input=nowhere", "--output=out"], 2, "input='nowhere' cannot be read: No such file"),
        (["--inptu=x"], 2, "Did you mean --input?"),
        ([], 2, "expected either --input=... and --output=DIR, to pack, or --verify=DIR"),
        (["--verify=nowhere"], 2, "verify='nowhere': dataset.json cannot be read: No such file"),
    ],
)
@pytest.mark.long
def test_a_mistake_is_one_sentence(flags, code, message):
    done = run(*flags)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("listing ")]
    assert message in line


def test_help_names_every_flag():
    done = run("--help")
    assert done.returncode == 0
    for flag in ("input", "output", "verify", "format=jpeg|raw", "size=INTEGER|TEXT", "labels"):
        assert f"  --{flag}" in done.stdout


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = Progress("packed", stream)
    for done in range(0, 1001):
        progress(done, 1000)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r") < 20
    assert "packed 1,000 of 1,000  [========================]" in stream.getvalue()


def test_what_was_there_before_is_in_no_speed():
    progress = Progress("packed", io.StringIO())
    assert progress.first == 0
    for done in (600, 800, 1000):
        progress(done, 1000)
    assert progress.first == 600


def test_progress_elsewhere_is_a_line_now_and_then():
    stream = io.StringIO()
    progress = Progress("packed", stream)
    for done in range(0, 1001):
        progress(done, 1000)
    first, last = stream.getvalue().splitlines()
    assert first == f"packed 0 of 1,000  [{' ' * 24}]"
    assert last.startswith("packed 1,000 of 1,000  [========================]")
