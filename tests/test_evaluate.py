"""Evaluation by itself: every example once, ten views as the paper averaged them, one JSON line."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf import evaluate
from alexnet_tf.errors import UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run
from alexnet_tf.training.state import assign, named_weights
from pipelines.augment import preprocess
from pipelines.decode import decode, to_square
from pipelines.sources import open_source


@pytest.fixture(scope="module")
def run_dir(pictures, tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    run(tiny.config(pictures, path, steps=8))
    return path


def call(capsys, run_dir, *flags):
    assert evaluate.main([f"--run_dir={run_dir}", *flags]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def by_numpy(run_dir, places):
    """Loss and top-1 error of the mean of the views' probabilities, picture by picture."""
    stored = checkpoint.load(run_dir, "last")
    network = stored.config.network
    model = alexnet(network)
    assign(named_weights(model), stored.weights())
    source = open_source(stored.config.data, "val", 0)
    losses, errors, size = [], [], network.input.size
    for index in range(source.num_examples):
        encoded, label = source.read(tf.constant(index, tf.int64))
        square = to_square(decode(encoded), network.input.resize, network.input.resize_rule)
        views = [square[y : y + size, x : x + size] for y, x in places]
        if len(views) > 1:
            views += [view[:, ::-1] for view in views]
        logits = model(preprocess(tf.stack(views), network.input)).numpy().astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        mean = (odds / odds.sum(axis=1, keepdims=True)).mean(axis=0)
        losses.append(-np.log(mean[int(label)]))
        errors.append(mean.argmax() != int(label))
    return np.mean(losses), np.mean(errors)


@pytest.mark.parametrize(
    "views, places",
    [("center", [(2, 2)]), ("ten", [(0, 0), (0, 5), (5, 0), (5, 5), (2, 2)])],
)
def test_views_are_averaged_as_probabilities(capsys, run_dir, views, places):
    found = call(capsys, run_dir, f"--views={views}", "--checkpoint=last")
    loss, error = by_numpy(run_dir, places)
    assert (found["views"], found["seen"], found["skipped"]) == (views, 15, 0)
    assert found["loss"] == pytest.approx(loss, abs=1e-5)
    assert found["top1_error"] == pytest.approx(error)
    assert found["top5_error"] is None  # three classes


@pytest.mark.parametrize("batch_size", [4, 15, 64])
def test_no_batch_size_changes_what_is_found(capsys, run_dir, batch_size):
    whole = call(capsys, run_dir)
    other = call(capsys, run_dir, f"--global_batch_size={batch_size}")
    assert other["seen"] == 15
    assert other["loss"] == pytest.approx(whole["loss"], abs=1e-6)


def test_other_pictures_need_no_training_split(capsys, run_dir, pictures, tmp_path):
    shutil.copytree(pictures / "val", tmp_path / "val")
    other = call(capsys, run_dir, f"--data.source=folder:{tmp_path}")
    assert other["seen"] == 15
    assert other["loss"] == pytest.approx(call(capsys, run_dir)["loss"], abs=1e-6)


def test_other_classes_are_refused(run_dir, pictures, tmp_path):
    shutil.copytree(pictures / "val", tmp_path / "val")
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "blue")
    with pytest.raises(UserError, match="has the classes blue, bright, dark; expected those of"):
        evaluate.main([f"--run_dir={run_dir}", f"--data.source=folder:{tmp_path}"])
