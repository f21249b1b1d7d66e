"""Maps and weights over kept checkpoints: the strongest activations, and how far kernels moved."""

import json

import keras
import numpy as np
import pytest
import tiny_run

from alexnet_tf import visualize
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory.settings import Evolution
from alexnet_tf.laboratory.units.evolution import moved
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training import checkpoint
from pipelines.config import DataConfig
from pipelines.dataset import eval_dataset
from pipelines.preprocess import preprocess
from pipelines.sources import open_source

EPOCHS = [1, 2, 5]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    for epoch in EPOCHS:
        tiny_run.write_checkpoint(run_dir, 10 * epoch, seed=epoch, kept_epoch=epoch)
    tiny_run.write_checkpoint(run_dir, 60)
    return run_dir


def call(run_dir, output, pictures, *flags):
    pytest.importorskip("matplotlib")
    flags = [*flags, f"--run_dir={run_dir}", f"--output={output}"]
    return visualize.main(["evolution", f"--data.source=folder:{pictures}", *flags])


@pytest.mark.slow
def test_each_checkpoint_has_its_own_strongest_activations(run_dir, pictures, tmp_path):
    assert call(run_dir, tmp_path, pictures, "--layer=conv2,conv5", "--maps=3") == 0
    numbers = json.loads((tmp_path / "evolution.json").read_text())
    with np.load(tmp_path / "evolution.npz") as file:
        arrays = dict(file)
    assert numbers["epochs"] == EPOCHS
    kept = checkpoint.kept(run_dir)
    config = kept[0].config
    source = open_source(
        DataConfig(source=f"folder:{pictures}"), "val", 0, inputs=config.network.input
    )
    (batch,) = eval_dataset(source, config.network.input, source.num_examples)
    x = preprocess(batch.image, config.network.input)
    model, strongest = alexnet(config.network), {"conv2": [], "conv5": []}
    for place, stored in enumerate(kept):
        assign(named_weights(model), stored.weights())
        for layer in ("conv2", "conv5"):
            part = keras.Model(model.input, model.get_layer(layer).output)
            of_all = part(x).numpy().max(axis=(1, 2))
            strongest[layer].append((of_all.argmax(axis=0), of_all.max(axis=0) > 0))
            largest = of_all[:, numbers["maps"][layer]]
            found = arrays[f"{layer}/activation"][place]
            np.testing.assert_allclose(found, largest.max(axis=0), rtol=1e-4)
            shown = arrays[f"{layer}/picture"][place]
            np.testing.assert_array_equal(shown[found > 0], largest.argmax(axis=0)[found > 0])
    for layer, of in strongest.items():
        (end, responds), shares = of[-1], numbers["settled"][layer]
        assert shares == [
            np.mean((number == end)[responds] & alive[responds]) for number, alive in of
        ]
        assert shares[-1] == 1 > max(shares[:-1])
    last = arrays["conv5/activation"][-1]
    assert len(last) == 3 and last.min() > 0


def test_moves_are_distances_of_kernels_by_their_length(run_dir):
    kept = checkpoint.kept(run_dir)
    moves = moved(table(kept[0].config.network), kept)
    assert list(moves) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    one, two, three = (stored.weights()["conv3/kernel"] for stored in kept)
    expected = [np.sqrt(((b - a) ** 2).sum() / (b**2).sum()) for a, b in ((one, two), (two, three))]
    np.testing.assert_allclose(moves["conv3"], expected, rtol=1e-5)


def test_a_run_that_kept_nothing_is_told_how_to_keep(pictures, tmp_path):
    tiny_run.write_checkpoint(tmp_path)
    text = (
        "has 0 checkpoints of chosen epochs; expected a run with two or more. .*--keep_epochs=1,2"
    )
    with pytest.raises(UserError, match=text):
        call(tmp_path, tmp_path, pictures)


def test_no_maps_are_refused():
    with pytest.raises(ValueError, match="maps=0: expected at least 1"):
        Evolution(run_dir="run", output="out", maps=0)
