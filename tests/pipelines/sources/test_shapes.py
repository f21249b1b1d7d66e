"""The embedded data set: what its pictures are, and that no linear classifier tells them apart."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.config import ResizeRule
from pipelines.decode import decode, to_square
from pipelines.sources import shapes as module
from pipelines.sources.forms import FORMS, length
from pipelines.sources.shapes import MAX_BYTES, NUM_EXAMPLES, ShapesSource, draw_all, shapes

NUM_DRAWN = 600
# Example 123 of seed 0: its size, and every 20th pixel of row 60.
GOLDEN_SHAPE = (131, 91, 3)
GOLDEN_LEVELS = [[73, 89, 97], [79, 95, 103], [82, 98, 106], [91, 106, 114], [105, 120, 128]]


@pytest.fixture(scope="module")
def files():
    return draw_all(0, "train", NUM_DRAWN).numpy()


@pytest.fixture(scope="module")
def squares(files):
    """Grayscale squares of 16 pixels, [N, 256], by the decoder that training uses."""
    ds = tf.data.Dataset.from_tensor_slices(files)
    ds = ds.map(lambda file: to_square(decode(file), 16, ResizeRule.SHORTER_SIDE), 2)
    return ds.batch(NUM_DRAWN).get_single_element().numpy().mean(-1).reshape(NUM_DRAWN, -1)


def test_a_picture_does_not_depend_on_how_many_are_drawn(files):
    assert list(draw_all(0, "train", 7).numpy()) == list(files[:7])


def test_every_seed_and_split_has_pictures_of_its_own(files):
    other = [draw_all(0, "val", 7), draw_all(1, "train", 7), draw_all(2**32 - 1, "train", 7)]
    assert len({file for drawn in other for file in drawn.numpy()} | set(files)) == NUM_DRAWN + 21


def test_pictures_of_version_1_stay_what_they_are():
    image, _ = module.draw(0, "train", tf.constant(123, tf.int64))
    assert module.VERSION == 1
    assert image.shape == GOLDEN_SHAPE
    # Sines and square roots differ in the last bit between processors, levels by one.
    np.testing.assert_allclose(image[60, 5::20].numpy().astype(int), GOLDEN_LEVELS, atol=1)


def test_sizes_aspects_and_formats_vary(files):
    images = [tf.io.decode_image(file) for file in files[:200]]
    heights, widths, channels = np.transpose([image.shape for image in images])
    shorter, aspect = np.minimum(heights, widths), widths / heights
    assert 72 <= shorter.min() < 76 and 116 < shorter.max() <= 120
    assert 0.66 < aspect.min() < 0.7 and 1.45 < aspect.max() <= 1.5
    assert set(channels) == {1, 3}
    assert {file[:4] for file in files} == {b"\x89PNG", b"\xff\xd8\xff\xe0"}


def test_forms_are_lighter_or_darker_than_their_ground_alike():
    draws = module._draw_table(module._LOOKS, tf.constant([0, 0], tf.int64), (2000,))
    difference = (module._form_level(draws) - draws.ground_level).numpy()
    assert np.abs(difference).min() >= 76
    assert 0.45 < np.mean(difference > 0) < 0.55


@pytest.mark.parametrize("split", NUM_EXAMPLES)
def test_each_class_has_equally_many_examples(split):
    source = shapes(0, split)
    labels = module.label(tf.range(source.num_examples, dtype=tf.int64)).numpy()
    assert labels.dtype == np.int32
    assert len(source.classes) >= 10
    assert set(np.bincount(labels)) == {source.num_examples // len(source.classes)}


def test_examples_are_read_in_a_graph_and_drawn_once(files, monkeypatch):
    monkeypatch.setitem(NUM_EXAMPLES, "train", 20)
    source = ShapesSource(0, "train")
    ds = tf.data.Dataset.range(20).map(source.read)
    monkeypatch.delattr(module, "draw_all")
    for index, (file, label) in enumerate(ds.concatenate(ds)):
        assert file == files[index % 20]
        assert label == index % len(FORMS)


def test_a_split_is_opened_once_and_says_what_it_is():
    source = shapes(3, "val")
    assert source is shapes(3, "val")
    assert source.name(123) == "shapes/val/00123"
    assert source.classes == tuple(sorted(FORMS))
    others = [shapes(3, "train"), shapes(4, "val")]
    assert len({source.digest, *(other.digest for other in others)}) == 3
    assert all(len(other.digest) == 64 for other in others)


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="split='test': expected train, val or all."):
        shapes(0, "test")


def test_memory_stays_in_bounds(files):
    assert np.mean([len(file) for file in files]) * sum(NUM_EXAMPLES.values()) < MAX_BYTES


@pytest.mark.parametrize("name", FORMS)
def test_a_form_fills_its_place_and_is_its_own_mirror_image(name):
    axis = tf.linspace(-1.503, 1.503, 302)  # no point lies on an edge
    x, y = tf.meshgrid(axis, axis)
    inside = (FORMS[name](x, y) < 0).numpy()
    assert not inside[(length(x, y) > 1.1).numpy()].any()
    assert 0.7 < inside.mean() * 9 < 2.4  # in square units; the unit disc has 3.1
    mirrored = (inside[:, ::-1], inside[::-1], inside.T)
    assert any(np.mean(inside != other) < 1e-3 for other in mirrored)


def test_a_linear_classifier_on_the_pixels_stays_low(squares):
    """Ridge regression; logistic regression on all pictures at 32 x 32 RGB ends at 15 %."""
    x = squares - squares.mean(axis=1, keepdims=True)
    x = np.concatenate([x / x.std(axis=1, keepdims=True), np.ones([NUM_DRAWN, 1])], axis=1)
    labels = np.arange(NUM_DRAWN) % len(FORMS)
    train, held_out = slice(0, 450), slice(450, None)
    targets = np.eye(len(FORMS))[labels]
    for ridge in (1, 100, 1000):
        gram = x[train].T @ x[train] + ridge * np.eye(x.shape[1])
        outputs = x[held_out] @ np.linalg.solve(gram, x[train].T @ targets[train])
        assert np.mean(outputs.argmax(axis=1) == labels[held_out]) < 0.4
