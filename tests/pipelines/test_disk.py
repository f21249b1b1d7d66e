"""Squares on disk: filled once, found again, never for another set of pictures or squares."""

import dataclasses
import os
import shutil
import threading

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tiny_run
from packed_sets import pack

from pipelines import disk
from pipelines.cache import in_memory, kept
from pipelines.config import DataConfig, InputConfig
from pipelines.dataset import Batch, eval_dataset, train_dataset
from pipelines.decode import MAX_PIXELS
from pipelines.disk import on_disk
from pipelines.records.description import Undecoded
from pipelines.sources import open_source
from pipelines.sources.folder import folder
from pipelines.sources.records import packed

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


@pytest.fixture(scope="module")
def place(root, tmp_path_factory):
    """A directory that holds the squares of `root`; who changes it takes a copy."""
    place = tmp_path_factory.mktemp("kept") / "new"
    on(place, opened(root))
    return place


def on(place, source, inputs=INPUTS, max_pixels=MAX_PIXELS):
    return on_disk(source, inputs, max_pixels, str(place))


def without_pictures(source, tmp_path):
    """The same source, of which no picture can be read any more."""
    return dataclasses.replace(source, root=str(tmp_path / "nowhere"))


def assert_same(one, other):
    for batch, expected in zip(one, other, strict=True):
        for name in Batch._fields:
            np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name), name)


@pytest.mark.slow
def test_the_chains_are_the_same_to_the_bit(root, place):
    source = opened(root)
    found, memory = on(place, source), in_memory(source, INPUTS)
    for name in ("images", "labels", "good"):
        np.testing.assert_array_equal(getattr(found, name), getattr(memory, name), name)
    assert (found.good.numpy() == (np.arange(NUM_EXAMPLES) != BAD)).all()
    chains = [train_dataset(x, DataConfig(), INPUTS, 5, 0, 8).take(20) for x in (found, source)]
    assert chains[0].element_spec == chains[1].element_spec
    assert_same(*chains)
    assert_same(*(eval_dataset(x, INPUTS, 8) for x in (found, source)))


def test_a_second_run_decodes_nothing(root, place, tmp_path, capsys):
    source = opened(root)
    found = on(place, without_pictures(source, tmp_path))
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(found.labels, np.where(found.good, source.labels, 0))
    assert len(os.listdir(place)) == 1


def test_a_directory_that_may_only_be_read_serves_too(root, place):
    os.chmod(place, 0o500)
    try:
        assert on(place, opened(root)).num_examples == NUM_EXAMPLES
    finally:
        os.chmod(place, 0o700)


