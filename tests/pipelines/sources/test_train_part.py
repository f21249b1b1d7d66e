"""data.train_part: a nested part of the training pictures, the same in every kind of source."""

import numpy as np
import packed_sets
import pytest
import tfds_sets

from pipelines.config import DataConfig
from pipelines.records.index import name_hash
from pipelines.sources import open_source
from pipelines.sources.parts import parts


@pytest.fixture
def root(tmp_path):
    """A folder with train and val, 200 and 20 files in each of two classes."""
    for split, count in (("train", 200), ("val", 20)):
        for name in ("cat", "dog"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                (folder / f"{i}.jpg").write_bytes(b"x" * (i + 1))
    return tmp_path


def opened(source, train_part, split="train", **more):
    return open_source(DataConfig(source=source, train_part=train_part, **more), split, 0)


def test_a_smaller_part_lies_inside_a_larger_one_and_is_counted(root):
    whole = opened(f"folder:{root}", 1)
    before = set(whole.files)
    for part in (0.5, 0.25, 0.125):
        source = opened(f"folder:{root}", part)
        assert set(source.files) < before
        assert abs(source.num_examples - 400 * part) < 5 * np.sqrt(400 * part * (1 - part))
        labels = [source.classes.index(file.split("/")[1]) for file in source.files]
        assert source.class_counts == tuple(np.bincount(labels))
        assert sum(source.class_counts) == source.num_examples
        assert source.digest != whole.digest
        before = set(source.files)


def test_val_and_all_are_whole(root):
    for split, count in (("val", 40), ("all", 440)):
        assert opened(f"folder:{root}", 0.25, split).num_examples == count


def test_what_is_held_out_stays_held_out(root):
    def files(split, part):
        return set(opened(f"folder:{root}/train", part, split, held_out=0.3).files)

    assert files("val", 0.5) == files("val", 1)
    assert files("train", 0.5) < files("train", 1)
    assert abs(len(files("train", 0.5)) - len(files("train", 1)) / 2) < 50
    assert files("train", 0.5).isdisjoint(files("val", 1))


def test_packed_sets_have_the_same_part(root, tmp_path_factory):
    packed = packed_sets.pack(root, tmp_path_factory.mktemp("packed"), per_shard=50)
    folder, records = opened(f"folder:{root}", 0.25), opened(f"records:{packed}", 0.25)
    assert folder.num_examples == records.num_examples
    assert folder.digest == records.digest
    assert folder.class_counts == records.class_counts
    names = [records.name(i).partition(" ")[0] for i in range(records.num_examples)]
    assert names == list(folder.files)
    whole = (opened(source, 1) for source in (f"folder:{root}", f"records:{packed}"))
    assert len({source.digest for source in whole}) == 1


def test_sets_of_tfds_have_a_part_too(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    splits = {
        split: [(b"", i % 2, f"{split}{i}.jpg") for i in range(count)]
        for split, count in (("train", 60), ("test", 8))
    }
    tfds_sets.prepare(tmp_path, "few", splits, ("cat", "dog"))
    counts = [opened("tfds:few", part).num_examples for part in (1, 0.5, 0.25)]
    assert counts[0] == 60 > counts[1] > counts[2] > 0
    assert opened("tfds:few", 0.25, "val").num_examples == 8
    assert len({opened("tfds:few", part).digest for part in (1, 0.5)}) == 2


def test_the_bounds_are_those_of_the_hash():
    hashes = np.array([0, 2**62 - 1, 2**62, 2**63, 2**64 - 1], np.uint64)
    there = parts(["train", "val"], 0.1, 0.25)
    assert there["train"].holds(hashes).tolist() == [True, False, False, False, False]
    there = parts(["all"], 0.25, 1 / 3)  # from a quarter to a half, as float64 rounds
    assert there["train"].holds(hashes).tolist() == [False, True, True, False, False]
    assert there["val"].holds(hashes).tolist() == [True, False, False, False, False]
    assert parts(["train", "val"], 0.1, 1.0)["train"].is_whole


def test_a_class_without_a_picture_is_refused(root):
    (root / "train/cow").mkdir(), (root / "val/cow").mkdir()
    for split in ("train", "val"):
        (root / split / "cow" / "1.jpg").write_bytes(b"x")
    part = name_hash(b"train/cow/1.jpg") / 2**64  # which is not below itself
    text = f"data.train_part={part}: no training picture of 'cow' is left; expected some of each"
    with pytest.raises(ValueError, match=text):
        opened(f"folder:{root}", part)


def test_drawn_pictures_have_no_names_to_choose_by():
    text = "data.source=shapes, data.train_part=0.5: expected pictures in files, since a hash of"
    with pytest.raises(ValueError, match=text):
        opened("shapes", 0.5)
