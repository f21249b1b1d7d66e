"""Sets of TensorFlow Datasets are packed from their own files."""

import os

import packed as p
import pytest
import tensorflow as tf
import tfds_sets
import tiny

from pipelines.packing import inventory
from pipelines.packing.verify import verify
from pipelines.sources import tfds


@pytest.fixture
def sets(pictures, tmp_path, monkeypatch):
    """A set with train, test and another split, and one with test alone."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    folders = {"train": "train", "test": "val", "extra": "val"}
    splits = {
        split: tfds_sets.examples_in(pictures / folder, tiny.CLASSES)
        for split, folder in folders.items()
    }
    tfds_sets.prepare(tmp_path, "three", splits, tiny.CLASSES)
    tfds_sets.prepare(tmp_path, "one", {"test": splits["test"]}, tiny.CLASSES)


def test_a_tfds_set_is_packed_as_it_is_read(sets, tmp_path):
    found = p.packed("tfds:three", tmp_path / "set", size="original")
    assert list(found.splits) == ["train", "val"]
    assert found.left_out == (("extra/", "a split that is neither train nor val"),)
    for split in found.splits:
        source = tfds.prepared("three", split, 0.1)
        assert found.splits[split].digest == source.digest
        examples = p.examples(tmp_path / "set", split)
        assert len(examples) == source.num_examples
        for index, example in enumerate(examples):
            encoded, label = source.read(index)
            assert example["image/encoded"] == encoded.numpy()
            assert example["image/class/label"] == label.numpy()
            assert source.name(index).startswith(example["name"])
    assert verify(str(tmp_path / "set"), lambda done, total: None)[1] == []


class Gone:
    """A reader whose file went, in a directory whose name is not UTF-8."""

    def __init__(self, place):
        self.file = os.fsencode(place) + b"/\xff/gone"

    def read(self, index):
        return tf.io.read_file(self.file), index


def test_a_directory_that_tensorflow_cannot_name_is_a_sentence(tmp_path):
    with pytest.raises(OSError, match="the set's directory has a name that is not UTF-8"):
        inventory._read_now(Gone(tmp_path), 0)


def test_a_set_of_one_split_is_packed_whole(sets, tmp_path):
    found = p.packed("tfds:one", tmp_path / "set", size=32)
    assert {name: split.num_examples for name, split in found.splits.items()} == {"all": 15}
    assert found.statistics.num_examples == 15


def test_several_labels_are_not_lost_in_silence(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    found = tfds_sets.examples_in(pictures / "val", tiny.CLASSES)
    several = [(picture, [label, (label + 1) % 3], name) for picture, label, name in found]
    tfds_sets.prepare(tmp_path, "real", {"validation": several}, tiny.CLASSES, several="real_label")
    with pytest.raises(
        ValueError, match=r"has several labels for each picture \(real_label\); exp"
    ):
        p.packed("tfds:real", tmp_path / "set", size=32)
    assert not list(tmp_path.glob("set*"))


def test_a_set_that_is_not_prepared_is_refused_with_the_command_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(
        ValueError, match="^input='tfds:nothing' has not been prepared .* Run: tfds build nothing"
    ):
        p.packed("tfds:nothing", tmp_path / "set")
