"""TensorBoard's files: what stands in them, and that each (tag, step) stands once."""

import dataclasses
import resource
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
from event_records import records
from tensorboard.plugins.hparams import plugin_data_pb2

from alexnet_tf.errors import RunFailed
from alexnet_tf.figures import sheets
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training.sinks.tensorboard import Events
from pipelines.dataset import DRAW_VERSIONS, DrawVersions, train_dataset
from pipelines.sources import open_source


def values(folder: Path) -> dict[tuple[str, int], tf.compat.v1.Summary.Value]:
    """Lists the summaries of a folder by (tag, step)."""
    return {
        (tag, step): tf.compat.v1.Summary.Value.FromString(content)
        for tag, step, content in records(folder)
    }


def train(sink: Events, steps, size: int = 4) -> None:
    """Writes what a trainer would: lines each 10 steps, evaluation and weights each 50."""
    for step in steps:
        if step % 10 == 0:
            sink.write({"step": step, "epoch": step / 50, "train/loss": 1 / step})
        if step % 50 == 0:
            sink.write({"step": step, "epoch": step / 50, "eval/loss": 2 / step})
            draw = np.random.default_rng(step)
            weights = {"conv1/kernel": draw.normal(size=(3, 3, 3, size)).astype(np.float32)}
            sink.weights(weights, step)


