"""One process in a directory."""

import errno
import fcntl
import os

import pytest

from alexnet_tf.directory_lock import Lock
from alexnet_tf.errors import UserError


def test_a_lock_keeps_others_out_until_it_is_released(tmp_path):
    lock = Lock(tmp_path / "run")
    with pytest.raises(UserError, match="is in use by another process"):
        Lock(tmp_path / "run")
    lock.release()
    Lock(tmp_path / "run").release()


def test_a_lock_in_a_place_that_is_no_directory_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="run_dir=.* cannot be written: Not a directory. Expected"):
        Lock(tmp_path / "file" / "run")


def test_a_file_system_without_locks_is_one_sentence(tmp_path, monkeypatch):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(
        UserError, match="run_dir=.* cannot be locked: No locks available. Expected"
    ):
        Lock(tmp_path)
