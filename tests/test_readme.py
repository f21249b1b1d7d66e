"""The notebook of README.md, cell by cell, as it is written there but for the network's width."""

import pathlib
import re

import numpy as np
import pytest
import tiny
import tiny_run

import alexnet_tf
from alexnet_tf.networks import named_weights
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.tables.convolutional import dense, dense_weights
from alexnet_tf.training import checkpoint, state
from pipelines import preprocess

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
NOTEBOOK = README.partition("\n## In a notebook\n")[2].partition("\n## ")[0]
CELLS = re.findall(r"^```python\n(.*?)^```", NOTEBOOK, re.MULTILINE | re.DOTALL)
SMALL = {"width": 1 / 16, "fc_width": 16}
DRAW = np.random.default_rng(0)


def write_run(run_dir: pathlib.Path, network: alexnet_tf.NetworkConfig) -> None:
    arrays = tiny.weights(alexnet(network, seed=5))
    config, progress = alexnet_tf.Config(network=network), state.Progress().to_json()
    checkpoint.save(run_dir / "checkpoints", arrays, config, tiny_run.CLASSES, progress, {})


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15
@pytest.mark.long
def test_every_cell_of_the_notebook_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network = alexnet_tf.NetworkConfig(num_classes=len(tiny_run.CLASSES), **SMALL)
    write_run(pathlib.Path("runs/imagenette"), network)
    cells = [cell.replace("num_classes=10,", "num_classes=10, **SMALL,") for cell in CELLS]
    assert cells[0] != CELLS[0] and len(cells) == 4
    assert "training" not in "".join(cells)
    images = DRAW.integers(0, 256, (2, 224, 224, 3), np.uint8)
    large = DRAW.integers(0, 256, (1, 320, 320, 3), np.uint8)
    names = {"SMALL": SMALL, "images": images, "labels": np.arange(2), "large": large}
    for cell in cells:
        exec(cell, names)
    out = capsys.readouterr().out
    assert 'Model: "paper"' in out  # of summary
    assert len([line for line in out.splitlines() if line in tiny_run.CLASSES]) == len(images)
    wide = alexnet(dense(network, size=320))
    arrays = dense_weights(network, tiny.weights(alexnet(network, seed=5)))
    named_weights.assign(named_weights.named_weights(wide), arrays)
    expected = wide(preprocess.preprocess(large, network.input))
    np.testing.assert_allclose(names["logits"], expected, atol=1e-5)
