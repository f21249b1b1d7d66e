"""Class by class: as scikit-learn counts, in files that a thousand classes fit into."""

import json
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tiny
from sklearn import metrics

from alexnet_tf import evaluate
from alexnet_tf.errors import UserError
from alexnet_tf.figures import confusion
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.training import checkpoint, per_class, steps
from alexnet_tf.training.run import run
from pipelines.config import Views
from pipelines.dataset import Batch, eval_dataset
from pipelines.preprocess import preprocess
from pipelines.sources import open_source


def drawn(num_classes: int, num: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, guesses and their confusion matrix; the last class has neither."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, num_classes - 1, num)
    guesses = np.where(draw.random(num) < 0.5, labels, draw.integers(0, num_classes - 1, num))
    confusion = np.zeros([num_classes, num_classes], np.int64)
    np.add.at(confusion, (labels, guesses), 1)
    return labels, guesses, confusion


def scikit_learn(labels, guesses, num_classes):
    """Computes precision, recall and examples; a ratio of nothing is NaN."""
    every = np.arange(num_classes)
    found = metrics.precision_recall_fscore_support(
        labels, guesses, labels=every, zero_division=np.nan
    )
    return found[0], found[1], found[3]


@pytest.mark.parametrize("num_classes", [2, 7, 1000])
def test_measures_are_those_of_scikit_learn(num_classes):
    labels, guesses, confusion = drawn(num_classes)
    found = per_class.measures(confusion, tuple(map(str, range(num_classes))))
    values = [[each[name] for each in found] for name in ("precision", "recall", "examples")]
    expected = scikit_learn(labels, guesses, num_classes)
    for mine, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(np.array(mine, float), other)


@pytest.mark.slow
def test_an_evaluation_writes_what_scikit_learn_counts(pictures, tmp_path, capsys):
    run(tiny.config(pictures, tmp_path, steps=4))
    arguments = [f"--run_dir={tmp_path}", "--checkpoint=last", "--per_class"]
    capsys.readouterr()
    assert evaluate.main([*arguments, f"--output={tmp_path / 'by' / 'class'}"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out.splitlines()[-1])
    assert result["per_class"] == str(tmp_path / "by" / "class")
    stored = json.loads((tmp_path / "by" / "class" / "per_class.json").read_text())
    labels, guesses = by_keras(tmp_path)
    expected = metrics.confusion_matrix(labels, guesses, labels=range(3))
    np.testing.assert_array_equal(stored["confusion"], expected)
    assert [each["class"] for each in stored["classes"]] == list(tiny.CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of classes that were never taken
        balanced = metrics.balanced_accuracy_score(labels, guesses)
    assert stored["balanced_accuracy"] == pytest.approx(balanced)
    assert stored["top1_error"] == result["top1_error"]
    assert said.err.splitlines()[0].split() == ["class", "examples", "recall", "precision"]
    mirrored = ["--strategy=mirrored", "--devices=cpu:0,cpu:1"]
    assert evaluate.main([*arguments, *mirrored]) == 0
    again = json.loads((tmp_path / "per_class" / "per_class.json").read_text())
    assert again["confusion"] == stored["confusion"]
    png = (tmp_path / "by" / "class" / "confusion.png").read_bytes()
    assert tf.io.decode_png(png).shape[2] == 3


def by_keras(run_dir):
    """Labels and guesses of the validation pictures, by Keras' own predict."""
    stored = checkpoint.load(run_dir, "last")
    model = alexnet(stored.config.network)
    assign(named_weights(model), stored.weights())
    source = open_source(stored.config.data, "val", 0)
    (batch,) = eval_dataset(source, stored.config.network.input, source.num_examples)
    logits = model.predict(preprocess(batch.image, stored.config.network.input), verbose=0)
    return batch.label.numpy(), logits.argmax(axis=1)


def test_of_equal_scores_the_first_class_is_taken():
    config = tiny.config("unused", "unused")
    batch = Batch(
        tf.zeros([3, 67, 67, 3], tf.uint8),
        tf.zeros([3, 3]),
        tf.constant([0, 1, 2]),
        tf.constant([True] * 3),
        tf.range(3, dtype=tf.int64),
    )
    sums, cells = steps.eval_step(
        lambda x, training: tf.constant([[1.0, 1, 0]] * 3), config, batch, Views.CENTER
    )
    np.testing.assert_array_equal(cells, [0, 3, 6])
    assert float(sums.top1) == 1  # half of the first, half of the second


def test_the_table_has_the_classes_of_lowest_recall():
    _, _, confusion = drawn(30)
    lines = per_class.table(per_class.measures(confusion, ("name",) * 30)).splitlines()
    assert len(lines) == 1 + per_class.NUM_SHOWN + 1
    recalls = [float(line.split()[3]) for line in lines[1:-1]]
    assert recalls == sorted(recalls)
    assert lines[-1].startswith("and 10 classes")


@pytest.mark.parametrize("num_classes, cell", [(3, 48), (100, 9), (1000, 1)])
def test_the_picture_is_dark_where_the_counts_are(num_classes, cell):
    picture = confusion.heat_map(
        np.eye(num_classes, dtype=np.int64), ("dœuf é\udcff",) * num_classes
    )
    margin = picture.shape[0] - 1 - num_classes * cell
    assert picture.shape[0] == picture.shape[1] < 1200
    inside = picture[margin:-1, margin:-1][cell // 4 :: cell, cell // 4 :: cell].astype(int)
    is_dark = (np.abs(inside - confusion.FULL).max(axis=2) == 0) | (inside.max(axis=2) == 0)
    np.testing.assert_array_equal(is_dark, np.eye(num_classes, dtype=bool))


def test_a_place_for_files_that_are_not_written_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected nothing without --per_class"):
        evaluate.main([f"--run_dir={tmp_path}", f"--output={tmp_path}"])
    run_dir = tmp_path / "run"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="run_dir=.*expected a directory that"):
        evaluate.main([f"--run_dir={run_dir}", "--per_class", f"--output={tmp_path}/file/x"])


def test_no_place_among_the_pictures_is_taken(run_dir, tmp_path):
    (tmp_path / "set/cat").mkdir(parents=True)
    flags = [f"--data.source=folder:{tmp_path / 'set'}", f"--output={tmp_path / 'set/out'}"]
    with pytest.raises(UserError, match="set/out' lies in data.source='folder:.*, where each fol"):
        evaluate.main([f"--run_dir={run_dir}", "--per_class", *flags])
    assert not (tmp_path / "set/out").exists()
