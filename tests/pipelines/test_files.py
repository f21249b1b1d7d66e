"""Directories are replaced whole, whatever the file system can do."""

import pathlib
import threading

import pytest

from pipelines import files


def make(path, text):
    path.mkdir()
    (path / "file").write_text(text)
    return path


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_directory_takes_the_place_of_another(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    place = tmp_path / "place"
    assert files.replace_directory(make(tmp_path / "new", "1"), place) is None
    old = files.replace_directory(make(tmp_path / "new", "2"), place)
    assert (place / "file").read_text() == "2"
    assert (old / "file").read_text() == "1"


def test_what_a_kill_left_of_an_older_directory_is_in_nobodys_way(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    place = make(tmp_path / "place", "1")
    for number in (2, 3):  # the caller dies before it removes the first of these
        old = files.replace_directory(make(tmp_path / "new", str(number)), place)
    assert (place / "file").read_text() == "3"
    assert (old / "file").read_text() == "2"


def test_a_reader_finds_a_directory_at_every_moment(tmp_path):
    place, is_over, missed = make(tmp_path / "place", "0"), threading.Event(), []

    def read():
        while not is_over.is_set():
            if not (place / "file").exists():
                missed.append(True)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(300):
        old = files.replace_directory(make(tmp_path / "new", str(number)), place)
        old.rename(tmp_path / f"old{number}")
    is_over.set()
    reader.join()
    if not files._exchange(place, old := make(tmp_path / "other", "x")):
        pytest.skip("this file system exchanges no names")
    assert not missed, old


def test_a_kill_between_two_renames_loses_nothing(tmp_path):
    place = make(tmp_path / "place", "1")
    place.rename(files._old_name(place))
    files.recover(place)
    assert (place / "file").read_text() == "1"


def test_what_has_no_name_of_its_own_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path / "place", "1"))
    files.recover(pathlib.Path("."))
    files.recover(pathlib.Path("/"))
    assert pathlib.Path("file").read_text() == "1"


def test_a_link_finds_what_a_kill_left_where_it_leads(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "place")
    make(tmp_path / "place", "1").rename(files._old_name(tmp_path / "place"))
    files.recover(tmp_path / "link")
    assert (tmp_path / "link" / "file").read_text() == "1"


@pytest.mark.parametrize(
    "num_bytes, text",
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1450, "1.4 kB"),
        (21_400_000, "21 MB"),
        (999_600_000, "1.0 GB"),
        (3.2e12, "3,200 GB"),
    ],
)
def test_bytes_are_written_in_the_unit_that_suits_them(num_bytes, text):
    assert files.size_text(num_bytes) == text


def test_what_could_not_be_written_leaves_nothing(tmp_path):
    (tmp_path / "place").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_bytes(tmp_path / "place", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_small_file_is_replaced_whole(tmp_path):
    files.write_text(tmp_path / "small", "1")
    files.write_text(tmp_path / "small", "2")
    assert (tmp_path / "small").read_text() == "2\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_writers_of_one_name_do_not_disturb_each_other(tmp_path):
    path, failed = tmp_path / "index", []

    def write(writer):
        try:
            for _ in range(40):
                files.write_bytes(path, writer.encode() * 100_000, f".{writer}")
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=[writer]) for writer in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and {*path.read_bytes()} in ({ord("a")}, {ord("b")})
    assert [x.name for x in tmp_path.iterdir()] == ["index"]
