"""Sets that TensorFlow Datasets has prepared, read by index in their own files."""

import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tfds_sets
import tiny

from pipelines.config import DataConfig
from pipelines.sources import open_source, own_splits, tfds_index

CLASSES = tiny.CLASSES


def opened(name, split="train", held_out=0.3, **more):
    return open_source(DataConfig(source=f"tfds:{name}", held_out=held_out), split, 0, **more)


def read_all(source):
    return list(tf.data.Dataset.range(source.num_examples).map(source.read).as_numpy_iterator())


@pytest.fixture(scope="module")
def data_dir(pictures, tmp_path_factory):
    """A directory of sets of the same pictures: with train and test, and with one of them."""
    root = tmp_path_factory.mktemp("tfds")
    both = {
        split: tfds_sets.examples_in(pictures / folder, CLASSES)
        for split, folder in (("train", "train"), ("test", "val"))
    }
    tfds_sets.prepare(root, "both", both, CLASSES)
    for split in both:
        tfds_sets.prepare(root, f"only_{split}", {split: both[split]}, CLASSES, has_names=False)
    return root


@pytest.fixture(autouse=True)
def where(data_dir, tmp_path, monkeypatch):
    """Names the place of the sets, and an empty cache."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_examples_are_those_of_the_set_in_its_order(pictures, data_dir):
    source = opened("both")
    (path,) = data_dir.glob("both/1.2.3/both-train.tfrecord-00000-of-00001")
    expected = [
        (
            example.features.feature["image"].bytes_list.value[0],
            example.features.feature["label"].int64_list.value[0],
        )
        for example in map(
            tf.train.Example.FromString, tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        )
    ]
    assert read_all(source) == expected
    assert {encoded for encoded, _ in expected} == {
        x.read_bytes() for x in pictures.glob("train/*/*")
    }
    assert (source.classes, source.class_counts) == (CLASSES, (10, 10, 10))
    assert (source.num_examples, source.num_pictures, source.remark) == (30, 45, "")
    name = source.name(4)
    assert name.startswith(f"{CLASSES[expected[4][1]]}/")
    assert name.endswith(f".jpg (record 4 of {path})")


def test_the_index_is_made_once_and_lies_beside_the_data(data_dir, tmp_path, monkeypatch, capsys):
    shutil.copytree(data_dir, tmp_path / "sets")
    for file in (tmp_path / "sets").rglob("*.index"):
        file.unlink()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    opened("both")
    said = "data.source='tfds:both': reading 30 examples of train once, to find them by index from"
    assert said in capsys.readouterr().err
    found = list((tmp_path / "sets").rglob("*.index"))
    assert [path.parent.name for path in found] == ["1.2.3"]
    opened("both")
    assert capsys.readouterr().err == ""
    import tensorflow_datasets as tfds  # takes no notice of it

    builder = tfds.builder_from_directory(str(tmp_path / "sets/both/1.2.3"))
    assert len(list(builder.as_dataset(split="train"))) == 30


def test_a_place_that_takes_no_index_is_named(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as for another user
    for file in data_dir.rglob("*.index"):
        file.unlink()
    (tmp_path / "cache").touch()
    text = "cannot be written: Not a directory. Expected a place for an index of the set; name one"
    with pytest.raises(ValueError, match=text):
        opened("both")
    (tmp_path / "cache").unlink()
    assert opened("both").num_examples == 30
    (found,) = (tmp_path / "cache" / "alexnet_tf" / "tfds").rglob("*.index")
    assert found.name.startswith("both-train.tfrecord-00000-of-00001-")
    assert not list(data_dir.rglob("*.index"))


def test_splits_are_those_of_the_set(data_dir):
    assert own_splits(DataConfig(source="tfds:both")) == ("train", "test", "val", "all")
    assert own_splits(DataConfig(source="tfds:only_train")) == ("all",)
    assert own_splits(DataConfig(source="tfds:only_test")) == ("test", "val", "all")
    assert read_all(opened("both", "val")) == read_all(opened("both", "test"))
    assert opened("both", "all").num_examples == 45
    assert opened("only_test", "all").num_examples == 15
    train, val, whole = (opened("only_train", split) for split in ("train", "val", "all"))
    assert {x for x, _ in read_all(train)}.isdisjoint(x for x, _ in read_all(val))
    assert train.num_examples + val.num_examples == whole.num_examples == 30
    assert len({x.digest for x in (train, val, whole, opened("only_train", "val", 0.4))}) == 4
    with pytest.raises(ValueError, match="split='train': expected one that data.source='tfds:only"):
        opened("only_test", "train")


def test_classes_are_matched_by_name():
    source = opened("both", "test", classes=("red", "bright", "dark", "blue"))
    assert source.class_counts == (5, 5, 5, 0)
    labels = [label for _, label in read_all(opened("both", "test"))]
    assert [label for _, label in read_all(source)] == [(1, 2, 0)[label] for label in labels]
    assert "has 3 of the network's 4 classes, in another order" in source.remark
    with pytest.raises(ValueError, match="knows twice: 'red'; .* Name a set without them."):
        opened("both", "test", classes=("bright", "dark"))


def test_a_set_may_be_named_with_its_version_and_its_config(data_dir):
    assert opened("both:1.2.3").digest == opened("both").digest
    with pytest.raises(ValueError, match="expected tfds:NAME or tfds:NAME/CONFIG, with :VERSION"):
        opened("both:1")


def test_a_set_that_is_not_prepared_is_refused_with_the_command(data_dir):
    for name in ("cifar10", "both:2.0.0"):
        text = (
            f"data.source='tfds:{name}' has not been prepared under '{data_dir}'; expected TFDS to "
            f"have done so. Run: tfds build {name}. TFDS_DATA_DIR names another place for both."
        )
        with pytest.raises(ValueError) as caught:
            opened(name)
        assert str(caught.value) == text


def test_a_set_of_another_file_format_is_refused_with_the_command(pictures, tmp_path, monkeypatch):
    examples = {"train": tfds_sets.examples_in(pictures / "val", CLASSES)}
    tfds_sets.prepare(tmp_path, "other", examples, CLASSES, file_format="array_record")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    text = (
        "was prepared as array_record; expected tfrecord. Prepare it so: tfds build other "
        "--file_format=tfrecord --overwrite."
    )
    with pytest.raises(ValueError, match=text):
        opened("other")


def test_examples_without_a_label_are_refused(pictures, tmp_path, monkeypatch):
    examples = tfds_sets.examples_in(pictures / "val", CLASSES)
    hidden = [(encoded, -1, file) for encoded, _, file in examples]
    tfds_sets.prepare(tmp_path, "half", {"train": examples, "test": hidden}, CLASSES)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    text = (
        "split='test' has 15 examples without a label, of 15; expected a label for each. Name "
        "another split, such as all, test, train, val."
    )
    with pytest.raises(ValueError, match=text):
        opened("half", "test")
    assert opened("half").num_examples == 15


def test_files_that_tfds_did_not_write_are_named(data_dir, tmp_path, monkeypatch):
    shutil.copytree(data_dir, tmp_path / "sets")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    for file in (tmp_path / "sets").rglob("*.index"):
        file.unlink()
    path = tmp_path / "sets/both/1.2.3/both-train.tfrecord-00000-of-00001"
    contents = path.read_bytes()
    after = "; expected the file that TFDS has written. Prepare the set again: tfds build --overw"
    record = 16 + int.from_bytes(contents[:8], "little")
    for damaged, reason in (
        (contents[:-1], "is damaged, or no such set's"),
        (contents[:record], "has 1 records, expected 30"),
        (None, "is missing"),
    ):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        with pytest.raises(ValueError) as caught:
            opened("both")
        assert f"{str(path)!r} {reason}{after}" in str(caught.value)
    path.mkdir()  # is no damage, and no reason to prepare the set again
    with pytest.raises(
        ValueError, match="cannot be read: .* Expected a file of the set that this u"
    ):
        opened("both")


def test_a_set_that_tfds_cannot_open_is_refused(data_dir, tmp_path, monkeypatch):
    shutil.copytree(data_dir / "both", tmp_path / "both")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    info = tmp_path / "both/1.2.3/dataset_info.json"
    info.write_text("{")
    with pytest.raises(
        ValueError, match="TFDS cannot open it: .* Prepare it again: tfds build both"
    ):
        opened("both")


def test_a_set_without_pictures_of_classes_is_refused(pictures, tmp_path, monkeypatch):
    examples = tfds_sets.examples_in(pictures / "val", CLASSES)[:1]
    tfds_sets.prepare(tmp_path, "texts", {"train": examples}, CLASSES)
    features = pathlib.Path(tmp_path / "texts/1.2.3/features.json")
    text = features.read_text().replace("class_label.ClassLabel", "text_feature.Text")
    features.write_text(text.replace("image_feature.Image", "text_feature.Text"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(
        ValueError, match="expected an Image and a ClassLabel, or a Sequence of the"
    ):
        opened("texts")


def test_pictures_whose_values_are_no_colors_are_refused(pictures, tmp_path, monkeypatch):
    examples = tfds_sets.examples_in(pictures / "val", CLASSES)[:1]
    tfds_sets.prepare(tmp_path, "depths", {"train": examples}, CLASSES)
    features = pathlib.Path(tmp_path / "depths/1.2.3/features.json")
    text = features.read_text().replace('"uint8"', '"float32"').replace('"jpeg"', '"png"')
    features.write_text(text.replace('"3"', '"1"', 1))  # channels, as TFDS has it
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=r"float32 \(image\); expected uint8 or uint16. Make"):
        opened("depths")


def test_numbers_stand_for_names_where_there_are_none(data_dir):
    names = [opened("only_train", "all").name(i).split(" ")[0] for i in range(30)]
    assert [name.partition("/")[2] for name in names] == [f"{i:08}" for i in range(30)]
    assert np.unique(names).size == 30


def test_an_index_that_was_damaged_is_named_and_made_again(data_dir):
    opened("both", "test")
    (path,) = data_dir.rglob("both-test*.index")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"cut short. Remove the index: it is made again."):
        opened("both", "test")
    path.unlink()
    assert opened("both", "test").num_examples == 15


def test_a_file_that_was_written_since_its_index_was_made_is_read_anew(data_dir, capsys):
    opened("both", "test")
    (path,) = data_dir.rglob("both-test*.index")
    capsys.readouterr()
    (written,) = (x for x in path.parent.glob("both-test*") if x != path)
    os.utime(written, times=(path.stat().st_mtime + 2,) * 2)
    opened("both", "test")
    assert "reading 15 examples of test once" in capsys.readouterr().err
    os.utime(written, times=(path.stat().st_mtime - 2,) * 2)
    opened("both", "test")
    assert not capsys.readouterr().err


def test_the_index_of_a_remote_set_lies_at_the_same_place_from_everywhere(tmp_path, monkeypatch):
    found = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found.add(tfds_index._places("gs://bucket/set/1.0.0/set-train.tfrecord", 7))
    assert len(found) == 1
