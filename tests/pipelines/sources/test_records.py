"""Packed sets: the same examples as in the folder, in the same order, read by index."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import packed_sets
import pytest
import tensorflow as tf

from pipelines.cache import in_memory
from pipelines.config import DataConfig, InputConfig
from pipelines.dataset import eval_dataset
from pipelines.decode import MAX_PIXELS
from pipelines.disk import on_disk
from pipelines.records import index
from pipelines.sources import open_source, own_splits
from pipelines.sources.folder import folder
from pipelines.sources.parts import parts


def opened(root, split="train", **more):
    return open_source(DataConfig(source=f"records:{root}", held_out=0.3), split, 0, **more)


def read_all(source, indices):
    ds = tf.data.Dataset.from_tensor_slices(np.array(indices, np.int64))
    return list(ds.map(source.read).as_numpy_iterator())


@pytest.fixture(scope="module")
def undivided(pictures, tmp_path_factory):
    """A folder without splits."""
    root = tmp_path_factory.mktemp("undivided")
    shutil.copytree(pictures / "train", root, dirs_exist_ok=True)
    return root


@pytest.mark.parametrize("split", ["train", "val", "all"])
@pytest.mark.parametrize("is_divided", [True, False])
def test_a_packed_set_is_its_folder(pictures, undivided, tmp_path, split, is_divided):
    root = pictures if is_divided else undivided
    one, other = (
        folder(str(root), split, 0.3),
        opened(packed_sets.pack(root, tmp_path / "out"), split),
    )
    every = range(one.num_examples)
    assert read_all(other, every) == read_all(one, every)
    assert [other.name(i).split(" (record ")[0] for i in every] == list(one.files)
    for name in ("num_examples", "classes", "class_counts", "digest", "num_pictures", "remark"):
        assert getattr(other, name) == getattr(one, name), name


def test_an_example_names_its_record_and_its_file(pictures, tmp_path):
    source = opened(packed_sets.pack(pictures, tmp_path), "val")
    path = tmp_path / "val-00001-of-00003.tfrecord"
    assert source.name(8) == f"val/dark/3.jpg (record 1 of {path})"


def test_splits_are_listed_and_taken_by_name(pictures, undivided, tmp_path):
    divided = packed_sets.pack(pictures, tmp_path / "divided")
    whole = packed_sets.pack(undivided, tmp_path / "whole")
    config = DataConfig(source=f"records:{divided}")
    assert own_splits(config) == ("train", "val", "all")
    assert own_splits(DataConfig(source=f"records:{whole}")) == ("all",)
    with pytest.raises(ValueError, match="split='dev': expected one that .* has: all, train, val"):
        opened(divided, "dev")
    found = json.loads((pathlib.Path(divided) / "dataset.json").read_text())
    found["splits"]["odd"] = found["splits"].pop("val")
    (pathlib.Path(divided) / "dataset.json").write_text(json.dumps(found))
    assert opened(divided, "odd").num_examples == 15


def test_classes_are_matched_by_name(pictures, tmp_path):
    shutil.copytree(pictures / "val", tmp_path / "pictures")
    shutil.rmtree(tmp_path / "pictures" / "dark")
    root = packed_sets.pack(tmp_path / "pictures", tmp_path / "out")
    source = opened(root, "all", classes=("red", "dark", "blue", "bright"))
    assert source.class_counts == (5, 0, 0, 5)
    assert [label for _, label in read_all(source, range(10))] == [3] * 5 + [0] * 5
    assert source.remark.endswith(
        "has 2 of the network's 4 classes, in another order; they are matched by name."
    )
    assert opened(root, "all", classes=("bright", "red")).remark == ""
    text = (
        "has classes that the network does not know, or knows twice: 'red'; expected some or all "
        "of its 2: 'bright', 'dark'. Pack a set without them."
    )
    with pytest.raises(ValueError, match=text):
        opened(root, "all", classes=("bright", "dark"))


def test_paths_need_not_be_local(pictures):
    root = packed_sets.pack(pictures, "ram://packed/set")
    one, other = folder(str(pictures), "train", 0.3), opened(root)
    assert read_all(other, range(30)) == read_all(one, range(30))
    assert other.digest == one.digest


def test_shards_are_staged_on_a_local_disk(pictures, tmp_path):
    root = packed_sets.pack(pictures, "ram://packed/staged")
    config = DataConfig(source=f"records:{root}", stage=str(tmp_path))
    here, there = open_source(config, "all", 0), opened(root, "all")
    assert here.name(0).endswith("train-00000-of-00005.tfrecord)")
    assert str(tmp_path) in here.name(0)
    assert read_all(here, range(45)) == read_all(there, range(45))
    assert here.digest == there.digest
    tf.io.gfile.remove(f"{root}/val-00001-of-00003.tfrecord.index")
    assert open_source(config, "train", 0).num_examples == 30  # each split has a place of its own
    with pytest.raises(
        ValueError, match="index' cannot be read: No such file.*Expected the index of a"
    ):
        open_source(config, "val", 0)


def test_what_was_left_out_is_remarked_on(pictures, tmp_path):
    left_out = (("notes.txt", "it is no picture"), ("x/", "it is empty"))
    root = packed_sets.pack(pictures, tmp_path, left_out=left_out)
    assert opened(root).remark == (
        f"data.source='records:{root}': packing left out 2: 'notes.txt', 'x/'."
    )


def test_a_folder_that_was_not_packed_is_refused(pictures):
    text = "there is no dataset.json in it; expected a folder that python -m pipelines.prepare has"
    for root in (pictures, pictures / "nowhere", pictures / "train" / "red" / "0.jpg"):
        with pytest.raises(ValueError, match=text):
            opened(root)


def test_a_set_of_another_format_or_version_is_refused(pictures, tmp_path):
    root = packed_sets.pack(pictures, tmp_path, format="webp")
    text = "format='webp': expected raw or jpeg. Read it with the version of this program that"
    with pytest.raises(ValueError, match=text):
        opened(root)
    file = tmp_path / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 2}))
    with pytest.raises(ValueError, match=f"records:{root}': dataset.json: format_version=2: exp"):
        opened(root)


def test_a_held_out_part_of_nothing_is_refused(undivided, tmp_path):
    root = packed_sets.pack(undivided, tmp_path)
    with pytest.raises(ValueError, match="none of its examples belongs to what was asked for; exp"):
        open_source(DataConfig(source=f"records:{root}", held_out=1e-9), "val", 0)


@pytest.mark.parametrize("suffix", ["", ".index"])
def test_a_missing_file_is_named(pictures, tmp_path, suffix):
    root = packed_sets.pack(pictures, tmp_path)
    name = "train-00002-of-00005.tfrecord" + suffix
    (tmp_path / name).unlink()
    with pytest.raises(
        ValueError, match=f"{name}' is missing; expected it beside the others. Copy"
    ):
        opened(root)
    assert opened(root, "val").num_examples == 15


def test_a_shard_that_was_cut_is_named(pictures, tmp_path):
    root = packed_sets.pack(pictures, tmp_path)
    path = tmp_path / "train-00002-of-00005.tfrecord"
    contents = path.read_bytes()
    path.write_bytes(contents[:-1])
    text = f"{path.name}' has {len(contents) - 1} bytes; expected {len(contents)}. Copy it again,"
    with pytest.raises(ValueError, match=text):
        opened(root)


def test_an_index_that_does_not_fit_is_named(pictures, tmp_path):
    root = packed_sets.pack(pictures, tmp_path)
    first, last = (tmp_path / f"train-0000{i}-of-00005.tfrecord.index" for i in (0, 4))
    shutil.copy(last, first)  # of fewer records
    text = f"{first.name}' is the index of another file; expected one of 7 records in"
    with pytest.raises(ValueError, match=text):
        opened(root)
    first.write_bytes(first.read_bytes()[:50])
    with pytest.raises(ValueError, match=f"{first.name}' cannot be read: 50 bytes that are no ind"):
        opened(root)


@pytest.mark.parametrize(
    "column, value, text",
    [
        ("label", 77, "an index is damaged: it has labels 0 to 77; expected those of 3 classes"),
        ("label", -3, "an index is damaged: it has labels -3 to "),
        ("label", 2, "damaged: it has 9 examples of 'bright'; expected 10, as dataset.json says."),
        ("offset", 2**40, "0-of-00005.tfrecord.index' is damaged: it has places outside of its"),
    ],
)
def test_numbers_that_an_index_cannot_have_are_refused(pictures, tmp_path, column, value, text):
    root = packed_sets.pack(pictures, tmp_path)
    path = tmp_path / "train-00000-of-00005.tfrecord.index"
    found = index.from_bytes(path.read_bytes())
    rows = found.rows.copy()
    rows[column][2] = value
    path.write_bytes(index.to_bytes(dataclasses.replace(found, rows=rows)))
    with pytest.raises(ValueError, match=text):
        opened(root)


def test_the_hash_divides_as_the_folder_does_at_its_bounds():
    there = parts(["all"], held_out=0.25)
    hashes = np.array([0, 2**62 - 1, 2**62, 2**64 - 1], np.uint64)
    assert there["val"].holds(hashes).tolist() == [True, False, False, False]  # as in float64
    assert there["train"].holds(hashes).tolist() == [False, True, True, True]


def test_raw_squares_are_kept_in_memory_as_the_folders_are(pictures, tmp_path):
    inputs = InputConfig(size=16, resize=24)
    root = packed_sets.pack(pictures, tmp_path, inputs)
    one, other = (
        in_memory(x, inputs) for x in (folder(str(pictures), "val", 0.3), opened(root, "val"))
    )
    for a, b in ((one.images, other.images), (one.labels, other.labels), (one.good, other.good)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_squares_on_disk_are_shared_where_pixels_are_the_same(pictures, tmp_path):
    inputs, place = InputConfig(size=16, resize=24), str(tmp_path / "kept")
    forms = {"original": {}, "raw": {"inputs": inputs}, "anew": {"size": 24}}
    sources = [folder(str(pictures), "val", 0.3)]
    for name, form in forms.items():
        sources.append(opened(packed_sets.pack(pictures, tmp_path / name, **form), "val"))
    assert len({source.digest for source in sources}) == 1
    num_files = []
    for source in sources:
        kept = on_disk(source, inputs, MAX_PIXELS, place)
        num_files.append(len(list(pathlib.Path(place).glob("*.squares"))))
        np.testing.assert_array_equal(kept.images, in_memory(sources[0], inputs).images)
    assert num_files == [1, 1, 1, 2]


def test_raw_squares_are_for_one_network(pictures, tmp_path):
    source = opened(packed_sets.pack(pictures, tmp_path, InputConfig(size=16, resize=24)))
    with pytest.raises(ValueError, match="raw squares have resize=24; expected resize=32. Make th"):
        eval_dataset(source, InputConfig(size=16, resize=32), 4)


def test_reading_is_part_of_a_graph_without_python(pictures, tmp_path):
    source = opened(packed_sets.pack(pictures, tmp_path))
    graph = tf.function(source.read).get_concrete_function(tf.TensorSpec([], tf.int64))
    assert not {"PyFunc", "EagerPyFunc"} & {op.type for op in graph.graph.get_operations()}
