"""What is wrong with a packed set is named by shard and record."""

import dataclasses
import hashlib
import json
import pathlib
import shutil

import packed as p
import pytest

from pipelines.packing.verify import verify
from pipelines.records import index

SHARD = "all-00001-of-00004.tfrecord"


@pytest.fixture(
    scope="module", params=[pytest.param("jpeg", marks=pytest.mark.slow), "raw", "original"]
)
def whole(request, pictures, tmp_path_factory):
    """A set of 30 examples in four shards, one of them not to be decoded."""
    folder = tmp_path_factory.mktemp("verify")
    shutil.copytree(pictures / "train", folder / "train")
    (folder / "train/dark/3.jpg").write_bytes(b"\xff\xd8\xff no picture")
    kind = request.param
    settings = {"size": "original"} if kind == "original" else {"format": kind, "size": 40}
    p.packed(folder / "train", folder / "set", shard_examples=8, **settings)
    return folder / "set"


@pytest.fixture
def copy(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "set")
    return tmp_path / "set"


def problems(folder) -> list[str]:
    return [str(problem) for problem in verify(str(folder), lambda done, total: None)[1]]


def rows(folder) -> index.Index:
    return index.from_bytes((folder / f"{SHARD}.index").read_bytes())


def test_a_whole_set_has_no_problems(whole):
    found, wrong = verify(str(whole), lambda done, total: None)
    assert wrong == []
    assert [one.name for one in found.undecoded] == ["dark/3.jpg"]


def test_flipped_bits_are_named_by_their_records(copy):
    contents = bytearray((copy / SHARD).read_bytes())
    offsets = rows(copy).rows["offset"].tolist()
    contents[offsets[2] + 30] ^= 4  # inside of a record
    contents[offsets[6] + 3] ^= 1  # in the length before one
    (copy / SHARD).write_bytes(contents)
    wrong = "its checksum does not fit: it was changed, cut short, or begins elsewhere"
    assert problems(copy) == [f"{SHARD}, record 2: {wrong}", f"{SHARD}, record 6: {wrong}"]


@pytest.mark.slow
def test_every_bit_of_a_record_counts(copy):
    whole = (copy / SHARD).read_bytes()
    begin, end = rows(copy).rows["offset"][3:5].tolist()
    for place in {begin, begin + 9, begin + 12, end - 4, end - 1}:
        contents = bytearray(whole)
        contents[place] ^= 128
        (copy / SHARD).write_bytes(contents)
        assert [text.partition(":")[0] for text in problems(copy)] == [f"{SHARD}, record 3"]


def test_a_shard_that_is_cut_is_named_with_the_records_it_lost(copy):
    contents, offsets = (copy / SHARD).read_bytes(), rows(copy).rows["offset"].tolist()
    (copy / SHARD).write_bytes(contents[: offsets[6] + 20])
    cut, lost, last = problems(copy)
    said = f"it has {offsets[6] + 20} bytes, dataset.json says {len(contents)}"
    assert cut == f"{SHARD}: {said}"
    assert lost.startswith(f"{SHARD}, record 6: it")
    assert last.startswith(f"{SHARD}, record 7: it")


def test_what_is_behind_the_last_record_is_found(copy):
    with open(copy / SHARD, "ab") as file:
        file.write(b"more")
    (found,) = problems(copy)
    assert found.startswith(f"{SHARD}: it has ")


def test_files_that_are_missing_are_named(copy):
    (copy / SHARD).unlink()
    (copy / "all-00002-of-00004.tfrecord.index").unlink()
    assert problems(copy) == [
        f"{SHARD}: it is missing",
        "all-00002-of-00004.tfrecord.index: it is missing",
    ]


def test_an_empty_shard_with_an_empty_index_is_named(copy):
    (copy / SHARD).write_bytes(b"")
    (copy / f"{SHARD}.index").write_bytes(b"")
    found = problems(copy)
    assert any(x.startswith(f"{SHARD}: it has 0 bytes") for x in found)
    assert all(x.startswith(SHARD) for x in found)


def reindexed(folder: pathlib.Path, change) -> None:
    """Changes the columns of an index, whose checksum in dataset.json follows."""
    old = rows(folder)
    columns = [old.rows[name].tolist() for name in ("offset", "num_bytes", "label")]
    columns.append([old.name(place) for place in range(len(old))])
    change(*columns)
    contents = index.to_bytes(index.make(*columns))
    before = hashlib.sha256((folder / f"{SHARD}.index").read_bytes()).hexdigest()
    (folder / f"{SHARD}.index").write_bytes(contents)
    text = (folder / "dataset.json").read_text()
    after = hashlib.sha256(contents).hexdigest()
    (folder / "dataset.json").write_text(text.replace(before, after))


