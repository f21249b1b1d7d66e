"""Evaluation by itself: every example once, ten views as the paper averaged them, one JSON line."""

import contextlib
import dataclasses
import importlib
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf import convert, evaluate, export
from alexnet_tf.config.run import Config
from alexnet_tf.errors import NotFinite, UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run
from alexnet_tf.training.splits import default_split
from pipelines.config import DataConfig
from pipelines.decode import decode, to_square
from pipelines.preprocess import preprocess
from pipelines.sources import open_source, shapes


@pytest.fixture(scope="module")
def run_dir(undisturbed, tmp_path_factory):
    """A copy, since evaluations by class are written into a run."""
    return shutil.copytree(undisturbed, tmp_path_factory.mktemp("copied") / "run")


@pytest.fixture(scope="module")
def whole(run_dir):
    """What is found without a flag, and what is printed on standard error."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        assert evaluate.main([f"--run_dir={run_dir}"]) == 0
    return json.loads(out.getvalue().splitlines()[-1]), err.getvalue()


def call(capsys, run_dir, *flags):
    assert evaluate.main([f"--run_dir={run_dir}", *flags]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("command", [evaluate, export])
@pytest.mark.long
def test_without_averages_raw_weights_are_all_there_is(run_dir, whole, tmp_path, capsys, command):
    flags = [f"--run_dir={run_dir}", "--raw_weights"]
    flags += [f"--output={tmp_path}"] if command is export else []
    assert command.main(flags) == 0
    said = "raw_weights: the run has no averages, so these are its weights"
    assert said in capsys.readouterr().err
    plain = whole[1]
    if command is export:
        assert command.main([flag for flag in flags if flag != "--raw_weights"]) == 0
        plain = capsys.readouterr().err
    assert "raw_weights" not in plain


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
@pytest.mark.long
def test_views_are_averaged_as_probabilities(capsys, run_dir, views, places):
    found = call(capsys, run_dir, f"--views={views}", "--checkpoint=last")
    loss, error = by_numpy(run_dir, places)
    assert (found["views"], found["seen"], found["skipped"]) == (views, 15, 0)
    assert found["loss"] == pytest.approx(loss, abs=1e-5)
    assert found["top1_error"] == pytest.approx(error)
    assert found["top5_error"] is None  # three classes


@pytest.mark.parametrize("batch_size", [4, pytest.param(15, marks=pytest.mark.slow), 64])
@pytest.mark.long
def test_no_batch_size_changes_what_is_found(capsys, run_dir, whole, batch_size):
    other = call(capsys, run_dir, f"--global_batch_size={batch_size}")
    assert other["seen"] == 15
    assert other["loss"] == pytest.approx(whole[0]["loss"], abs=1e-6)


@pytest.mark.long
def test_other_pictures_need_no_training_split(capsys, run_dir, whole, pictures, tmp_path):
    shutil.copytree(pictures / "val", tmp_path / "val")
    other = call(capsys, run_dir, f"--data.source=folder:{tmp_path}")
    assert other["seen"] == 15
    assert other["loss"] == pytest.approx(whole[0]["loss"], abs=1e-6)


def test_other_classes_are_refused(run_dir, pictures, tmp_path):
    shutil.copytree(pictures / "val", tmp_path / "val")
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "blue")
    with pytest.raises(UserError, match="does not know, or knows twice: 'blue'; expected some"):
        evaluate.main([f"--run_dir={run_dir}", f"--data.source=folder:{tmp_path}"])


@pytest.mark.parametrize("command", ["evaluate", "features"])
def test_a_set_of_which_nothing_can_be_decoded_has_no_errors(run_dir, tmp_path, command):
    for name in tiny.CLASSES:
        (tmp_path / "val" / name).mkdir(parents=True)
        (tmp_path / "val" / name / "0.jpg").write_bytes(b"no picture")
    flags = [f"--data.source=folder:{tmp_path}", "--data.on_error=skip", f"--run_dir={run_dir}"]
    more = {"evaluate": [], "features": ["--layer=fc7", f"--output={tmp_path / 'x.npz'}"]}
    with pytest.raises(
        UserError, match="but none of 3 can be, such as .*bright/0.jpg'. Mend them,"
    ):
        importlib.import_module(f"alexnet_tf.{command}").main([*flags, *more[command]])
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("command", ["evaluate", "features"])
def test_what_a_precision_cannot_hold_is_no_result(run_dir, tmp_path, command):
    stored = checkpoint.load(run_dir)
    arrays = {name: 1e4 * array for name, array in stored.weights().items()}
    about = stored.config.network, arrays, stored.classes, "x"
    convert.write_weights(tmp_path / "large", *about)
    flags = [f"--run_dir={tmp_path / 'large'}", f"--data.source={stored.config.data.source}"]
    flags += ["--precision=float16"]
    flags += [f"--output={tmp_path / 'x.npz'}"] * (command == "features")
    with pytest.raises(NotFinite, match="precision=float16: the network gave values that are not"):
        importlib.import_module(f"alexnet_tf.{command}").main(flags)
    assert not (tmp_path / "x.npz").exists()


def test_a_place_that_takes_no_files_is_refused_before_the_work(run_dir, tmp_path):
    (tmp_path / "file").touch()
    text = "output=.* cannot be written: Not a directory. Expected a directory that this user may w"
    with pytest.raises(UserError, match=text):
        evaluate.main([f"--run_dir={run_dir}", "--per_class", f"--output={tmp_path}/file/new"])


@pytest.mark.long
def test_a_set_to_be_tested_is_taken_whole_and_needs_not_all_classes(
    capsys, run_dir, pictures, tmp_path
):
    shutil.copytree(pictures / "val" / "red", tmp_path / "red")  # its place alone would be 0, not 2
    source = f"--data.source=folder:{tmp_path}"
    assert evaluate.main([f"--run_dir={run_dir}", source, "--per_class"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert "5 of 5 pictures, split all, 1 of 3 classes: top-1" in said.err
    assert "has 1 of the network's 3 classes; they are matched by name." in said.err
    assert (found["split"], found["seen"]) == ("all", 5)
    row = confusion_of(run_dir / "per_class")[2]
    call(capsys, run_dir, "--per_class")
    assert row.sum() == 5
    np.testing.assert_array_equal(row, confusion_of(run_dir / "per_class")[2])


def confusion_of(directory):
    return np.array(json.loads((directory / "per_class.json").read_text())["confusion"])


@pytest.mark.long
def test_a_split_is_what_is_asked_for(capsys, run_dir, whole):
    assert (whole[0]["split"], whole[0]["seen"]) == ("val", 15)
    assert whole[0]["source"].startswith("folder:")
    found = call(capsys, run_dir, "--split=all")
    assert (found["split"], found["seen"]) == ("all", 45)


@pytest.mark.long
def test_the_training_split_is_seen_without_augmentation(capsys, run_dir, pictures):
    found = call(capsys, run_dir, "--split=train")
    assert (found["split"], found["seen"]) == ("train", 30)
    again = call(capsys, run_dir, f"--data.source=folder:{pictures / 'train'}")  # to be tested: all
    assert again["seen"] == 30
    assert again["loss"] == pytest.approx(found["loss"], abs=1e-6)


def test_both_splits_of_the_drawn_pictures_are_one_after_the_other(monkeypatch):
    monkeypatch.setattr(shapes, "NUM_EXAMPLES", {"train": 20, "val": 10})
    monkeypatch.setattr(  # drawing itself takes seconds
        shapes,
        "draw_all",
        lambda seed, split, num: tf.strings.join([split, tf.as_string(range(num))]),
    )
    opened = {split: shapes.ShapesSource(3, split) for split in ("train", "val", "all")}
    assert (opened["all"].num_examples, opened["val"].num_pictures) == (30, 30)
    for split, index, place in (("train", 19, 19), ("val", 0, 20), ("val", 9, 29)):
        expected = opened[split].read(tf.constant(index, tf.int64))
        assert opened["all"].read(tf.constant(place, tf.int64)) == expected
        assert opened["all"].name(place) == opened[split].name(index)


@pytest.fixture(scope="module")
def plain(pictures, tmp_path_factory):
    """A folder without splits, and a run that held a part of it out."""
    path = tmp_path_factory.mktemp("plain")
    shutil.copytree(pictures / "train", path / "pictures")
    run(tiny.config(path / "pictures", path / "run", steps=2))
    return path


@pytest.mark.long
def test_a_run_is_evaluated_on_what_it_held_out_wherever_that_lies_now(capsys, plain, tmp_path):
    found = call(capsys, plain / "run")
    assert (found["split"], found["seen"]) == ("val", 4)
    shutil.copytree(plain / "pictures", tmp_path / "moved")
    moved = call(capsys, plain / "run", f"--data.source=folder:{tmp_path / 'moved'}")
    assert (moved["split"], moved["loss"]) == ("val", pytest.approx(found["loss"], abs=1e-6))
    (tmp_path / "moved" / "red" / "0.jpg").unlink()
    others = call(capsys, plain / "run", f"--data.source=folder:{tmp_path / 'moved'}")
    assert (others["split"], others["seen"]) == ("all", 29)


@pytest.mark.long
def test_a_run_on_a_part_is_evaluated_on_what_it_held_out_too(capsys, pictures, tmp_path):
    shutil.copytree(pictures / "train", tmp_path / "pictures")
    config = tiny.config(tmp_path / "pictures", tmp_path / "run", steps=2)
    data = dataclasses.replace(config.data, train_part=0.5)
    run(dataclasses.replace(config, data=data))
    shutil.move(tmp_path / "pictures", tmp_path / "moved")
    found = call(capsys, tmp_path / "run", f"--data.source=folder:{tmp_path / 'moved'}")
    assert (found["split"], found["seen"]) == ("val", 4)


def test_drawn_pictures_lie_in_no_folder(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"")
    (tmp_path / "data.json").write_text('{"train_num_examples": 1}')
    monkeypatch.chdir(tmp_path)
    config = Config(data=DataConfig(source="folder:."))
    assert default_split(config, DataConfig(), tmp_path) == "all"
    assert default_split(config, DataConfig(source=f"folder:{tmp_path}"), tmp_path) == "val"


@pytest.mark.long
def test_pictures_that_came_later_do_not_bring_those_of_training_in(capsys, plain, pictures):
    shutil.copy(pictures / "val" / "red" / "0.jpg", plain / "pictures" / "red" / "later.jpg")
    found = call(
        capsys, plain / "run", f"--data.source=folder:{plain / 'pictures' / '..'}/pictures"
    )
    assert found["split"] == "val"
    assert found["seen"] <= 5
