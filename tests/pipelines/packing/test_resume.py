"""A packing that is killed goes on, and ends with the same bytes."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import packed as p
import pytest

ROOT = pathlib.Path(__file__).parents[3]


def command(source, output, *flags: str) -> list[str]:
    flags = (f"--input={source}", f"--output={output}", "--size=32", "--shard_examples=4", *flags)
    return [sys.executable, "-m", "pipelines.prepare", *flags]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.long
def test_a_kill_in_the_last_moment_ends_with_the_same_bytes(pictures, tmp_path, monkeypatch, after):
    settings = {"size": 32, "shard_examples": 4, "format": "raw"}
    p.packed(pictures, tmp_path / "whole", **settings)
    rename = pathlib.Path.rename

    def killed(self, target):
        if self.name == "set.unfinished":
            if after:
                rename(self, target)
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pathlib.Path, "rename", killed)
        p.packed(pictures, tmp_path / "set", **settings)
    found = p.packed(pictures, tmp_path / "set", **settings)
    assert found == p.described(tmp_path / "whole")
    assert p.digests(tmp_path / "set") == p.digests(tmp_path / "whole")


def test_a_name_that_cannot_be_given_at_the_end_costs_no_shard(pictures, tmp_path, monkeypatch):
    settings = {"size": 32, "shard_examples": 4, "format": "raw"}
    p.packed(pictures, tmp_path / "whole", **settings)
    from pipelines.packing import unfinished

    def in_the_way(path, text, write=unfinished.files.write_text):
        write(path, text)
        if path.name == "dataset.json":
            (tmp_path / "set").mkdir(exist_ok=True)
            (tmp_path / "set/note").write_text("mine")

    with monkeypatch.context() as patched:
        patched.setattr(unfinished.files, "write_text", in_the_way)
        with pytest.raises(OSError, match="Directory not empty.* it goes on from here"):
            p.packed(pictures, tmp_path / "set", **settings)
    (tmp_path / "set/note").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(unfinished.Unfinished, "begin_shard", None)
        p.packed(pictures, tmp_path / "set", **settings)
    assert p.digests(tmp_path / "set") == p.digests(tmp_path / "whole")


def test_what_a_kill_left_in_a_whole_set_is_removed(pictures, tmp_path, monkeypatch):
    from pipelines.packing import unfinished

    settings = {"size": 32, "shard_examples": 4}
    p.packed(pictures, tmp_path / "whole", **settings)
    with monkeypatch.context() as patched:
        patched.setattr(unfinished, "_remove_leftovers", lambda output: None)
        p.packed(pictures, tmp_path / "set", **settings)
    assert list((tmp_path / "set").glob("*.partial"))
    with pytest.raises(ValueError, match="is there already"):  # another set
        p.packed(pictures, tmp_path / "set", **settings, quality=90)
    assert p.digests(tmp_path / "set") == p.digests(tmp_path / "whole")


def test_the_name_of_an_unfinished_set_is_refused_and_costs_nothing(pictures, tmp_path):
    begun = tmp_path / "set.unfinished"
    begun.mkdir()
    (begun / "settings.json").write_text('{"digests": []}')
    with pytest.raises(ValueError, match="a set is packed until it is whole; .*/set to go on"):
        p.packed(pictures, begun, size=32)
    assert (begun / "settings.json").exists()


def test_shards_that_are_there_are_not_made_again(pictures, tmp_path, monkeypatch):
    settings = {"size": 32, "shard_examples": 4, "format": "raw"}
    p.packed(pictures, tmp_path / "whole", **settings)
    from pipelines.packing import pack

    begun, finish = [], pack.Unfinished.finish_shard

    def stopping(self, writer):
        finish(self, writer)
        begun.append(writer)
        if len(begun) == 3:
            self.wait()
            raise KeyboardInterrupt

    monkeypatch.setattr(pack.Unfinished, "finish_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        p.packed(pictures, tmp_path / "set", **settings)
    assert not (tmp_path / "set").exists()
    left = tmp_path / "set.unfinished"
    (left / "train-00001-of-00008.tfrecord.partial").unlink()  # one in the middle is missing too
    times = {path: path.stat().st_mtime_ns for path in left.glob("train-0000[02]*.tfrecord")}
    assert len(times) == 2
    monkeypatch.setattr(pack.Unfinished, "finish_shard", finish)
    p.packed(pictures, tmp_path / "set", **settings, workers=3)
    assert p.digests(tmp_path / "set") == p.digests(tmp_path / "whole")
    for path, when in times.items():
        assert (tmp_path / "set" / path.name).stat().st_mtime_ns == when


def kill_and_compare(pictures, tmp_path, kills: int) -> None:
    whole = subprocess.run(command(pictures, tmp_path / "whole"), env=environment())
    assert whole.returncode == 0
    draw = random.Random(0)
    for kill in range(kills):
        output = tmp_path / f"set{kill}"
        left = tmp_path / f"set{kill}.unfinished"
        process = subprocess.Popen(
            command(pictures, output), env=environment(), stderr=subprocess.DEVNULL
        )
        wanted = draw.randrange(12)
        while process.poll() is None and len([*left.glob("*.index")]) < wanted:
            time.sleep(0.001)
        time.sleep(draw.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        was_whole = output.exists()  # it was killed after the last rename, or came to its end
        again = subprocess.run(command(pictures, output, "--workers=1"), env=environment())
        assert again.returncode in ((0, 2) if was_whole else (0,))  # 2 if nothing was left over
        assert p.digests(output) == p.digests(tmp_path / "whole")
        assert not left.exists()


@pytest.mark.long
def test_a_packing_that_was_killed_ends_with_the_same_bytes(pictures, tmp_path):
    kill_and_compare(pictures, tmp_path, 1)


@pytest.mark.slow
def test_a_packing_that_was_killed_at_any_moment_ends_with_the_same_bytes(pictures, tmp_path):
    kill_and_compare(pictures, tmp_path, 10)


FULL = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.argv[0] = "prepare"
runpy.run_module("pipelines.prepare", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_packing_goes_on_when_there_is_room(pictures, tmp_path):
    arguments = command(pictures, tmp_path / "set", "--format=raw")[3:]
    full = [sys.executable, "-c", FULL, *arguments]
    done = subprocess.run(full, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "could not be written: " in last
    assert "Make room or permit writing, and run the same command again: it goes on" in last
    done = subprocess.run([*command(pictures, tmp_path / "set", "--format=raw")], env=environment())
    assert done.returncode == 0
