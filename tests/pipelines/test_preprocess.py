"""Pictures as a notebook has them, for `alexnet_tf.preprocess`."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import alexnet_tf
from pipelines import preprocess

INPUT = alexnet_tf.InputConfig(size=67, resize=67)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3), np.uint8)


@pytest.mark.parametrize(
    "images",
    [
        PICTURES.astype(np.float32),
        PICTURES.astype(np.int64),
        list(PICTURES),
        [Image.fromarray(x) for x in PICTURES],
        PICTURES.tolist(),
    ],
)
def test_pictures_are_taken_in_every_form_that_notebooks_have(images):
    expected = PICTURES - np.array(INPUT.mean, np.float32)
    for given in (images, tf.constant(images) if isinstance(images, np.ndarray) else images):
        np.testing.assert_allclose(alexnet_tf.preprocess(given, INPUT), expected, rtol=1e-6)


def test_a_mean_that_was_not_measured_is_refused():
    inputs = alexnet_tf.InputConfig(mean="dataset")
    text = "network.input.mean=dataset: expected three levels; measure them first with pipelines"
    with pytest.raises(ValueError, match=text):
        preprocess.preprocess(tf.constant(PICTURES), inputs)


def test_one_picture_is_a_batch_of_one_and_a_tensor_keeps_its_rank():
    for image in (PICTURES[0], Image.fromarray(PICTURES[0])):
        assert alexnet_tf.preprocess(image, INPUT).shape == (1, 5, 5, 3)
    ds = tf.data.Dataset.from_tensor_slices(PICTURES)
    ds = ds.map(lambda x: alexnet_tf.preprocess(x, INPUT)).batch(3)
    np.testing.assert_array_equal(next(iter(ds)), alexnet_tf.preprocess(PICTURES, INPUT))


@pytest.mark.parametrize(
    "images, text",
    [
        (PICTURES / 255, "levels from 0 to 1: expected 0 to 255"),
        (PICTURES / 127.5 - 1, "levels from -1 to 1: expected 0 to 255"),
        (PICTURES.transpose(0, 3, 1, 2), r"shape \(3, 3, 5, 5\): expected .* red, green and blue"),
        ([PICTURES[0], PICTURES[1][:4]], "expected pictures of one size"),
        (Image.fromarray(PICTURES[0]).convert("RGBA"), r"convert\('RGB'\)"),
        (PICTURES > 9, "type bool .*expected uint8"),
        (["photo.jpg"], "expected uint8"),
    ],
)
def test_what_are_no_pictures_is_refused(images, text):
    for given in (images, tf.constant(images) if text.startswith("levels") else images):
        with pytest.raises(ValueError, match=text):
            alexnet_tf.preprocess(given, INPUT)


def test_a_config_that_is_none_is_refused():
    with pytest.raises(ValueError, match="config=NetworkConfig: expected an InputConfig"):
        alexnet_tf.preprocess(PICTURES, alexnet_tf.NetworkConfig())
