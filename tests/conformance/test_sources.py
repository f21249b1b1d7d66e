"""Every source keeps the contract of a Source; what only reads keeps that of a Reader."""

import dataclasses
import pathlib

import numpy as np
import packed_sets
import pytest
import tensorflow as tf
import tfds_sets
import tiny
from sources import assert_is_source, assert_reads

from alexnet_tf.benchmarking.sources import Noise, Some
from alexnet_tf.serving.classifier import Given
from pipelines.cache import in_memory
from pipelines.config import DataConfig, InputConfig
from pipelines.decode import MAX_PIXELS
from pipelines.disk import on_disk
from pipelines.sources import open_source, shapes
from pipelines.sources.folder import folder

NUM_DRAWN = 20
INPUTS = InputConfig(size=16, resize=16)


def opened(root: pathlib.Path):
    return folder(str(root), "train", 0.2)


@pytest.fixture
def few_shapes(monkeypatch):
    """Makes the drawn splits small."""
    monkeypatch.setattr(shapes, "NUM_EXAMPLES", {"train": NUM_DRAWN, "val": 10})


def test_pictures_in_a_folder(pictures, tmp_path):
    more = tiny.write_pictures(tmp_path / "more", train=11)
    assert_is_source(lambda: opened(pictures), lambda: opened(more))


def test_drawn_shapes(few_shapes):
    assert_is_source(lambda: shapes.ShapesSource(0, "all"), lambda: shapes.ShapesSource(1, "all"))


def test_squares_in_memory_read_what_their_origin_reads(pictures, tmp_path):
    more = tiny.write_pictures(tmp_path / "more", train=11)
    assert_is_source(lambda: in_memory(opened(pictures), INPUTS), lambda: opened(more))


@pytest.mark.parametrize("inputs", [None, INPUTS])
def test_packed_pictures(pictures, tmp_path, inputs):
    more = tiny.write_pictures(tmp_path / "more", train=11)
    places = [
        DataConfig(source=f"records:{packed_sets.pack(root, tmp_path / name, inputs)}")
        for root, name in ((pictures, "one"), (more, "other"))
    ]
    one, other = (lambda place=place: open_source(place, "train", 0) for place in places)
    assert_is_source(one, other)


def test_squares_on_disk_read_what_their_origin_reads(pictures, tmp_path):
    more = tiny.write_pictures(tmp_path / "more", train=11)

    def kept(root):
        return on_disk(opened(root), INPUTS, MAX_PIXELS, str(tmp_path / "kept"))

    assert_is_source(lambda: kept(pictures), lambda: kept(more))


def test_pictures_that_tfds_has_prepared(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    examples = tfds_sets.examples_in(pictures / "train", tiny.CLASSES)
    for name, some in (("few", examples), ("fewer", examples[1:])):
        tfds_sets.prepare(tmp_path, name, {"train": some}, tiny.CLASSES)
    one, other = (
        lambda name=name: open_source(DataConfig(source=f"tfds:{name}"), "train", 0)
        for name in ("few", "fewer")
    )
    assert_is_source(one, other)


def test_noise_of_the_benchmark():
    assert_is_source(lambda: Noise(8), lambda: Noise(9))


def test_some_pictures_of_the_benchmark(pictures):
    assert_is_source(lambda: Some(opened(pictures), 7), lambda: Some(opened(pictures), 8))


def test_pictures_given_to_a_classifier(pictures):
    files = [path.read_bytes() for path in sorted(pictures.glob("train/*/*"))]
    assert_reads(Given(tf.constant(files)), len(files), 1)


def test_the_contract_refuses_what_breaks_it(pictures):
    source = opened(pictures)
    unlucky = dataclasses.replace(source, labels=np.array([7, *source.labels[1:]]))
    with pytest.raises(AssertionError):
        assert_is_source(lambda: unlucky, lambda: Noise(8))
    with pytest.raises(AssertionError):
        assert_is_source(lambda: source, lambda: source)  # content has changed, the digest has not
