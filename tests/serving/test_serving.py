"""What an exported model answers, checked before it is written."""

import dataclasses
import struct

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import CLASSES, NETWORK, picture

from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.serving.classifier import Classifier, Given, windows
from pipelines import preprocess
from pipelines.dataset import eval_dataset

INPUTS = NETWORK.input


@pytest.fixture(scope="module")
def model():
    return alexnet(NETWORK, seed=1)


@pytest.fixture(scope="module")
def classifier(model):
    return Classifier(model, INPUTS, CLASSES)


def ask(classifier, *encoded):
    answer = classifier.serving_default(tf.constant(encoded, tf.string, [len(encoded)]))
    return {name: x.numpy() for name, x in answer.items()}


def test_windows_get_the_logits_of_the_model_and_their_softmax(classifier, model):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    logits = model(preprocess.preprocess(images, INPUTS)).numpy()
    answer = classifier.images(images)
    np.testing.assert_allclose(answer["logits"], logits, atol=1e-5)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)


def test_top_classes_are_the_five_likeliest_in_order(classifier):
    answer = ask(classifier, picture(seed=1), picture(seed=2))
    order = np.argsort(-answer["probabilities"], axis=-1)[:, :5]
    names = [[CLASSES[i].encode() for i in row] for row in order]
    assert answer["top_classes"].tolist() == names
    np.testing.assert_array_equal(
        answer["top_probabilities"], np.take_along_axis(answer["probabilities"], order, -1)
    )


def test_fewer_than_five_classes_are_all_named():
    network = dataclasses.replace(NETWORK, num_classes=3)
    answer = ask(Classifier(alexnet(network), INPUTS, ("a", "b", "c")), picture())
    assert answer["top_classes"].shape == answer["top_probabilities"].shape == (1, 3)


def test_an_encoded_picture_gets_the_answer_of_the_window_that_evaluation_sees(classifier):
    encoded = tf.constant([picture(seed=seed, height=60 + 20 * seed) for seed in range(4)])
    source = Given(encoded)
    source.num_examples = 4
    batch = next(iter(eval_dataset(source, INPUTS, batch_examples=4)))
    seen, readable = windows(encoded, INPUTS)
    np.testing.assert_array_equal(seen, batch.image)
    assert readable.numpy().all()
    by_window = classifier.images(batch.image)["probabilities"]
    by_file = classifier.serving_default(encoded)["probabilities"]
    np.testing.assert_allclose(by_file, by_window, atol=1e-6)


@pytest.mark.parametrize(
    "encoded",
    [
        picture(form="PNG", mode="RGBA"),
        picture(form="BMP"),
        picture(mode="L"),
        picture(mode="CMYK"),
        picture(1, 1, "PNG"),
        picture(1500, 40),
    ],
    ids=["transparent PNG", "BMP", "gray JPEG", "CMYK JPEG", "one pixel", "long strip"],
)
def test_any_form_and_size_is_answered(classifier, encoded):
    answer = ask(classifier, encoded)
    assert answer["readable"].tolist() == [True]
    np.testing.assert_allclose(answer["probabilities"].sum(), 1, atol=1e-6)


def absurd_png():
    header = struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + header + b"0000"


@pytest.mark.parametrize("bad", [b"", b"no picture", picture()[:300], absurd_png()])
def test_an_unreadable_picture_leaves_the_other_answers_as_they_are(classifier, bad):
    good = picture()
    answer, alone = ask(classifier, good, bad, good), ask(classifier, good)
    assert answer["readable"].tolist() == [True, False, True]
    for row in (0, 2):
        np.testing.assert_allclose(
            answer["probabilities"][row], alone["probabilities"][0], atol=1e-6
        )
    assert not answer["probabilities"][1].any() and not answer["top_probabilities"][1].any()
    assert set(answer["top_classes"][1]) == {b""}


def test_no_picture_gets_no_answer(classifier):
    answer = ask(classifier)
    assert answer["probabilities"].shape == (0, len(CLASSES))
    assert answer["top_classes"].shape == (0, 5)


def test_class_names_come_in_the_order_of_the_probabilities(classifier):
    names = classifier.classes()["classes"].numpy()
    assert [name.decode() for name in names] == list(CLASSES)


def test_a_name_too_many_is_refused(model):
    with pytest.raises(ValueError, match="classes has 8 names, expected 7, one for each output"):
        Classifier(model, INPUTS, (*CLASSES, "hen"))
