"""The place that a set is packed in: who may have it, and when a shard in it is complete."""

import errno
import fcntl

import pytest

from pipelines.packing.unfinished import Unfinished


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_named_and_nothing_is_left_there(
    tmp_path, monkeypatch, code
):
    def no_locks(*rest):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(
        ValueError, match="set' cannot be locked: no locks here. Expected a file sy"
    ):
        Unfinished(str(tmp_path / "set"))
    assert list(tmp_path.iterdir()) == []