def test_two_at_once_decode_once(root, tmp_path, capsys):
    source = opened(root)
    both = [threading.Thread(target=on, args=(tmp_path, source)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=300)
    assert capsys.readouterr().err.count("decoding 150 pictures into") == 1
    assert len(os.listdir(tmp_path)) == 1


def test_whatever_decides_on_a_square_is_in_the_name_of_its_file(root):
    source = opened(root)

    def path(source=source, max_pixels=MAX_PIXELS, **changes):
        inputs = dataclasses.replace(INPUTS, **changes)
        return disk._file(source, inputs, max_pixels, "kept").path

    others = [
        path(resize=40),
        path(resize_rule="warp"),
        path(resize_filter="bilinear"),
        path(orientation="apply"),
        path(max_pixels=1999),
        path(dataclasses.replace(source, digest="0" * 64)),
        path(dataclasses.replace(source, classes=("class1", "class0"))),  # other labels
        path(),
    ]
    assert len(set(others)) == len(others)
    assert path(size=16, mean=(1, 2, 3), scale=2) == path()  # none of them


@pytest.mark.slow
def test_other_squares_get_another_file(root, place, tmp_path):
    source, other = opened(root), dataclasses.replace(INPUTS, resize=40)
    shutil.copytree(place, tmp_path / "kept")
    found = on(tmp_path / "kept", source, other)
    np.testing.assert_array_equal(found.images, in_memory(source, other).images)
    assert len(os.listdir(tmp_path / "kept")) == 2


@pytest.mark.slow
def test_squares_of_other_pictures_of_the_same_names_and_sizes_are_refused(tmp_path):
    draw, roots = np.random.default_rng(0), [tmp_path / "color", tmp_path / "gray"]
    for number in range(12):
        color = draw.integers(0, 256, (9, 12, 3), np.uint8)
        gray = np.repeat(color.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
        for root, image in zip(roots, (color, gray), strict=True):
            path = root / f"class{number % 2}/{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(image).save(path)
    sources = [opened(root) for root in roots]
    assert sources[0].digest == sources[1].digest
    on(tmp_path / "kept", sources[0])
    on(tmp_path / "kept", sources[0])
    text = "holds squares of other pictures of the same names and sizes; expected those of data.sou"
    with pytest.raises(ValueError, match=text):
        on(tmp_path / "kept", sources[1])


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
    found = on(tmp_path, source)
    assert "(128 are there)" in capsys.readouterr().err
    for name in ("images", "labels", "good"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


@pytest.mark.long
def test_a_file_that_was_cut_is_filled_again(root, place, tmp_path, capsys):
    source = opened(root)
    shutil.copytree(place, tmp_path / "kept")
    (file,) = (tmp_path / "kept").iterdir()
    os.truncate(file, 5000)
    found = on(tmp_path / "kept", source)
    np.testing.assert_array_equal(found.images, on(place, source).images)
    assert "is cut short, or not what was written there; it is filled again" in (
        capsys.readouterr().err
    )


def test_what_does_not_fit_is_refused_before_anything_is_decoded(root, tmp_path, monkeypatch):
    data = DataConfig(cache="disk", cache_dir=str(tmp_path))
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    text = r"data.cache_dir='.*' has .*B free, expected .* kB for the decoded .* \(150 \+ 150\)"
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


@pytest.mark.parametrize("place, is_taken", [("cache", False), (".cache", True)])
def test_no_class_is_made_of_squares(tmp_path, place, is_taken):
    root = tmp_path / "set"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        (root / name / "1.jpg").write_bytes(tiny_run.picture(30, 40))
    data = DataConfig(source=f"folder:{root}", cache="disk", cache_dir=str(root / place))
    for _ in range(2 if is_taken else 1):
        source = open_source(data, "all", 0)
        if is_taken:
            kept([source], data, INPUTS)
            continue
        with pytest.raises(ValueError, match="data.cache_dir='.*cache' lies in data.source='folde"):
            kept([source], data, INPUTS)


@pytest.mark.parametrize("label", [1, 7])
def test_other_labels_are_refused(root, place, label):
    source = opened(root)
    file = disk._file(source, INPUTS, MAX_PIXELS, str(place))
    squares, labels, good = file.read()
    disk._check_same(file, source, INPUTS, MAX_PIXELS, (squares, labels, good))
    labels[0] = label
    with pytest.raises(ValueError, match="holds squares of other pictures .*class0/000.jpg"):
        disk._check_same(file, source, INPUTS, MAX_PIXELS, (squares, labels, good))


def test_nothing_is_kept_where_nothing_shall_be(root):
    source = opened(root)
    assert kept([source], DataConfig(), INPUTS) == (source,)


def test_pictures_that_were_made_smaller_have_other_squares(root, tmp_path):
    source = opened(root)
    same = packed(pack(root, tmp_path / "same"), "all", 0.5)
    smaller = packed(pack(root, tmp_path / "smaller", size=36), "all", 0.5)
    assert source.digest == same.digest == smaller.digest
    one, two, other = (
        disk._file(x, INPUTS, MAX_PIXELS, "kept").path for x in (source, same, smaller)
    )
    assert one == two != other


def test_squares_that_were_packed_under_another_limit_are_others(root, tmp_path):
    bad = Undecoded(split="all", index=0, name="a", reason="it claims 100 x 100 pixels")
    whole, few = (
        packed(pack(root, tmp_path / name, INPUTS, undecoded=undecoded), "all", 0.5)
        for name, undecoded in (("whole", ()), ("few", (bad,)))
    )
    assert whole.digest == few.digest and not whole.recoding
    one, other = (disk._file(x, INPUTS, MAX_PIXELS, "kept").path for x in (whole, few))
    assert one != other
