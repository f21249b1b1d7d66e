"""A folder packed: what stands in the records, and that nothing but the input decides on it."""

import json
import os
import pathlib
import shutil

import numpy as np
import packed as p
import pytest
import tensorflow as tf

from pipelines.config import InputConfig
from pipelines.decode import decode
from pipelines.packing.settings import Packing
from pipelines.packing.unfinished import Unfinished
from pipelines.parallelism import decoding
from pipelines.rows import Rows
from pipelines.sources.folder import folder
from pipelines.squares import decoded

INPUTS = InputConfig(size=64, resize=64)


def squares(source, inputs=INPUTS) -> np.ndarray:
    """What training cuts windows from, for each example."""
    rows = Rows(source=source, inputs=inputs, decoding=decoding(10**8))
    batches = decoded(rows, 0, source.num_examples, 8)
    return np.concatenate([square.numpy() for _, square, _, _ in batches])


@pytest.mark.long
def test_raw_records_hold_the_squares_of_training_bit_for_bit(pictures, tmp_path):
    p.packed(pictures, tmp_path / "set", format="raw", size=64)
    for split in ("train", "val"):
        source = folder(str(pictures), split, 0.1)
        found = p.examples(tmp_path / "set", split)
        stored = np.stack([np.frombuffer(x["image/encoded"], np.uint8) for x in found])
        np.testing.assert_array_equal(stored.reshape(-1, 64, 64, 3), squares(source))
        assert [x["image/class/label"] for x in found] == list(source.labels)
        assert {x["image/format"] for x in found} == {b"raw"}


def test_jpeg_records_hold_the_squares_but_for_the_loss_of_jpeg(pictures, tmp_path):
    p.packed(pictures, tmp_path / "set", size=64)
    found = p.examples(tmp_path / "set", "val")
    source = folder(str(pictures), "val", 0.1)
    for example, square in zip(found, squares(source), strict=True):
        again = decode(tf.constant(example["image/encoded"])).numpy()
        assert np.abs(again.astype(int) - square).mean() < 8  # noise is what JPEG drops first
        assert (example["image/height"], example["image/width"]) == (64, 64)


def test_records_have_the_keys_that_other_programs_read(pictures, tmp_path):
    p.packed(pictures, tmp_path / "set", size="original")
    found = p.examples(tmp_path / "set", "train")
    source = folder(str(pictures), "train", 0.1)
    for example, file, label in zip(found, source.files, source.labels, strict=True):
        contents = (pictures / file).read_bytes()
        size = decode(tf.constant(contents)).shape
        row, name = example.pop("row"), example.pop("name")
        assert example == {
            "image/encoded": contents,
            "image/format": b"JPEG",
            "image/height": size[0],
            "image/width": size[1],
            "image/class/label": label,
            "image/class/text": source.classes[label].encode(),
            "image/filename": file.encode(),
        }
        assert name == file
        assert (row["num_bytes"], row["label"]) == (len(contents), label)


@pytest.mark.parametrize("format, size", [("jpeg", 64), ("raw", 64), ("jpeg", "original")])
@pytest.mark.long
def test_any_number_of_workers_writes_the_same_bytes(pictures, tmp_path, format, size):
    for workers in (1, 2, 5):
        output = tmp_path / f"{workers}"
        p.packed(pictures, output, format=format, size=size, shard_examples=7, workers=workers)
    one, *others = (p.digests(tmp_path / f"{workers}") for workers in (1, 2, 5))
    assert all(other == one for other in others)
    assert len(one) == 1 + 2 * (5 + 3)


def test_numbers_classes_and_digests_are_those_of_the_folder(pictures, tmp_path):
    found = p.packed(pictures, tmp_path / "set", size=64, shard_examples=8)
    assert found == p.described(tmp_path / "set")
    for split in ("train", "val"):
        source = folder(str(pictures), split, 0.1)
        of = found.splits[split]
        assert (of.num_examples, of.digest) == (source.num_examples, source.digest)
        assert (of.class_counts, found.classes) == (source.class_counts, source.classes)
        names = [x["name"] for x in p.examples(tmp_path / "set", split)]
        assert names == list(source.files)
    assert [shard.num_examples for shard in found.splits["train"].shards] == [8, 8, 8, 6]


