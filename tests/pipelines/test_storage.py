"""Files by path: the same answers from the system's paths and from TensorFlow's."""

import uuid

import pytest
import tensorflow as tf

from pipelines import storage


@pytest.fixture(params=["local", "ram"])
def place(request, tmp_path):
    """A directory with two files and a folder."""
    place = str(tmp_path) if request.param == "local" else f"ram://{uuid.uuid4()}"
    tf.io.gfile.makedirs(storage.join(place, "more"))
    for name in ("b", "a", "more/c"):
        with tf.io.gfile.GFile(storage.join(place, name), "wb") as file:
            file.write(b"contents of " + name.encode())
    return place


def test_files_are_measured(place):
    assert storage.num_bytes(storage.join(place, "a")) == 13


def test_a_part_of_a_file_is_read(place):
    path = storage.join(place, "a")
    assert storage.read(path) == b"contents of a"
    assert storage.read(path, 9, 2) == b"of"
    assert storage.read(path, 9) == b"of a"
    assert storage.read(path, 12, 100) == b"a"
    with storage.opened(path) as file:
        assert [file.read(8), file.read(8), file.read(8)] == [b"contents", b" of a", b""]


def test_what_is_not_there_is_the_systems_error(place):
    missing = storage.join(place, "missing")
    for ask in (storage.num_bytes, storage.read):
        with pytest.raises(FileNotFoundError) as found:
            ask(missing)
        assert found.value.filename == missing
    with pytest.raises(OSError, match="s a directory"):
        storage.read(storage.join(place, "more"))


def test_an_unknown_kind_of_storage_is_the_systems_error():
    assert not storage.is_local("nosuch://a/b")
    with pytest.raises(OSError, match="nosuch' not implemented"):
        storage.read("nosuch://a/b")


def test_paths_are_joined_as_their_storage_does():
    assert storage.join("gs://bucket/set/", "a") == "gs://bucket/set/a"
    assert storage.join("there", "a") == "there/a"
