"""Shards copied to a local disk: whole, as they were packed, and no oftener than needed."""

import hashlib
import os
import shutil
import threading
import uuid

import numpy as np
import pytest
import tensorflow as tf

from pipelines import staging, storage
from pipelines.staging import stage

NUM_FILES = 6


@pytest.fixture(params=["local", "ram"])
def origin(request, tmp_path):
    """A directory of shards; the first has several pieces."""
    place = str(tmp_path / "origin") if request.param == "local" else f"ram://{uuid.uuid4()}"
    tf.io.gfile.makedirs(place)
    draw = np.random.default_rng(0)
    for i in range(NUM_FILES):
        put(place, f"train-{i}", draw.bytes(9_000_000 if i == 0 else 1000 + i))
    return place


def put(place, name, contents):
    path = storage.join(place, name)
    if tf.io.gfile.exists(path):  # ram:// would append (TF 2.21)
        tf.io.gfile.remove(path)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(contents)


def names(origin):
    return sorted(tf.io.gfile.listdir(origin))


def described(origin):
    contents = {name: storage.read(storage.join(origin, name)) for name in names(origin)}
    return {name: (len(x), hashlib.sha256(x).hexdigest()) for name, x in contents.items()}


def assert_is_copy(there, origin):
    assert sorted(os.listdir(there)) == [".lock", *names(origin)]
    for name in names(origin):
        assert storage.read(os.path.join(there, name)) == storage.read(storage.join(origin, name))


def test_all_files_are_copied_and_then_kept(origin, tmp_path, capsys):
    files, place = described(origin), str(tmp_path / "stage")
    there = stage(origin, place, files)
    assert os.path.dirname(there) == place
    assert_is_copy(there, origin)
    assert "data.stage: copying 6 of 6 files, " in capsys.readouterr().err
    before = {name: os.stat(os.path.join(there, name)).st_ino for name in files}
    tf.io.gfile.rmtree(origin)  # nothing is read there any more
    assert stage(origin, place, files) == there
    assert {name: os.stat(os.path.join(there, name)).st_ino for name in files} == before
    assert capsys.readouterr().err == ""


def test_only_what_is_missing_or_damaged_is_copied(origin, tmp_path, capsys):
    files, place = described(origin), str(tmp_path / "stage")
    there = stage(origin, place, files)
    os.unlink(os.path.join(there, "train-1"))
    os.truncate(os.path.join(there, "train-2"), 500)
    with open(os.path.join(there, "train-0"), "r+b") as file:  # one bit
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    with open(os.path.join(there, "train-3.unfinished"), "wb") as file:
        file.write(b"left by a kill")
    capsys.readouterr()
    assert stage(origin, place, files) == there
    assert "copying 3 of 6 files" in capsys.readouterr().err
    assert_is_copy(there, origin)


@pytest.mark.parametrize("damage", ["bit", "shorter", "longer"])
def test_a_damaged_original_is_named_and_never_taken(origin, tmp_path, damage):
    files, place = described(origin), str(tmp_path / "stage")
    good = storage.read(storage.join(origin, "train-4"))
    bad = {"bit": bytes([good[0] ^ 1]) + good[1:], "shorter": good[:-1], "longer": good + b"?"}
    put(origin, "train-4", bad[damage])
    count = {"bit": "1004", "shorter": "1003", "longer": "more than 1004"}[damage]
    text = f"train-4' is not what was packed: expected 1004 bytes with .*, found {count} with"
    with pytest.raises(ValueError, match=text):
        stage(origin, place, files)
    (there,) = os.listdir(place)
    assert not [name for name in os.listdir(os.path.join(place, there)) if "train-4" in name]
    put(origin, "train-4", good)
    assert_is_copy(stage(origin, place, files), origin)


def test_a_missing_original_is_named(origin, tmp_path):
    files = described(origin)
    tf.io.gfile.remove(storage.join(origin, "train-5"))
    with pytest.raises(ValueError, match="train-5' cannot be copied: No such file.* Run the same"):
        stage(origin, str(tmp_path / "stage"), files)


def test_what_does_not_fit_is_refused_before_anything_is_copied(origin, tmp_path, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    text = "data.stage: '.*' has .*B free, expected .*B for 6 files of '.*'. Make room, name"
    with pytest.raises(ValueError, match=text):
        stage(origin, str(tmp_path / "stage"), described(origin))
    assert not list((tmp_path / "stage").glob("*/train*"))


def test_a_directory_that_cannot_be_used_is_named(origin, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        ValueError, match="data.stage='.*file' cannot be used: Not a directory. Exp"
    ):
        stage(origin, str(tmp_path / "file"), described(origin))


@pytest.mark.parametrize("name", ["../a", "/a", "a/b", "..", ".lock", ""])
def test_no_file_is_written_elsewhere(tmp_path, name):
    with pytest.raises(ValueError, match="names a file .*; expected names without folders in them"):
        stage("origin", str(tmp_path), {name: (1, "0" * 64)})


def test_other_files_have_another_directory(origin, tmp_path):
    place = str(tmp_path / "stage")
    first = stage(origin, place, described(origin))
    put(origin, "train-1", b"packed anew")
    second = stage(origin, place, described(origin))
    assert first != second
    assert_is_copy(second, origin)


def test_two_at_once_copy_once(origin, tmp_path, capsys):
    files, place = described(origin), str(tmp_path / "stage")
    both = [threading.Thread(target=stage, args=(origin, place, files)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=60)
    assert capsys.readouterr().err.count("copying 6 of 6 files") == 1
    assert_is_copy(stage(origin, place, files), origin)


def test_what_takes_long_is_said(origin, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(staging, "_SAY_SECONDS", 0)
    files, place = described(origin), str(tmp_path / "stage")
    stage(origin, place, files)
    assert "B copied." in capsys.readouterr().err
    stage(origin, place, files)
    assert "B checked." in capsys.readouterr().err
