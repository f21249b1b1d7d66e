"""Labels of TFDS sets: which feature they are, several of one example, and some that cannot be."""

import types

import pytest
import tfds_sets
from test_tfds import CLASSES, opened, read_all

from pipelines.sources import tfds


def test_a_label_that_no_class_has_is_named(pictures, tmp_path, monkeypatch):
    names = ("a", "b", "c")
    examples = tfds_sets.examples_in(pictures / "val", CLASSES)
    tfds_sets.prepare(tmp_path, "few", {"train": examples}, names)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    (info,) = tmp_path.rglob("label.labels.txt")
    info.write_text("a\nb\n")
    with pytest.raises(
        ValueError, match="has the label 2 in a set of 2 classes; expected the file"
    ):
        opened("few")


def test_the_label_that_a_set_declares_is_taken():
    import tensorflow_datasets as tfds_package

    label = tfds_package.features.ClassLabel
    features = {"image": tfds_package.features.Image(), "label": label(num_classes=3)}
    features["species"] = label(num_classes=7)
    info = types.SimpleNamespace(features=features, supervised_keys=("image", "species"))
    assert tfds._keys(info, "a set").label == "species"
    info.supervised_keys = None
    assert tfds._keys(info, "a set").label == "label"


def test_a_label_that_an_example_has_twice_counts_once(pictures, tmp_path, monkeypatch):
    several(pictures, tmp_path, [[0, 0], [2, 1, 2]])
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    source = opened("real", "all", classes=CLASSES)
    assert source.label_sets.tolist() == [[0, -1], [2, 1]]


def several(pictures, root, labels):
    encoded = [path.read_bytes() for path in sorted(pictures.glob("val/*/*"))]
    examples = [(encoded[i], some, f"{i}.jpg") for i, some in enumerate(labels)]
    tfds_sets.prepare(root, "real", {"validation": examples}, CLASSES, several="real_label")


def test_several_labels_are_a_table_and_examples_without_any_are_left_out(
    pictures, tmp_path, monkeypatch
):
    several(pictures, tmp_path, [[0], [2, 1], [], [1, 0, 2]])
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    source = opened("real", "all", classes=("red", "dark", "bright"))
    assert (source.num_examples, source.num_pictures) == (3, 4)
    assert source.remark.startswith(
        "data.source='tfds:real': 1 examples have no label and are left out."
    )
    found = {tuple(row) for row in source.label_sets.tolist()}
    assert found == {(2, -1, -1), (0, 1, -1), (1, 2, 0)}
    assert [label for _, label in read_all(source)] == source.label_sets[:, 0].tolist()
    with pytest.raises(
        ValueError, match=r"several labels for each picture \(real_label\); expected"
    ):
        opened("real", "all")