def test_a_line_goes_to_its_own_side_without_what_is_missing(tmp_path):
    sink = Events(tmp_path, 0, 0)
    sink.write({"step": 7, "epoch": 0.5, "train/loss": 1.5, "train/top5_error": None})
    sink.write({"step": 8, "epoch": 0.6, "eval/loss": 2.5, "time/seconds": 3.0})
    sink.close()
    trained, evaluated = values(tmp_path / "events/train"), values(tmp_path / "events/eval")
    assert set(trained) == {("epoch", 7), ("train/loss", 7)}
    assert set(evaluated) == {("epoch", 8), ("eval/loss", 8), ("time/seconds", 8)}
    assert tf.make_ndarray(trained["train/loss", 7].tensor) == 1.5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Records of a run of 150 steps that nobody killed."""
    run_dir = tmp_path_factory.mktemp("undisturbed")
    sink = Events(run_dir, 0, 0)
    train(sink, range(1, 151))
    sink.close()
    return {side: records(run_dir / "events" / side) for side in ("train", "eval")}


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.77, 1.0])
def test_a_killed_and_resumed_run_shows_what_an_undisturbed_one_does(tmp_path, undisturbed, part):
    sink = Events(tmp_path, 0, 0)
    train(sink, range(1, 101))
    sink.flush()
    files = list(tmp_path.glob("events/*/*"))
    saved = {path: path.stat().st_size for path in files}
    train(sink, range(101, 141))  # after the checkpoint, so in part on the disk, torn anywhere
    sink.close()
    for path in files:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(saved[path] + round(part * (size - saved[path])))
    sink = Events(tmp_path, 100, 100)
    train(sink, range(101, 151))
    sink.close()
    for side, expected in undisturbed.items():
        # Files of one second are named by a counter that has no leading zeros.
        assert sorted(records(tmp_path / "events" / side)) == sorted(expected)


def test_evaluations_after_the_last_evaluated_step_are_cut_apart(tmp_path):
    sink = Events(tmp_path, 0, 0)
    train(sink, range(1, 101))
    sink.close()
    Events(tmp_path, 100, 50).close()
    assert {step for _, step, _ in records(tmp_path / "events/eval")} == {50}
    assert max(step for _, step, _ in records(tmp_path / "events/train")) == 100


def test_what_stands_there_is_not_written_again(tmp_path, undisturbed):
    for keep in (0, 100, 150):
        sink = Events(tmp_path, keep, keep)
        train(sink, range(1, 151))
        sink.close()
    assert records(tmp_path / "events/train") == undisturbed["train"]


def test_files_with_repeated_steps_are_mended(tmp_path):
    folder = tmp_path / "events/train"
    for _ in range(2):
        with tf.summary.create_file_writer(str(folder)).as_default():
            for step in range(1, 6):
                tf.summary.scalar("train/loss", 1.0, step)
    Events(tmp_path, 4, 4).close()
    assert [step for _, step, _ in records(folder)] == [1, 2, 3, 4]


def test_a_new_run_empties_the_folders(tmp_path):
    sink = Events(tmp_path, 0, 0)
    train(sink, range(1, 101))
    sink.close()
    Events(tmp_path, 0, 0).close()
    assert not records(tmp_path / "events/train") and not records(tmp_path / "events/eval")


def test_every_file_still_says_its_version_after_a_cut(tmp_path):
    sink = Events(tmp_path, 0, 0)
    train(sink, range(1, 51))
    sink.close()
    Events(tmp_path, 20, 0).close()
    paths = list(tmp_path.glob("events/*/*"))
    assert paths
    for path in paths:
        first = next(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        assert tf.compat.v1.Event.FromString(first).file_version == "brain.Event:2"


def test_a_kill_while_files_are_cut_leaves_no_trace(tmp_path, undisturbed):
    sink = Events(tmp_path, 0, 0)
    train(sink, range(1, 151))
    sink.close()
    (tmp_path / "events/train/rewritten").write_bytes(b"half a reco")
    Events(tmp_path, 150, 150).close()
    assert records(tmp_path / "events/train") == undisturbed["train"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "events").write_text("a file")
    with pytest.raises(
        RunFailed, match="/events/train' could not be written: .*Make room.*again, or with"
    ):
        Events(tmp_path, 0, 0)


@pytest.mark.slow
def test_the_first_pictures_are_those_that_the_run_began_with(tmp_path):
    config = tiny.config(tiny.write_pictures(tmp_path / "pictures", 6, 1), tmp_path)
    config = tiny.with_network(config, num_classes=3)
    data = dataclasses.replace(config.data, color_noise=0.0)
    config = dataclasses.replace(config, data=data)
    source, network = open_source(data, "train", 0), alexnet(config.network)
    for versions in (DrawVersions(1, 1), DrawVersions(2, 1), DrawVersions(2, 2)):
        place = tmp_path / str(versions)
        sink = Events(place, 0, 0)
        sink.introduce(config, network, source, versions)
        sink.close()
        found = {tag: x for tag, _, x in records(place / "events/train")}
        shown = tf.compat.v1.Summary.Value.FromString(found["train/batch"])
        png = tf.make_ndarray(shown.tensor)[2]
        batch = next(iter(train_dataset(source, data, config.network.input, 0, 0, 16, versions)))
        np.testing.assert_array_equal(tf.io.decode_png(png), sheets.grid(batch.image.numpy(), 4))


def test_a_run_is_introduced_once_with_settings_graph_and_pictures(tmp_path):
    config = tiny.config(tiny.write_pictures(tmp_path / "pictures", 6, 1), tmp_path)
    config = tiny.with_network(config, num_classes=3)
    source = open_source(config.data, "train", 0)
    for keep in (0, 10):
        sink = Events(tmp_path, keep, keep)
        sink.introduce(config, alexnet(config.network), source, DRAW_VERSIONS)
        sink.close()
    found = {tag: content for tag, _, content in records(tmp_path / "events/train")}
    assert [tag for tag, _, _ in records(tmp_path / "events/train")] == ["graph", "train/batch"]
    graph = tf.compat.v1.GraphDef.FromString(found["graph"])
    boxes = {node.name.split("/")[0] for node in graph.node if "/" in node.name}
    assert boxes >= {"conv1", "norm1", "pool1", "conv2", "conv5", "pool5", "fc6", "fc8"}
    names = {node.name for node in graph.node}
    assert {x.lstrip("^").split(":")[0] for node in graph.node for x in node.input} <= names
    assert len(names) == len(graph.node) and graph.ByteSize() < 100_000

    batch = tf.compat.v1.Summary.Value.FromString(found["train/batch"])
    width, height, png = tf.make_ndarray(batch.tensor)
    assert int(width) == int(height) == 4 * (67 + 2) + 2
    assert len(np.unique(tf.io.decode_png(png).numpy()[::2, ::2].reshape(-1, 3), axis=0)) > 1000

    settings = values(tmp_path / "events/eval")
    assert list(settings) == [("_hparams_/session_start_info", 0)]
    content = settings["_hparams_/session_start_info", 0].metadata.plugin_data.content
    info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert info["optimizer.learning_rate"].number_value == 0.02
    assert info["network.input.size"].number_value == 67
    assert info["optimizer.drop_epochs"].string_value == "25,50,80"
    assert info["seed"].number_value == 0 and info["deterministic"].bool_value is False


def test_filters_are_the_sheet_of_conv1(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(11, 11, 3, 24))
    sink = Events(tmp_path, 0, 0)
    sink.filters("conv1", kernel, 3)
    sink.close()
    png = tf.make_ndarray(values(tmp_path / "events/train")["conv1/filters", 3].tensor)[2]
    np.testing.assert_array_equal(tf.io.decode_png(png), sheets.filters(kernel))


@pytest.mark.parametrize("shape", [(1024, 10), (24, 24, 27, 32), (3, 3, 16, 4)])
def test_of_a_first_layer_that_sees_no_picture_there_are_histograms_alone(tmp_path, shape):
    events = Events(tmp_path, 0, 0)
    events.weights({"fc/kernel": np.ones(shape, np.float32)}, 1)
    events.close()
    assert {tag for tag, *_ in records(tmp_path / "events" / "train")} == {"fc/kernel"}


def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path):
    sink = Events(tmp_path, 0, 0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # of each file, in bytes
    try:
        with pytest.raises(RunFailed, match="events/train' could not be written: .*Make room"):
            for step in range(50, 1000, 50):
                train(sink, [step])
                sink.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
