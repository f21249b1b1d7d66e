"""Activations of any layer as a file: what the model gives, for every picture, in their order."""

import dataclasses
import json
import os
import subprocess
import sys

import keras
import numpy as np
import packed_sets
import pytest
import tensorflow as tf
import tfds_sets
import tiny

from alexnet_tf import features
from alexnet_tf.command_line import flags
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory.activations import Extractor
from alexnet_tf.laboratory.feature_file import FeatureFile, check_room
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.training import checkpoint, splits, state
from pipelines.decode import decode, to_square
from pipelines.preprocess import preprocess
from pipelines.sources import open_source


@pytest.fixture(scope="module")
def run_dir(undisturbed):
    return undisturbed


@pytest.fixture(scope="module")
def by_keras(run_dir):
    """Computes a layer's output for the validation pictures one by one, by Keras alone."""
    stored = checkpoint.load(run_dir, "best")
    network = stored.config.network
    model = alexnet(network)
    assign(named_weights(model), stored.weights())
    source, size = open_source(stored.config.data, "val", 0), network.input.size

    def compute(layer):
        part = keras.Model(model.inputs, model.get_layer(layer).output)
        found = []
        for index in range(source.num_examples):
            encoded, _ = source.read(tf.constant(index, tf.int64))
            square = to_square(decode(encoded), network.input.resize, network.input.resize_rule)
            window = square[2 : 2 + size, 2 : 2 + size]
            found.append(part(preprocess(window[tf.newaxis], network.input))[0])
        return np.array(found)

    return compute


def call(capsys, run_dir, output, *flags):
    """Returns the last line of the command, and the arrays of its file."""
    assert features.main([f"--run_dir={run_dir}", f"--output={output}", *flags]) == 0
    with np.load(output) as file:
        return json.loads(capsys.readouterr().out.splitlines()[-1]), dict(file)


@pytest.mark.parametrize(
    "layer, pool", [("fc7", "none"), ("pool5", "none"), ("conv2", "mean"), ("conv1", "max")]
)
@pytest.mark.long
def test_they_are_what_the_layer_gives(capsys, run_dir, by_keras, tmp_path, layer, pool):
    flags = f"--layer={layer}", f"--pool={pool}", "--global_batch_size=4"
    last, found = call(capsys, run_dir, tmp_path / "x.npz", *flags)
    expected = by_keras(layer)
    if pool != "none":
        expected = getattr(np, pool)(expected, axis=(1, 2))
    np.testing.assert_allclose(found["features"], expected, atol=1e-6)
    assert found["features"].dtype == np.float32 and np.abs(expected).max() > 0.01
    assert found["classes"].tolist() == list(tiny.CLASSES)
    assert [found["classes"][x] for x in found["labels"]] == sorted(tiny.CLASSES * 5)
    assert [os.path.split(os.path.split(x)[0])[1] for x in found["names"]] == sorted(
        tiny.CLASSES * 5
    )
    assert (last["shape"], last["split"], last["skipped"]) == ([*expected.shape], "val", 0)
    assert os.listdir(tmp_path) == ["x.npz"]


@pytest.mark.long
def test_with_batch_normalization_they_are_those_after_the_activation(capsys, pictures, tmp_path):
    config = tiny.with_network(tiny.config(pictures, tmp_path), num_classes=3)
    config = tiny.with_network(config, normalization="batch")
    arrays = {n: np.asarray(x) for n, x in named_weights(alexnet(config.network, 3)).items()}
    progress = dataclasses.replace(state.Progress(), step=1, best_step=1, best_error=0.5)
    checkpoint.save(tmp_path / "checkpoints", arrays, config, tiny.CLASSES, progress.to_json(), {})
    found = {}
    for layer in ("fc7", "relu7", "norm7"):
        last, found[layer] = call(capsys, tmp_path, tmp_path / "x.npz", f"--layer={layer}")
        assert (last["layer"], last["row"]) == (layer, "relu7" if layer == "fc7" else layer)
    np.testing.assert_array_equal(found["fc7"]["features"], found["relu7"]["features"])
    assert found["fc7"]["features"].min() == 0 > found["norm7"]["features"].min()


@pytest.mark.long
def test_packed_pictures_have_the_names_that_they_were_packed_by(
    capsys, run_dir, pictures, tmp_path
):
    packed_sets.pack(pictures, tmp_path / "packed")
    flag = f"--data.source=records:{tmp_path / 'packed'}"
    _, packed = call(capsys, run_dir, tmp_path / "x.npz", flag)
    _, folder = call(capsys, run_dir, tmp_path / "y.npz")
    assert packed["names"].tolist() == [
        os.path.relpath(name, pictures) for name in folder["names"].tolist()
    ]
    np.testing.assert_array_equal(packed["features"], folder["features"])


def test_several_labels_are_all_written(capsys, run_dir, pictures, tmp_path, monkeypatch):
    encoded = [path.read_bytes() for path in sorted(pictures.glob("val/*/*"))]
    examples = [(encoded[i], some, f"{i}.jpg") for i, some in enumerate([[0], [2, 1], [1, 0, 2]])]
    named = {"validation": examples}
    tfds_sets.prepare(tmp_path, "real", named, tiny.CLASSES, several="real_label")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    flags = "--data.source=tfds:real", "--split=all"
    _, found = call(capsys, run_dir, tmp_path / "x.npz", *flags)
    assert {tuple(row) for row in found["label_sets"].tolist()} == {
        (0, -1, -1),
        (2, 1, -1),
        (1, 0, 2),
    }
    np.testing.assert_array_equal(found["label_sets"][:, 0], found["labels"])


