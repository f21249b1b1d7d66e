"""Squares on disk: filled once, found again, never for another set of pictures or squares."""

import dataclasses
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from pipelines.cache import in_memory, kept
from pipelines.config import DataConfig, InputConfig
from pipelines.dataset import Batch, dataset_mean, eval_dataset, train_dataset
from pipelines.decode import MAX_PIXELS
from pipelines.disk import on_disk
from pipelines.sources.folder import folder

INPUTS = InputConfig(size=24, resize=32)
NUM_EXAMPLES, BAD = 150, 70


def write(root):
    """150 pictures of two classes; one is none."""
    draw = np.random.default_rng(0)
    for i in range(NUM_EXAMPLES):
        path = root / f"class{i // 75}" / f"{i:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = draw.integers(0, 256, (40, 50, 3), np.uint8)
        path.write_bytes(b"no picture" if i == BAD else tf.io.encode_jpeg(image).numpy())
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pictures"))


def opened(root):
    return folder(str(root), "all", 0.5)


def on(place, source, inputs=INPUTS, max_pixels=MAX_PIXELS):
    return on_disk(source, inputs, max_pixels, str(place))


def without_pictures(source, tmp_path):
    """The same source, of which no picture can be read any more."""
    return dataclasses.replace(source, root=str(tmp_path / "nowhere"))


def assert_same(one, other):
    for batch, expected in zip(one, other, strict=True):
        for name in Batch._fields:
            np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name), name)


def test_the_chains_are_the_same_to_the_bit(root, tmp_path):
    source = opened(root)
    disk, memory = on(tmp_path, source), in_memory(source, INPUTS)
    for other in (source, memory):
        chains = [train_dataset(x, DataConfig(), INPUTS, 5, 0, 8).take(20) for x in (disk, other)]
        assert chains[0].element_spec == chains[1].element_spec
        assert_same(*chains)
        assert_same(*(eval_dataset(x, INPUTS, 8) for x in (disk, other)))
    assert dataset_mean(disk, INPUTS) == dataset_mean(source, INPUTS)
    assert (disk.good.numpy() == (np.arange(NUM_EXAMPLES) != BAD)).all()


def test_a_second_run_decodes_nothing(root, tmp_path, capsys):
    source = opened(root)
    first = on(tmp_path, source)
    assert "decoding 150 pictures into " in capsys.readouterr().err
    again = on(tmp_path, without_pictures(source, tmp_path))
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(again.images, first.images)
    np.testing.assert_array_equal(again.labels, first.labels)


def test_a_directory_that_may_only_be_read_serves_too(root, tmp_path):
    source = opened(root)
    on(tmp_path, source)
    os.chmod(tmp_path, 0o500)
    try:
        assert on(tmp_path, source).num_examples == NUM_EXAMPLES
    finally:
        os.chmod(tmp_path, 0o700)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": dataclasses.replace(INPUTS, resize=40)},
        {"inputs": dataclasses.replace(INPUTS, resize_rule="warp")},
        {"inputs": dataclasses.replace(INPUTS, resize_filter="bilinear")},
        {"inputs": dataclasses.replace(INPUTS, orientation="apply")},
        {"max_pixels": 1999},
    ],
)
def test_other_squares_are_in_another_file(root, tmp_path, change):
    source = opened(root)
    on(tmp_path, source)
    other = on(tmp_path, source, **change)
    assert len(list(tmp_path.glob("*.squares"))) == 2
    expected = in_memory(source, change.get("inputs", INPUTS), change.get("max_pixels", MAX_PIXELS))
    np.testing.assert_array_equal(other.images, expected.images)


def test_what_decides_on_no_square_does_not_count(root, tmp_path):
    on(tmp_path, opened(root))
    on(tmp_path, opened(root), dataclasses.replace(INPUTS, size=16, mean=(1, 2, 3), scale=2))
    assert len(list(tmp_path.glob("*.squares"))) == 1


def test_other_pictures_are_in_another_file(root, tmp_path):
    source = opened(root)
    on(tmp_path, source)
    on(tmp_path, dataclasses.replace(source, digest="0" * 64))
    on(tmp_path, dataclasses.replace(source, classes=("class1", "class0")))  # other labels
    assert len(list(tmp_path.glob("*.squares"))) == 3


def test_a_fill_that_stopped_goes_on_and_ends_with_the_same_bytes(tmp_path, capsys):
    root = write(tmp_path / "pictures")
    expected = in_memory(opened(root), INPUTS)
    source, lost = opened(root), root / "class1" / "140.jpg"
    picture = lost.read_bytes()
    lost.unlink()
    with pytest.raises(OSError, match="140.jpg' could not be read: the file is gone$"):
        on(tmp_path, source)
    lost.mkdir()
    with pytest.raises(OSError, match="140.jpg' could not be read: Is a directory$"):
        on(tmp_path, source)
    lost.rmdir()
    lost.write_bytes(picture)
    shutil.rmtree(root / "class0")  # the first 75, which are kept by now
    capsys.readouterr()
    disk = on(tmp_path, source)
    assert "(128 are there)" in capsys.readouterr().err
    np.testing.assert_array_equal(disk.images, expected.images)
    np.testing.assert_array_equal(disk.labels, expected.labels)
    np.testing.assert_array_equal(disk.good, expected.good)


def test_a_file_that_was_cut_is_filled_again(root, tmp_path, capsys):
    source = opened(root)
    expected = on(tmp_path, source).images.numpy()
    (file,) = tmp_path.glob("*.squares")
    os.truncate(shutil.copy(file, tmp_path / "cut"), 5000)
    os.replace(tmp_path / "cut", file)
    np.testing.assert_array_equal(on(tmp_path, source).images, expected)
    assert "is cut short, or not what was written there; it is filled again" in (
        capsys.readouterr().err
    )


def test_what_does_not_fit_is_refused_before_anything_is_decoded(root, tmp_path, monkeypatch):
    data = DataConfig(cache="disk", cache_dir=str(tmp_path))
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    text = r"data.cache_dir='.*' has 0.0 GB free, expected 0.0 for the decoded .* \(150 \+ 150\)"
    with pytest.raises(ValueError, match=text):
        kept([opened(root)] * 2, data, INPUTS)
    assert not os.listdir(tmp_path)


def test_a_directory_that_cannot_be_used_is_named(root, tmp_path):
    (tmp_path / "file").write_text("in the way")
    data = DataConfig(cache="disk", cache_dir=str(tmp_path / "file"))
    with pytest.raises(
        ValueError, match="data.cache_dir='.*file' cannot be used: File exists. Exp"
    ):
        kept([opened(root)], data, INPUTS)


def test_nothing_is_kept_where_nothing_shall_be(root):
    source = opened(root)
    assert kept([source], DataConfig(), INPUTS) == (source,)