def test_a_set_without_val_is_packed_whole(pictures, tmp_path):
    found = p.packed(pictures / "train", tmp_path / "set", size=64)
    assert list(found.splits) == ["all"]
    assert found.splits["all"].digest == folder(str(pictures / "train"), "all", 0.1).digest
    assert found.statistics.num_examples == 30


def test_the_settings_that_squares_were_cut_by_are_written_down(pictures, tmp_path):
    cut = {"resize_rule": "warp", "resize_filter": "bilinear", "orientation": "apply"}
    found = p.packed(pictures, tmp_path / "set", size=48, quality=80, shard_examples=9, **cut)
    assert found.squares == cut | {"resize": 48}
    assert (found.format, found.size, found.origin) == ("jpeg", 48, str(pictures))
    about = {"quality": 80, "chroma": "4:2:0", "shard_examples": 9, "max_megapixels": 100.0}
    assert found.settings == about


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "expected either --input=... and --output=DIR, to pack, or --verify=DIR"),
        ({"verify": "a", "input": "b"}, "expected either --input=... and --output=DIR"),
        ({"input": "a"}, "input='a', output='': expected both. Say what is packed and where to"),
        ({"size": 0}, "size=0: expected a number of pixels from 1 to 65,536, or original."),
        ({"size": 70000}, "size=70000: expected a number of pixels from 1 to 65,536, or origi"),
        ({"size": "large"}, "size=large: expected a number of pixels from 1 to 65,536, or orig"),
        (
            {"size": 26_749, "format": "raw"},
            "format=raw, size=26749: expected at most 26,748, since a record has less than 2 GiB.",
        ),
        (
            {"size": "original", "format": "raw"},
            "format=raw, size=original: expected squares of one size. Name it, as in --size=256",
        ),
        (
            {"size": "original", "quality": 90},
            "quality=90: expected nothing with --format=raw or --size=original, which make no JPEG",
        ),
        ({"quality": 101}, "quality=101: expected 1 to 100."),
        ({"classes": "a"}, "classes='a': expected nothing without --labels, whose numbers it is"),
        ({"shard_examples": 0}, "shard_examples=0: expected at least 1."),
        ({"workers": -1}, "workers=-1: expected at least 0."),
        ({"workers": 5000}, "workers=5000: expected at most 1,024."),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    paths = {} if {"verify", "input"} & {*settings} or not settings else {"input": "i"}
    paths |= {"output": "o"} if "input" in paths else {}
    with pytest.raises(ValueError) as error:
        Packing(**paths, **settings)
    assert message in str(error.value)


def test_an_output_that_is_there_is_refused_unless_it_is_empty(pictures, tmp_path):
    (tmp_path / "set").mkdir()
    p.packed(pictures, tmp_path / "set", size=32)
    with pytest.raises(ValueError, match="is there already; expected a directory that is empty"):
        p.packed(pictures, tmp_path / "set", size=32)
    assert not (tmp_path / "set.unfinished").exists()


def test_two_cannot_pack_into_the_same_output(pictures, tmp_path):
    first = Unfinished(str(tmp_path / "set"))
    with pytest.raises(ValueError, match="is being packed by another process; expected one at a"):
        p.packed(pictures, tmp_path / "set", size=32)
    first.close()
    p.packed(pictures, tmp_path / "set", size=32)


def test_what_was_begun_goes_on_with_the_same_settings_only(pictures, tmp_path):
    begun = Unfinished(str(tmp_path / "set"))
    begun.settle({"size": 64})
    begun.close()
    with pytest.raises(ValueError, match="set.unfinished' was begun otherwise: .*size: 64 -> 32"):
        p.packed(pictures, tmp_path / "set", size=32)


def test_a_directory_of_something_else_is_left_alone(pictures, tmp_path):
    (tmp_path / "set.unfinished").mkdir()
    (tmp_path / "set.unfinished/mine").touch()
    with pytest.raises(ValueError, match="is no packing that was begun: it holds 'mine'"):
        p.packed(pictures, tmp_path / "set", size=32)


