"""A file of squares: there whole or not at all, and a fill goes on where it was killed."""

import fcntl
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from pipelines import squares_file
from pipelines.kept import lent
from pipelines.squares_file import SquaresFile

NUM, SIDE = 11, 5


@pytest.fixture
def file(tmp_path):
    return SquaresFile(str(tmp_path / "one"), "key", NUM, SIDE)


def examples(first: int, last: int):
    index = np.arange(first, last)
    squares = np.broadcast_to(index[:, None, None, None], (len(index), SIDE, SIDE, 3))
    return np.ascontiguousarray(squares, np.uint8), index % 3, index % 4 > 0


def fill(file: SquaresFile, *bounds: int) -> None:
    with file.filling() as filling:
        for first, last in zip(bounds, bounds[1:], strict=False):
            assert filling.done == first
            filling.put(*examples(first, last))
        filling.finish()


def assert_holds(file: SquaresFile) -> None:
    for column, expected in zip(file.read(), examples(0, NUM), strict=True):
        np.testing.assert_array_equal(column, expected)


def test_what_was_put_is_read(file):
    fill(file, 0, 4, 8, NUM)
    assert file.is_whole()
    assert_holds(file)
    squares, labels, good = file.read()
    assert (squares.dtype, labels.dtype, good.dtype) == (np.uint8, np.int32, bool)
    assert os.listdir(os.path.dirname(file.path)) == ["one"]


def test_nobody_sees_a_file_before_it_is_whole(file):
    with file.filling() as filling:
        filling.put(*examples(0, 8))
        filling.save()
        assert not file.is_whole()
        assert not os.path.exists(file.path)


def test_a_fill_goes_on_after_what_was_saved(file):
    with file.filling() as filling:
        filling.put(*examples(0, 4))
        filling.save()
        filling.put(*examples(4, 8))  # never noted
    with file.filling() as filling:
        assert filling.done == 4
    fill(file, 4, NUM)
    assert_holds(file)


def test_another_set_under_the_same_name_is_begun_anew(file, tmp_path):
    with file.filling() as filling:
        filling.put(*examples(0, 4))
        filling.save()
    for other in (SquaresFile(file.path, "another", NUM, SIDE), file):
        with other.filling() as filling:
            assert filling.done == 0
    (tmp_path / "one.unfinished").write_bytes(b"[1, 2]")
    with file.filling() as filling:
        assert filling.done == 0


@pytest.mark.parametrize("column, byte", [(1, 0), (2, 0), (3, -1)])
def test_a_label_or_a_mark_that_is_not_as_it_was_written_is_noticed(file, column, byte):
    fill(file, 0, NUM)
    place = file.bounds[column] + byte
    with open(file.path, "r+b") as damaged:
        damaged.seek(place)
        old = damaged.read(1)
        damaged.seek(place)
        damaged.write(bytes([old[0] ^ 2]))
    assert not file.is_whole()


def test_a_fill_that_was_killed_before_it_got_its_name_is_not_begun_anew(file):
    fill(file, 0, NUM)
    os.rename(file.path, file.unfinished)
    with file.filling() as filling:
        assert filling.done == NUM
        filling.finish()
    assert file.is_whole()


def test_files_of_before_have_no_checksum_and_are_taken(file):
    fill(file, 0, NUM)
    with open(file.path, "r+b") as older:
        older.write(file.header(NUM))
    assert file.is_whole()
    assert_holds(file)


@pytest.mark.parametrize("change", ["shorter", "longer", "other", "empty"])
def test_what_is_not_as_it_was_written_is_not_taken(file, change):
    fill(file, 0, NUM)
    with open(file.path, "r+b") as damaged:
        if change == "other":
            damaged.write(b"?")
        else:
            size = file.bounds[-1]
            damaged.truncate({"shorter": size - 1, "longer": size + 1, "empty": 0}[change])
    assert not file.is_whole()
    fill(file, 0, NUM)
    assert file.is_whole()


def test_what_it_takes_of_the_disk_is_known_beforehand(file):
    num_bytes = file.bounds[-1]
    assert file.missing_bytes() == num_bytes > NUM * (SIDE**2 * 3 + 5)
    fill(file, 0, NUM)
    assert file.missing_bytes() == 0


def test_a_second_process_waits(file, monkeypatch):
    found, said = [], []
    monkeypatch.setattr(squares_file, "say", said.append)  # capsys loses what comes while it reads

    def second():
        with file.filling() as filling:  # a lock of its own, as another process would have
            found.append((file.is_whole(), filling.done))
            filling.abandon()

    waiting = threading.Thread(target=second)
    with file.filling() as filling:
        waiting.start()
        filling.put(*examples(0, NUM))
        while not any("waiting for another process that fills" in text for text in said):
            assert waiting.is_alive()
            time.sleep(0.01)
        assert not found
        filling.finish()
    waiting.join(timeout=60)
    assert found == [(True, 0)]
    assert_holds(file)


def test_a_lock_dies_with_its_process(file):
    with file.filling(), open(file.unfinished, "rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fill(file, 0, NUM)


def test_progress_is_said_and_saved(file, monkeypatch, capsys):
    monkeypatch.setattr(squares_file, "SAVE_SECONDS", 0)
    with file.filling() as filling:
        filling.put(*examples(0, 4))
    assert capsys.readouterr().err == "data.cache=disk: 4 of 11 pictures decoded.\n"
    with file.filling() as filling:
        assert filling.done == 4


def test_more_than_memory_holds_is_mapped(tmp_path):
    num = 1_281_167
    file = SquaresFile(str(tmp_path / "large"), "key", num, 256)
    with open(file.path, "wb") as sparse:  # takes no room: it is nearly all a hole
        try:
            sparse.truncate(file.bounds[-1])
        except OSError:
            pytest.skip("this file system has no files of 252 GB")
        sparse.seek(file.bounds[1] - 256 * 256 * 3)
        sparse.write(b"\7" * (256 * 256 * 3))
    images, _, good = lent(*file.read())
    assert images.shape == (num, 256, 256, 3)
    last = tf.function(lambda index: tf.gather(images, index))(tf.constant(num - 1, tf.int64))
    assert (last.numpy() == 7).all()
    assert not good[-1]


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pipelines import squares_file
from test_squares_file import *
squares_file.SAVE_SECONDS = 0
with SquaresFile({path!r}, "key", NUM, SIDE).filling() as filling:
    filling.put(*examples(0, 3))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_what_it_has_saved(file):
    program = KILLED.format(tests=os.path.dirname(__file__), path=file.path)
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    fill(file, 3, NUM)
    assert_holds(file)
