"""Exhibits of whole sets: what they draw and count, from a tiny network."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tiny
from set_subjects import subject_of

from alexnet_tf import evaluate, visualize
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory import exhibits, settings
from alexnet_tf.laboratory.sets import answers as floor
from alexnet_tf.laboratory.sets.answers import answers
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.training import checkpoint, state

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def run_dir(pictures, tmp_path_factory):
    """A run with initial weights."""
    path = tmp_path_factory.mktemp("run")
    config = tiny.with_network(tiny.config(pictures, path), num_classes=3)
    weights = named_weights(alexnet(config.network, 3))
    arrays = {name: np.asarray(weight) for name, weight in weights.items()}
    progress = dataclasses.replace(state.Progress(), step=1, best_step=1, best_error=0.5)
    checkpoint.save(path / "checkpoints", arrays, config, tiny.CLASSES, progress.to_json(), {})
    return path


@pytest.fixture
def planted(seen, monkeypatch):
    """Gives the same subject other answers."""
    found = answers(seen, "a test")

    def with_answers(**changes):
        monkeypatch.setitem(seen.kept, "fc7", dataclasses.replace(found, **changes))
        return seen

    return with_answers


def show(subject, name, **values):
    kind = settings.EXHIBITS[name]
    return exhibits.SHOW[kind](subject, kind(run_dir="x", output="x", **values))


def call(capsys, *argv):
    assert visualize.main([*argv]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_nearest_are_those_of_the_features_and_the_share_is_counted(seen):
    exhibit = show(seen, "nearest", neighbors=4, queries=3)
    found = answers(seen, "a test")
    away = np.linalg.norm(found.features[:, None] - found.features, axis=2)
    np.fill_diagonal(away, np.inf)
    near = np.argsort(away, axis=1)[:, :4]
    np.testing.assert_array_equal(exhibit.arrays["neighbors"], near)
    own = (found.label[near] == found.label[:, None]).mean(axis=1)
    numbers = exhibit.numbers
    assert numbers["share"]["by_layer"] == pytest.approx(own.mean())
    assert numbers["share"]["by_chance"] == pytest.approx(4 / 14)
    assert numbers["share_by_class"]["red"] == pytest.approx(own[10:].mean())
    assert [x["name"].rsplit("/", 2)[1] for x in numbers["queries"]] == list(tiny.CLASSES)
    np.testing.assert_allclose(numbers["queries"][1]["distances"], away[7][near[7]], rtol=1e-4)
    assert exhibit.picture.dtype == np.uint8 and exhibit.picture.shape[1] > 5 * 112
    again = show(seen, "nearest", neighbors=4, queries=3)
    np.testing.assert_array_equal(again.picture, exhibit.picture)


def test_pictures_of_ones_own_are_queries(seen, pictures, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    own = str(pictures / "val/red/3.jpg")
    subject = dataclasses.replace(seen, files=(own, str(tmp_path / "broken.jpg")))
    subject.kept.update(seen.kept)
    exhibit = show(subject, "nearest", metric=settings.Metric.COSINE, neighbors=2)
    (query,) = exhibit.numbers["queries"]
    assert query["name"] == own and len(query["neighbors"]) == 2
    assert own not in query["neighbors"] and query["distances"][0] > 1e-6
    assert "1 of --images left out that cannot be read" in exhibit.seen
    assert f"nearest of 15 pictures of {seen.named_set}, by" in exhibit.seen


def test_a_query_that_the_set_has_several_times_is_no_neighbor_of_its_own(pictures, tmp_path):
    shutil.copytree(pictures / "val", tmp_path / "val")
    own = tmp_path / "val/red/0.jpg"
    for n in range(9, 13):
        (tmp_path / f"val/dark/{n}.jpg").symlink_to(own)
    other = str(tmp_path / "val/bright/0.jpg")
    subject = dataclasses.replace(subject_of(tmp_path), files=(str(own), other))
    exhibit = show(subject, "nearest", neighbors=3)
    assert [len(query["neighbors"]) for query in exhibit.numbers["queries"]] == [3, 3]
    assert not any("red/0" in x for x in exhibit.numbers["queries"][0]["neighbors"])
    with pytest.raises(
        UserError, match="neighbors=15: expected as many .* the set has 14, the rest"
    ):
        show(subject, "nearest", neighbors=15)


@pytest.mark.long
def test_a_bad_picture_is_named_left_out_and_counted(run_dir, pictures, tmp_path, capsys):
    shutil.copytree(pictures, tmp_path / "set")
    (tmp_path / "set/val/red/0.jpg").write_bytes(b"no picture")
    words = [f"--run_dir={run_dir}", f"--data.source=folder:{tmp_path / 'set'}"]
    assert visualize.main(["confusion", *words, f"--output={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().err
    assert "red/0.jpg" in said and "split val (1 left out that cannot be decoded)" in said
    with pytest.raises(UserError, match="red/0.jpg"):
        visualize.main(["confusion", *words, f"--output={tmp_path}", "--data.on_error=fail"])


@pytest.mark.slow
def test_a_network_of_few_layers_and_other_classes_shows_nearest_and_embedding(seen):
    other = ("ant", "bee", "crow")
    subject = dataclasses.replace(seen, rows=seen.rows[:-5], classes=other)
    assert show(subject, "nearest").numbers["layer"] == "pool5"
    exhibit = show(subject, "embedding")
    assert answers(subject, "a test").logits is None
    assert b"taken for" not in exhibit.files["projector/metadata.tsv"]
    with pytest.raises(UserError, match="expected weights of fc8 in a network"):
        show(subject, "confusion")
    whole = dataclasses.replace(seen, classes=other)
    for name in ("confusion", "mistakes", "calibration"):
        with pytest.raises(UserError, match=f"{name} expects those of the network: ant, bee"):
            show(whole, name)


@pytest.mark.long
def test_confusion_is_that_of_evaluate(run_dir, capsys, tmp_path):
    last = call(capsys, "confusion", f"--run_dir={run_dir}", f"--output={tmp_path}/a")
    assert evaluate.main([f"--run_dir={run_dir}", "--per_class", f"--output={tmp_path}/b"]) == 0
    expected = json.loads((tmp_path / "b/per_class.json").read_text())
    with np.load(tmp_path / "a/confusion.npz") as file:
        np.testing.assert_array_equal(file["confusion"], expected["confusion"])
        recall = [np.nan if x["recall"] is None else x["recall"] for x in expected["classes"]]
        np.testing.assert_array_equal(file["recall"], recall)
        assert file["class"].tolist() == list(tiny.CLASSES)
    assert last["numbers"]["accuracy"] == pytest.approx(1 - expected["top1_error"])
    assert {"confusion.png", "confusion.json", "confusion.npz"} <= set(last["files"])


def test_mistakes_are_the_surest_wrong_answers(planted):
    logits = np.zeros([15, 3], np.float32)
    logits[:, 1] = np.arange(1, 16)  # all are taken for dark, which five are
    exhibit = show(planted(logits=logits), "mistakes", count=3)
    shown = exhibit.numbers["shown"]
    assert [x["class"] for x in shown] == ["red"] * 3
    assert {x["taken_for"] for x in shown} == {"dark"} and shown[0]["name"].endswith("red/4.jpg")
    powers = np.exp(15.0)
    assert shown[0]["probability"] == pytest.approx(powers / (powers + 2))
    assert (exhibit.numbers["wrong"], exhibit.numbers["wrong_above_0.9"]) == (10, 8)
    right = planted(logits=np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], 5)])
    with pytest.raises(UserError, match="but all 15 pictures are classified right"):
        show(right, "mistakes")
    assert show(right, "confusion").numbers["pairs"] == []


def test_calibration_is_measured_on_the_other_half(planted):
    label = np.tile(np.arange(3, dtype=np.int32), 400)
    logits = np.random.default_rng(0).normal(size=(1200, 3)).astype(np.float32)
    logits[np.arange(1200), label] += 1
    exhibit = show(planted(logits=5 * logits, label=label, index=np.arange(1200)), "calibration")
    numbers = exhibit.numbers
    assert numbers["temperature"] > 2 and numbers["pictures"] == {
        "fitted_on": 600,
        "measured_on": 600,
    }
    assert numbers["after"]["error_equal_width"] < numbers["before"]["error_equal_width"] / 2
    assert numbers["after"]["log_loss"] < numbers["before"]["log_loss"]
    fitted, measured = exhibit.arrays["fitted_on"], exhibit.arrays["measured_on"]
    assert sorted([*fitted, *measured]) == list(range(1200))
    right = (logits.argmax(axis=1) == label)[measured]
    assert numbers["accuracy"] == pytest.approx(right.mean()) and "too sure" in exhibit.seen


def test_embedding_makes_what_the_projector_reads(seen, tmp_path):
    exhibit = show(seen, "embedding", count=12)
    files = exhibit.write(tmp_path)
    assert exhibit.numbers["pictures"] == 12 and "projector/sprite.png" in files
    vectors = np.loadtxt(tmp_path / "projector/vectors.tsv", delimiter="\t")
    np.testing.assert_allclose(vectors, exhibit.arrays["components"], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(exhibit.arrays["points"], exhibit.arrays["components"][:, :2])
    rows = (tmp_path / "projector/metadata.tsv").read_text().splitlines()
    assert rows[0] == "class\tname\ttaken for" and len(rows) == 13
    assert rows[1].startswith("bright\t") and rows[12].startswith("red\t")


@pytest.mark.slow
def test_tsne_keeps_classes_together(planted):
    pytest.importorskip("sklearn")
    label = np.repeat([0, 1, 2], 5)
    features = np.eye(3, dtype=np.float32)[label] + 0.01 * np.random.default_rng(0).normal(
        size=(15, 3)
    ).astype(np.float32)
    exhibit = show(planted(features=features), "embedding", method=settings.Method.TSNE)
    assert exhibit.numbers["neighbors_of_own_class"]["layer"] == pytest.approx(4 / 6)
    assert exhibit.numbers["neighbors_of_own_class"]["plane"] > 0.55
    assert exhibit.arrays["points"].shape == (15, 2)


@pytest.mark.parametrize("method", settings.Method)
def test_one_activation_is_a_line_and_equal_ones_are_nothing(planted, method):
    pytest.importorskip("sklearn")
    draw = np.random.default_rng(0)
    line = show(
        planted(features=draw.normal(size=(15, 1)).astype(np.float32)), "embedding", method=method
    )
    assert line.arrays["points"].shape == (15, 2)
    for rows in (np.zeros((15, 4)), np.tile([2.0, 0, 0, 0], (15, 1)) * draw.random((15, 1))):
        with pytest.raises(
            UserError, match="layer=fc7: all 15 pictures point the same way there; ex"
        ):
            show(planted(features=rows.astype(np.float32)), "embedding", method=method)


def test_without_scikit_learn_tsne_says_what_to_install(seen, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.manifold", None)
    with pytest.raises(UserError, match=r"method=tsne needs scikit-learn; expected pip install"):
        show(seen, "embedding", method=settings.Method.TSNE)


@pytest.mark.slow
def test_of_several_labels_the_one_that_was_chosen_counts(pictures):
    subject = subject_of(pictures)
    label = np.repeat([0, 1, 2], 5)
    sets = np.stack([label, np.where(np.arange(15) % 5, 2, -1)], axis=1).astype(np.int32)
    object.__setattr__(subject.source, "label_sets", sets)
    found = answers(subject, "a test")
    is_other = (found.guess == 2) & (sets[:, 1] == 2)
    np.testing.assert_array_equal(found.label, np.where(is_other, 2, label))
    assert (found.label != label).any()


def test_sets_and_layers_that_show_nothing_are_refused(seen, planted, monkeypatch):
    with pytest.raises(UserError, match="expected at least 16 pictures for nearest"):
        show(seen, "nearest", neighbors=15)
    with pytest.raises(UserError, match="layer=fc77: expected one of .*Did you mean fc7"):
        show(seen, "embedding", layer="fc77")
    monkeypatch.setattr(floor, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="layer=fc6: expected at most .*15 pictures takes.*smaller"):
        show(seen, "nearest", layer="fc6")
    alike = planted(label=np.zeros(15, np.int32))
    with pytest.raises(UserError, match="pictures of two classes or more for .*all are of bright"):
        show(alike, "nearest")
    few = planted(index=np.arange(6), label=np.arange(6) % 3)
    for name in ("nearest", "confusion", "mistakes", "calibration", "embedding"):
        with pytest.raises(UserError, match=f"at least 9 pictures for {name}, got 6 that"):
            show(few, name)


@pytest.mark.slow
def test_a_set_without_a_sound_picture_is_refused(tmp_path):
    for name in tiny.CLASSES:
        (tmp_path / "val" / name).mkdir(parents=True)
        (tmp_path / "train" / name).mkdir(parents=True)
        for split in ("train", "val"):
            (tmp_path / split / name / "0.jpg").write_bytes(b"no picture")
    subject = subject_of(tmp_path)
    data = dataclasses.replace(subject.config.data, on_error="skip")
    subject = dataclasses.replace(subject, config=dataclasses.replace(subject.config, data=data))
    with pytest.raises(UserError, match="expected pictures, but none can be decoded"):
        show(subject, "confusion")


def test_one_pass_serves_all(seen, monkeypatch):
    def no_pass(*_):
        raise AssertionError("the set was shown again")

    monkeypatch.setattr(floor, "_computed", no_pass)
    for name in ("nearest", "confusion", "mistakes", "calibration", "embedding"):
        show(seen, name)
    assert isinstance(seen.model, keras.Model)