def test_an_index_that_does_not_fit_is_named_by_record(copy):
    def exchange(offsets, sizes, labels, names):
        labels[1] = 2 - labels[1]
        names[4] += "x"

    reindexed(copy, exchange)
    found = problems(copy)
    assert found[0].startswith(f"{SHARD}, record 1: the index has another label or name for it")
    assert found[1].startswith(f"{SHARD}, record 4: the index has another label or name for it")
    assert [text.partition(" is ")[0] for text in found[2:]] == [
        "dataset.json: class_counts of split all",
        "dataset.json: digest of split all",
    ]


def test_an_index_with_a_wrong_offset_is_named_by_record(copy):
    def move(offsets, sizes, labels, names):
        offsets[5] += 1

    reindexed(copy, move)
    assert [text.partition(": ")[0] for text in problems(copy)] == [
        f"{SHARD}, record 4",  # whose length it is
        f"{SHARD}, record 5",
    ]


@pytest.mark.parametrize("column", ["square", "fingerprint"])
def test_an_index_of_squares_that_are_not_there_is_named_by_record(pictures, tmp_path, column):
    p.packed(pictures, tmp_path / "raw", format="raw", size=16)
    path = tmp_path / "raw/train-00000-of-00001.tfrecord.index"
    before = path.read_bytes()
    found = index.from_bytes(before)
    changed = found.rows.copy()
    changed[column][3] += 1
    path.write_bytes(index.to_bytes(dataclasses.replace(found, rows=changed)))
    sums = [hashlib.sha256(x).hexdigest() for x in (before, path.read_bytes())]
    about = tmp_path / "raw/dataset.json"
    about.write_text(about.read_text().replace(*sums))
    assert problems(tmp_path / "raw") == [
        "train-00000-of-00001.tfrecord, record 3: the index has another place or fingerprint for "
        "its square"
    ]


def test_an_index_that_was_changed_is_named_and_the_records_are_read_without_it(copy):
    contents = bytearray((copy / f"{SHARD}.index").read_bytes())
    contents[40] ^= 1
    (copy / f"{SHARD}.index").write_bytes(contents)
    shard = bytearray((copy / SHARD).read_bytes())
    shard[len(shard) // 2] ^= 1
    (copy / SHARD).write_bytes(shard)
    index_problem, record = problems(copy)
    assert index_problem == f"{SHARD}.index: its checksum is not the one in dataset.json"
    assert record.startswith(f"{SHARD}, record ")


def changed(folder, change) -> None:
    found = json.loads((folder / "dataset.json").read_text())
    change(found)
    (folder / "dataset.json").write_text(json.dumps(found))


def test_a_description_that_does_not_fit_is_named(copy):
    def change(found):
        found["splits"]["all"]["num_examples"] = 31
        found["splits"]["all"]["class_counts"][0] += 1
        found["splits"]["all"]["digest"] = "0"
        found["classes"][2] = "blue"

    changed(copy, change)
    found = problems(copy)
    records = [text for text in found if "its class 'red' is not the one of label 2" in text]
    assert len(records) == 10
    assert [text.partition(" is ")[0] for text in found[10:]] == [
        "dataset.json: num_examples of split all",
        "dataset.json: class_counts of split all",
        "dataset.json: digest of split all",
    ]


def test_a_picture_that_is_none_is_found_where_nothing_says_so(copy):
    changed(copy, lambda found: found.update(undecoded=[]))
    (found,) = problems(copy)
    assert found.startswith(f"{SHARD}, record 5: its picture")


@pytest.mark.long
def test_large_pictures_are_decoded_one_at_a_time(whole, monkeypatch):
    from pipelines.packing import verify as module
    from pipelines.parallelism import Decoding

    few = Decoding(threads=2, parallel_pixels=100, max_pixels=10**6)
    monkeypatch.setattr(module, "decoding", lambda most, machine: few)
    assert problems(whole) == []
    none = dataclasses.replace(few, max_pixels=100)
    monkeypatch.setattr(module, "decoding", lambda most, machine: none)
    is_raw = json.loads((whole / "dataset.json").read_text())["format"] == "raw"
    assert (not problems(whole)) == is_raw


def test_what_is_no_packed_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dataset.json cannot be read: No such file or directory"):
        problems(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be read: no description.*. Expected a directory"):
        problems(tmp_path)


def test_of_a_shard_of_zeros_no_more_is_looked_at_than_it_should_hold(copy):
    (copy / f"{SHARD}.index").unlink()
    (copy / SHARD).write_bytes(bytes(10**6))
    found = problems(copy)
    assert f"{SHARD}: it has more than 8 records, dataset.json says 8" in found
    assert len(found) < 20