def test_another_set_is_taken_whole_though_the_run_took_a_part(pictures):
    config = tiny.config(pictures, "run")
    part = dataclasses.replace(config, data=dataclasses.replace(config.data, train_part=0.5))
    for source, expected in ((f"folder:{pictures}", 0.5), ("folder:other", 1.0)):
        found = splits.settings(part, lambda x, y=source: flags.override(x, {"data.source": y}))
        assert found.data.train_part == expected


def test_a_disk_without_room_is_refused_before_anything_is_computed(tmp_path):
    check_room(str(tmp_path / "x.npz"), (4096,), 1000)
    with pytest.raises(UserError, match="x.npz': 1,000,000,000,000 pictures of 4,096 numbers take"):
        check_room(str(tmp_path / "x.npz"), (4096,), 10**12)


@pytest.mark.long
def test_pictures_of_other_classes_keep_them(capsys, run_dir, tmp_path):
    folder = tmp_path / "animals"
    tiny.write_pictures(tmp_path / "there", train=3, val=0)
    (tmp_path / "there/train").rename(folder)
    (folder / "dark").rename(folder / "mole")
    (folder / "red/1.jpg").write_bytes(b"no picture")
    output, flag = tmp_path / "new/x.npz", f"--data.source=folder:{folder}"
    with pytest.raises(UserError, match="red/1.jpg.*cannot be decoded"):
        call(capsys, run_dir, output, flag)
    assert not list(output.parent.iterdir())
    last, found = call(capsys, run_dir, output, flag, "--data.on_error=skip", "--split=all")
    assert found["classes"].tolist() == ["bright", "mole", "red"]
    assert found["labels"].tolist() == [0] * 3 + [1] * 3 + [2] * 2
    assert (len(found["names"]), len(found["features"]), last["skipped"]) == (8, 8, 1)
    assert not any("red/1.jpg" in name for name in found["names"])


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--layer=fc77"], "layer=fc77: expected one of conv1, .*Did you mean fc7"),
        (["--pool=mean"], "pool=mean: expected none, since fc7 gives a vector of 16 numbers"),
        (["--pool=sum"], "pool=sum: expected one of none, mean, max"),
        (["--devices=cpu:0,cpu:1"], "devices=cpu:0,cpu:1 with strategy=single: expected one"),
        (["--split=tset"], "split='tset': expected train, val or all"),
        (["--output=x.h5"], r"output='x.h5': expected a file that ends in .npz"),
        (
            ["--output=/dev/null/x.npz"],
            "output='/dev/null/x.npz' cannot be written: .*Expected a file that this user",
        ),
        (
            [f"--output={'a' * 300}/x.npz"],
            "cannot be written: File name too long. Expected a file",
        ),
        (["--run_dir=nowhere"], "run_dir='nowhere'"),
    ],
)
def test_mistakes_are_one_sentence(run_dir, tmp_path, flags, sentence):
    with pytest.raises(UserError, match=sentence) as found:
        features.main([f"--run_dir={run_dir}", f"--output={tmp_path / 'x.npz'}", *flags])
    assert "\n" not in str(found.value)


def test_a_folder_is_no_file(run_dir, tmp_path):
    (tmp_path / "x.npz").mkdir()
    with pytest.raises(UserError, match="x.npz' is a directory; expected a file"):
        features.main([f"--run_dir={run_dir}", f"--output={tmp_path / 'x.npz'}"])


def started(program, output):
    """Runs a program of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, output],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


FULL = """
import resource, sys
import numpy as np
from alexnet_tf.errors import RunFailed
from alexnet_tf.laboratory.feature_file import FeatureFile
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    with FeatureFile(sys.argv[1], (100,)) as file:
        file.write(np.zeros([2, 100]))
        file.finish()
except RunFailed as error:
    print(error)
"""


def test_a_file_that_cannot_be_written_leaves_that_of_before(tmp_path):
    output = tmp_path / "x.npz"
    output.write_bytes(b"before")
    done = started(FULL, output)
    assert "x.npz' could not be written: File too large. Make room" in done.stdout, done.stderr
    assert output.read_bytes() == b"before" and os.listdir(tmp_path) == ["x.npz"]


MEMORY = """
import resource, sys
import numpy as np
from alexnet_tf.laboratory.feature_file import FeatureFile
rows = np.zeros([16, 100_000], np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with FeatureFile(sys.argv[1], (100_000,)) as file:
    for _ in range(100):
        file.write(rows)
    file.finish(labels=np.zeros(1600, np.int32))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_what_a_kill_has_left_is_replaced(tmp_path):
    (tmp_path / ".x.npz.unfinished").write_bytes(b"of before")
    with FeatureFile(tmp_path / "x.npz", (2,)) as file:
        file.write(np.ones((3, 2), np.float32))
        file.finish(labels=np.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    assert np.load(tmp_path / "x.npz")["features"].shape == (3, 2)


def test_a_file_larger_than_memory_is_written_row_by_row(tmp_path):
    done = started(MEMORY, tmp_path / "x.npz")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50_000  # kB, of a file of 640 MB
    with np.load(tmp_path / "x.npz") as file:
        assert file["features"].shape == (1600, 100_000) and len(file["labels"]) == 1600


@pytest.mark.slow
def test_a_set_is_seen_in_the_precision_of_the_call(run_dir, by_keras):
    stored = checkpoint.load(run_dir, "best")
    config = stored.config.elsewhere()
    rough = dataclasses.replace(config, run=dataclasses.replace(config.run, precision="bfloat16"))
    source = open_source(config.data, "val", 0)
    exact, found = (
        np.concatenate([x.values for x in Extractor(stored, one, "fc7")(source)])
        for one in (config, rough)
    )
    assert found.dtype == np.float32 and 0 < np.abs(found - exact).max() < 0.05 * exact.max()
