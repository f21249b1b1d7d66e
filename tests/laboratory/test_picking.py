"""Which pictures of a set are looked at, and what becomes of those that cannot be read."""

import dataclasses
import io
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny_run
from PIL import Image

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.laboratory import subject as subject_module
from alexnet_tf.laboratory.opening import open_subject
from alexnet_tf.laboratory.picking import equally_apart, spread_over_classes
from alexnet_tf.laboratory.settings import GradCam


def source_of(labels, unreadable=()):
    """A source whose pictures are not there."""
    labels = tf.constant(labels)

    def read(index):
        fine = tf.reduce_all(index != tf.constant(unreadable, tf.int64))
        with tf.control_dependencies([tf.debugging.Assert(fine, ["gone"])]):
            return tf.constant(b""), labels[index]

    return types.SimpleNamespace(
        num_examples=len(labels), class_counts=np.bincount(labels).tolist(), read=read
    )


def test_numbers_at_equal_distances():
    assert equally_apart(12, 3).tolist() == [2, 6, 10]
    assert equally_apart(4, 9).tolist() == [0, 1, 2, 3]
    assert equally_apart(4, 0).tolist() == []


@pytest.mark.parametrize("order", ["class by class", "side by side", "at random"])
def test_every_class_is_picked_however_a_set_lists_its_examples(order):
    labels = np.repeat(np.arange(10), 100)
    if order == "side by side":  # equal distances meet one class alone
        labels = np.arange(1000) % 10
    elif order == "at random":
        labels = np.random.default_rng(0).permutation(labels)
    for count, each in ((10, 1), (5, 1), (20, 2)):
        found = labels[spread_over_classes(source_of(labels), count)]
        assert len(found) == count and np.all(np.diff(found) >= 0)
        assert np.bincount(found).max() == each


def test_class_by_class_those_at_equal_distances_are_picked():
    found = spread_over_classes(source_of(np.repeat(np.arange(10), 100)), 10)
    assert found == equally_apart(1000, 10).tolist()


def test_rare_classes_do_not_make_it_fewer():
    labels = np.zeros(500, int)
    labels[17] = 1
    found = spread_over_classes(source_of(labels), 6)
    assert len(set(found)) == 6
    assert spread_over_classes(source_of([0, 1, 0]), 6) == [0, 2, 1]


def test_what_cannot_be_read_is_not_picked():
    labels = np.repeat(np.arange(4), 10)
    bad = equally_apart(40, 4).tolist()[:2]
    found = spread_over_classes(source_of(labels, bad), 4)
    assert labels[found].tolist() == [0, 1, 2, 3] and not {*bad} & {*found}


@pytest.fixture
def subject(tmp_path):
    """A network, and four pictures, of which the first is damaged and the last a broken link."""
    tiny_run.write_checkpoint(tmp_path / "run")
    folder = tmp_path / "set" / "val" / tiny_run.CLASSES[0]
    folder.mkdir(parents=True)
    (folder / "0.jpg").write_bytes(tiny_run.picture()[:200])
    for number in (1, 2):
        (folder / f"{number}.jpg").write_bytes(tiny_run.picture(seed=number))
    (folder / "3.jpg").symlink_to("nowhere")

    def made(images=(), **data):
        def override(config):
            new = dataclasses.replace(config.data, source=f"folder:{folder.parents[1]}", **data)
            return dataclasses.replace(config, data=new)

        typed = GradCam(run_dir=str(tmp_path / "run"), output="x", split="val", images=images)
        return open_subject(typed, override)

    return made


@pytest.mark.long
def test_pictures_that_cannot_be_decoded_are_named_and_counted(subject, capsys):
    found = subject(on_error="skip")
    pictures = found.some(4)
    assert [name.rpartition("/")[2] for name in pictures.name] == ["1.jpg", "2.jpg"]
    assert "2 pictures of folder:" in found.told(pictures)
    assert found.told(pictures).endswith(", split val (2 left out that cannot be decoded)")
    said = capsys.readouterr().err
    assert "0.jpg' cannot be decoded: its 200 bytes are damaged" in said and "3.jpg" in said
    assert [len(x.index) for x in found.batches()] == [2]
    with pytest.raises(RunFailed, match="that could be decoded a moment ago cannot be decoded now"):
        found.at([2, 0])
    with pytest.raises(UserError, match="0.jpg' cannot be decoded: its 200 bytes are damaged"):
        subject().some(4)


def test_the_limit_of_pixels_is_that_of_the_call(subject, tmp_path):
    (tmp_path / "own.jpg").write_bytes(tiny_run.picture())
    own = (str(tmp_path / "own.jpg"),)
    found = subject(own, max_megapixels=0.001)
    assert found.given[1] == (
        f"{own[0]!r} cannot be decoded: it claims 120 x 90 pixels; at most 1000 are taken",
    )
    assert len(subject(own).given[0].index) == 1


@pytest.mark.slow
def test_pictures_larger_than_an_export_takes_are_looked_at(subject, tmp_path):
    file = io.BytesIO()
    Image.new("L", (8000, 8000), 77).save(file, "PNG")
    (tmp_path / "large.png").write_bytes(file.getvalue())
    found, unread = subject((str(tmp_path / "large.png"),)).given
    assert not unread and (found.image == 77).all()


def test_a_batch_without_a_sound_picture_is_passed_over(subject, monkeypatch):
    monkeypatch.setattr(subject_module, "BATCH_EXAMPLES", 1)
    assert [len(x.index) for x in subject(on_error="skip").batches()] == [1, 1]
