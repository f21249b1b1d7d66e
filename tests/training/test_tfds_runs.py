"""Runs on sets that TensorFlow Datasets has prepared, and evaluations where several labels hold."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tfds_sets
import tiny

from alexnet_tf import evaluate
from alexnet_tf.errors import UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run
from pipelines.decode import decode, to_square
from pipelines.preprocess import preprocess

LABELS = [[0], [2, 1], [], [1, 0, 2], [1], [2], [0, 1], [], [2, 0]]


@pytest.fixture(scope="module")
def data_dir(pictures, tmp_path_factory):
    """Two sets: one of two splits, and one of several labels an example."""
    root = tmp_path_factory.mktemp("tfds")
    train, val = (tfds_sets.examples_in(pictures / x, tiny.CLASSES) for x in ("train", "val"))
    tfds_sets.prepare(root, "few", {"train": train, "validation": val}, tiny.CLASSES)
    several = [(val[i][0], labels, f"{i}.jpg") for i, labels in enumerate(LABELS)]
    tfds_sets.prepare(root, "real", {"validation": several}, tiny.CLASSES, several="real_label")
    return root


@pytest.fixture(autouse=True)
def where(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))


@pytest.fixture(scope="module")
def run_dir(pictures, data_dir, tmp_path_factory):
    """A run on the set of two splits."""
    path = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(data_dir))
        assert run(reading(pictures, path, "tfds:few"))[0] == 0
    return path


def reading(pictures, run_dir, source, **more):
    config = tiny.config(pictures, run_dir, **more)
    return dataclasses.replace(config, data=dataclasses.replace(config.data, source=source))


def evaluated(capsys, run_dir, *flags):
    assert evaluate.main([f"--run_dir={run_dir}", *flags]) == 0
    said = capsys.readouterr()
    return json.loads(said.out.splitlines()[-1]), said.err


@pytest.mark.long
def test_a_prepared_set_trains_a_network(pictures, run_dir):
    lines = tiny.metrics(run_dir)
    assert (lines[-1]["step"], lines[-1]["eval/seen"], lines[-1]["eval/skipped"]) == (12, 15, 0)
    losses = [line["train/loss"] for line in lines if "train/loss" in line]
    assert losses[-1] < losses[0]
    data = json.loads((run_dir / "data.json").read_text())
    assert (data["train_num_examples"], data["val_num_examples"]) == (30, 15)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_bits(pictures, run_dir, tmp_path):
    config = reading(pictures, tmp_path, "tfds:few", save_every_seconds=1e-9, steps_per_launch=1)
    with pytest.raises(KeyboardInterrupt):
        run(config, [tiny.StopAt(5)])
    assert run(config)[0] == 0
    one, other = (checkpoint.load(x, "last").weights() for x in (run_dir, tmp_path))
    tiny.assert_equal(one, other)
    assert tiny.metrics(tmp_path) == tiny.metrics(run_dir)


@pytest.mark.long
def test_its_splits_are_evaluated_by_name(capsys, run_dir):
    own = evaluated(capsys, run_dir)[0]
    assert (own["split"], own["seen"]) == ("val", 15)
    named = evaluated(capsys, run_dir, "--split=validation")[0]
    assert (named["split"], named["loss"]) == ("validation", own["loss"])
    with pytest.raises(
        UserError, match="split='test': expected one that data.source='tfds:few' has"
    ):
        evaluate.main([f"--run_dir={run_dir}", "--split=test"])


@pytest.mark.parametrize("views", ["center", "ten"])
@pytest.mark.long
def test_of_several_labels_any_is_right(capsys, pictures, run_dir, views):
    source = "--data.source=tfds:real"
    found, said = evaluated(capsys, run_dir, source, f"--views={views}", "--checkpoint=last")
    assert "data.source='tfds:real': 2 examples have no label and are left out." in said
    assert "7 of 9 pictures" in said
    assert (found["split"], found["seen"], found["skipped"]) == ("val", 7, 0)
    loss, error = by_numpy(pictures, run_dir, views)
    assert found["top1_error"] == pytest.approx(error)
    assert found["loss"] == pytest.approx(loss, abs=1e-5)


def by_numpy(pictures, run_dir, views):
    """Loss and top-1 error, picture by picture: -log of the sum of the labels' probabilities."""
    stored = checkpoint.load(run_dir, "last")
    network = stored.config.network
    model = alexnet(network)
    assign(named_weights(model), stored.weights())
    size, losses, errors = network.input.size, [], []
    corners = [(2, 2)] if views == "center" else [(0, 0), (0, 5), (5, 0), (5, 5), (2, 2)]
    for path, labels in zip(sorted(pictures.glob("val/*/*")), LABELS, strict=False):
        if labels:
            image = decode(tf.constant(path.read_bytes()))
            square = to_square(image, network.input.resize, network.input.resize_rule)
            crops = [square[y : y + size, x : x + size] for y, x in corners]
            crops += [crop[:, ::-1] for crop in crops] if views == "ten" else []
            odds = tf.nn.softmax(model(preprocess(tf.stack(crops), network.input))).numpy()
            mean = odds.astype(np.float64).mean(axis=0)
            losses.append(-np.log(mean[labels].sum()))
            errors.append(mean.argmax() not in labels)
    return np.mean(losses), np.mean(errors)


def test_the_confusion_has_the_label_that_was_guessed(capsys, run_dir, tmp_path):
    flags = ["--data.source=tfds:real", "--per_class", f"--output={tmp_path}"]
    found = evaluated(capsys, run_dir, *flags)[0]
    confusion = np.array(json.loads((tmp_path / "per_class.json").read_text())["confusion"])
    assert confusion.sum() == 7
    assert np.trace(confusion) == round(7 * (1 - found["top1_error"]))


def test_nothing_is_trained_on_several_labels(pictures, tmp_path):
    with pytest.raises(
        UserError, match="has several labels for each picture .*; expected one to tra"
    ):
        run(reading(pictures, tmp_path, "tfds:real"))
