"""Changes of features with moves: against moves by hand, and where nothing can change."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from alexnet_tf import visualize
from alexnet_tf.config.layer_rows import Dense
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.laboratory.units.invariance import kinds
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.serving.classifier import windows
from alexnet_tf.training import checkpoint
from alexnet_tf.training.state import Progress
from pipelines.config import InputConfig
from pipelines.preprocess import preprocess


def show(run_dir, output, *flags):
    """Calls the command; returns the numbers and the arrays behind its picture."""
    pytest.importorskip("matplotlib")
    assert visualize.main(["invariance", f"--run_dir={run_dir}", f"--output={output}", *flags]) == 0
    with np.load(output / "invariance.npz") as file:
        return json.loads((output / "invariance.json").read_text()), dict(file)


@pytest.mark.long
def test_changes_are_those_of_pictures_that_are_moved_by_hand(pictures, tmp_path):
    run_dir = tmp_path / "run"
    tiny_run.write_checkpoint(run_dir)
    files = [str(path) for path in sorted(pictures.glob("val/*/0.jpg"))[:2]]
    flags = [f"--images={','.join(files)}", f"--data.source=folder:{pictures}"]
    numbers, arrays = show(run_dir, tmp_path / "out", *flags)
    assert (numbers["layers"], numbers["pictures"]) == (["conv1", "fc7"], files)
    stored = checkpoint.load(run_dir)
    model = alexnet(stored.config.network)
    assign(named_weights(model), stored.weights())
    part = keras.Model(model.input, [model.get_layer(x).output for x in ("conv1", "fc7")])
    contents = tf.io.read_file(files[1])
    inputs = stored.config.network.input
    x = preprocess(windows(contents[None], inputs)[0], inputs).numpy()
    down = np.zeros_like(x)
    down[:, 17:] = x[:, :-17]
    values = arrays["shift/value"].tolist()
    for layer, (then, now) in enumerate(zip(part(x), part(down), strict=True)):
        distance = np.linalg.norm(np.asarray(now - then))
        found = arrays["shift/distance"][layer, 1]
        assert found[values.index(17)] == pytest.approx(distance, rel=1e-4)
        assert found[values.index(0)] == 0
        assert arrays["length"][layer, 1] == pytest.approx(np.linalg.norm(then), rel=1e-4)
    likely = tf.nn.softmax(model(x))[0].numpy()
    said = arrays["shift/probability"][1]
    assert said[values.index(0)] == pytest.approx(likely.max(), rel=1e-4)
    moved = tf.nn.softmax(model(down))[0].numpy()
    assert said[values.index(17)] == pytest.approx(moved[likely.argmax()], rel=1e-4)
    for kind in ("enlargement", "turn"):
        assert not arrays[f"{kind}/distance"][..., 0].any()
    turned = arrays["turn/distance"] / arrays["length"][..., None]
    assert turned[..., -1].max() < 1e-4 < turned[..., 18].min()  # 360 and 90 degrees


@pytest.mark.slow
def test_what_sums_all_pixels_changes_only_with_their_number(pictures, tmp_path):
    network = NetworkConfig(
        name="sums",
        layers=(Dense(name="fc1", units=1), Dense(name="fc2", units=0, activation="linear")),
        num_classes=2,
        groups=1,
        input=InputConfig(size=32, resize=32, mean=(100.0, 100.0, 100.0), scale=1 / 64),
    )
    kernels = {"fc1/kernel": np.ones((32 * 32 * 3, 1)), "fc2/kernel": np.array([[1, -1]])}
    arrays = kernels | {"fc1/bias": np.zeros(1), "fc2/bias": np.zeros(2)}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    config = dataclasses.replace(Config(), network=network)
    progress = Progress(step=1).to_json()
    checkpoint.save(tmp_path / "checkpoints", arrays, config, ("a", "b"), progress, {})
    image = np.full((32, 32, 3), 100, np.uint8)
    image[12:20, 12:20] = np.random.default_rng(0).integers(120, 256, (8, 8, 3))
    (tmp_path / "one.png").write_bytes(tf.io.encode_png(image).numpy())
    flags = [f"--images={tmp_path / 'one.png'}", f"--data.source=folder:{pictures}"]
    _, found = show(tmp_path, tmp_path / "out", *flags)
    length = found["length"][0, 0]
    assert found["shift/distance"].max() < 1e-5 * length
    assert found["turn/distance"][0, 0, ::18].max() < 1e-5 * length  # quarters
    change = found["enlargement/distance"][0, 0] / length
    np.testing.assert_allclose(change, found["enlargement/value"] ** 2 - 1, rtol=0.1, atol=0.01)


def test_moves_of_small_pictures_are_whole_pixels():
    shifts = kinds(32)["shift"]
    assert shifts.values.tolist() == list(range(-9, 10))
    assert shifts.told == (1.0, 9)