def test_a_link_to_an_empty_directory_leads_to_the_set(pictures, tmp_path):
    (tmp_path / "disk/packed").mkdir(parents=True)
    (tmp_path / "set").symlink_to(tmp_path / "disk/packed")
    p.packed(pictures, tmp_path / "set", size=32)
    assert (tmp_path / "disk/packed/dataset.json").exists() and (tmp_path / "set").is_symlink()
    assert sorted(x.name for x in tmp_path.iterdir()) == ["disk", "set"]


def test_a_mounted_disk_is_no_output(pictures):
    for output, inside in (("/proc", "/proc/packed"), ("/", "/packed")):
        text = f"is where a disk is mounted, .* --output={inside}."
        with pytest.raises(ValueError, match=text):
            p.packed(pictures, output, size=32)


def test_an_output_beside_the_splits_is_no_part_of_the_input(pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "in")
    found = p.packed(tmp_path / "in", tmp_path / "in/out", size=32)
    assert found.left_out == ()
    again = p.packed(tmp_path / "in", tmp_path / "in/other", size=32)
    assert again.left_out == (("out/", "a folder that is neither train, val nor a class"),)


def test_an_output_among_the_classes_of_the_input_is_refused(pictures, tmp_path):
    (tmp_path / "classes").symlink_to(pictures / "train")
    with pytest.raises(ValueError, match="lies in input=.*, where each folder is a class; expec"):
        p.packed(tmp_path / "classes", pictures / "train/set", size=32)
    assert not list((pictures / "train").glob("set*"))


@pytest.mark.parametrize(
    "files, message",
    [
        ((), "^input='.*/in': no picture in it; expected .*/in/train/<class>/<file>.jpg and "),
        (("pics/a/1.jpg", "pics/b/1.jpg"), r"<file>.jpg. Perhaps --input=\S*/in/pics is meant.$"),
        (("Val/a/1.jpg",), "rename 'Val' to 'val', or name one of them: --input=.*/in/Val.$"),
        (("train/a/1.jpg", "val/b/1.jpg"), "of the training pictures use --input=.*/in/train.$"),
        (("train/a/1.jpg", "b/1.jpg"), "them elsewhere, or name --input=.*/in/train.$"),
        (("a/1.jpg", "b/1.jpg", "b/odd"), "^input: '.*/in/b/odd' cannot be read: Input/output err"),
    ],
)
def test_messages_name_the_input_as_it_is_typed(tmp_path, files, message):
    (tmp_path / "in").mkdir()
    for file in files:
        (tmp_path / "in" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / file).touch()
    if "b/odd" in files:
        if not os.path.isfile("/proc/self/mem"):
            pytest.skip("this system has no file that cannot be read by anyone")
        (tmp_path / "in/b/odd").unlink()
        (tmp_path / "in/b/odd").symlink_to("/proc/self/mem")
    with pytest.raises(ValueError, match=message):
        p.packed(tmp_path / "in", tmp_path / "set", size=32)


def test_a_place_that_cannot_be_written_is_refused(pictures, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is no place to write: .*. Expected a directory in one"):
        p.packed(pictures, tmp_path / "file/set", size=32)


def test_a_disk_without_room_is_refused_before_the_first_record(pictures, tmp_path, monkeypatch):
    space = os.statvfs(tmp_path)
    usage = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert space.f_bavail
    with pytest.raises(ValueError, match="B free, expected about .*B for the records"):
        p.packed(pictures, tmp_path / "set", size=32, format="raw")


@pytest.mark.parametrize("settings", [{"format": "raw"}, {"size": 32}, {"size": "original"}])
def test_an_input_that_changes_while_it_is_packed_is_an_error(
    pictures, tmp_path, monkeypatch, settings
):
    monkeypatch.setattr(
        "pipelines.packing.inventory.sizes_of", lambda root, names: np.ones(len(names), np.int64)
    )
    with pytest.raises(OSError, match="bytes, expected 1: it was changed while it was packed"):
        p.packed(pictures, tmp_path / "set", **settings)


def test_dataset_json_is_plain_json(pictures, tmp_path):
    p.packed(pictures, tmp_path / "set", size=32)
    text = pathlib.Path(tmp_path / "set/dataset.json").read_text()
    assert json.loads(text)["format_version"] == 1
