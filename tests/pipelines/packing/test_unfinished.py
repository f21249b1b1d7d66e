"""The place that a set is packed in: who may have it, and when a shard in it is complete."""

import errno
import fcntl
import pathlib

import packed as p
import pytest

from pipelines.packing.unfinished import Unfinished

SETTINGS = {"size": 32, "shard_examples": 16, "format": "raw"}
SHARD = "train-00001-of-00002.tfrecord"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_named_and_nothing_is_left_there(
    tmp_path, monkeypatch, code
):
    def no_locks(*rest):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(
        ValueError,
        match="^output='.*set' cannot be locked: no locks here. Expected a file system th",
    ):
        Unfinished(str(tmp_path / "set"))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_settings_is_a_sentence(pictures, tmp_path):
    (tmp_path / "set.unfinished/.settings.json.unfinished").mkdir(parents=True)
    with pytest.raises(OSError, match="settings.json' could not be written: Is a directory. Make"):
        p.packed(pictures, tmp_path / "set", **SETTINGS)


@pytest.mark.parametrize("owner, name", [(pathlib.Path, "mkdir"), (fcntl, "flock")])
def test_a_set_that_another_process_ends_at_that_moment_is_there(
    pictures, tmp_path, monkeypatch, owner, name
):
    """It ends after our look at the output, before the directory is made or locked."""
    p.packed(pictures, tmp_path / "whole", **SETTINGS)
    (tmp_path / "set.unfinished").mkdir()

    call = getattr(owner, name)

    def ended(*rest, **settings):
        monkeypatch.undo()
        (tmp_path / "set.unfinished").rmdir()
        (tmp_path / "whole").rename(tmp_path / "set")
        return call(*rest, **settings)

    monkeypatch.setattr(owner, name, ended)
    with pytest.raises(
        ValueError, match="set' is there already; expected a directory that is empty"
    ):
        p.packed(pictures, tmp_path / "set", **SETTINGS)
    assert not (tmp_path / "set.unfinished").exists()


def without(name: str, contents: bytes | None):
    """Removes a file, or replaces it, when all shards are there."""
    wait = Unfinished.wait

    def changed(self):
        wait(self)
        if len([*self.path.glob("*.partial")]) == 3:
            (self.path / name).unlink()
            if contents is not None:
                (self.path / name).write_bytes(contents)

    return changed


@pytest.mark.parametrize(
    "name, contents",
    [(SHARD, None), (f"{SHARD}.index", None), (SHARD, b"1"), (f"{SHARD}.index", b"1")],
)
def test_a_shard_that_was_removed_or_changed_is_packed_again(
    pictures, tmp_path, monkeypatch, name, contents
):
    p.packed(pictures, tmp_path / "whole", **SETTINGS)
    with monkeypatch.context() as patched:
        patched.setattr(Unfinished, "wait", without(name, contents))
        with pytest.raises(
            OSError, match="has lost a shard while others were packed; expected all"
        ):
            p.packed(pictures, tmp_path / "set", **SETTINGS)
    p.packed(pictures, tmp_path / "set", **SETTINGS)
    assert p.digests(tmp_path / "set") == p.digests(tmp_path / "whole")
