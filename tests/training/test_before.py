"""What the version before wrote is read by this one: checkpoints, settings, an export.

`golden/before` holds a run that was killed after its fifth step of twelve (`run`), the weights and
metrics that the version before ended with (`end.npz`, `end.jsonl`), and its export. It was made by

    python -m alexnet_tf.train [flags as in run/config.json] --deterministic --steps_per_launch=1

`network.keras` is what `alexnet_tf.build(NETWORK, seed=1)` gave while `towers` belonged to the
network, with the classes of the run.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny

import alexnet_tf
from alexnet_tf.serving import savedmodel
from alexnet_tf.training import checkpoint

ROOT = pathlib.Path(__file__).parents[2]
BEFORE = pathlib.Path(__file__).parents[1] / "golden" / "before"
NETWORK = alexnet_tf.NetworkConfig(
    num_classes=3,
    width=1 / 16,
    fc_width=4,
    init="he",
    input=alexnet_tf.InputConfig(size=67, resize=67, scale=1 / 64),
)
MACHINE = ("tensorflow", "keras", "numpy", "processor", "cores", "onednn", "machine")
"""Where all of these are the same, the end is the same bit for bit."""
INSTRUCTIONS = "avx512f"
"""Of the processor then; its name is that of others too."""


FLAGS = [*tiny.FLAGS, "--deterministic", "--data.source=folder:pictures", "--steps=12"]
"""As they were typed then."""


@pytest.mark.parametrize(
    "where",
    [[], pytest.param(["--network.towers=2", "--devices=cpu:0,cpu:1"], marks=pytest.mark.slow)],
)
@pytest.mark.long
def test_a_run_of_the_version_before_goes_on_to_the_same_end(tmp_path, where):
    shutil.copytree(BEFORE, tmp_path / "before")
    command = [sys.executable, "-m", "alexnet_tf.train", *FLAGS, *where, "--run_dir=run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path / "before", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "going on after step 4 in run" in done.stderr
    last = checkpoint.load(tmp_path / "before" / "run", "last")
    with np.load(BEFORE / "end.npz") as end:
        expected = dict(end)
    before = checkpoint.load(BEFORE / "run", "last").versions
    for name in ("order_version", "augmentation_version"):
        assert before[name] == last.versions[name] == 1
    assert "order_version" not in done.stderr
    is_same = not where and all(before[name] == last.versions[name] for name in MACHINE)
    is_same = is_same and INSTRUCTIONS in last.versions["instructions"]
    assert last.config.run.towers == (2 if where else 1)
    tiny.assert_equal(last.arrays(), expected, atol=0.0 if is_same else 1e-5)
    whole = [json.loads(line) for line in (BEFORE / "end.jsonl").read_text().splitlines()]
    lines = tiny.metrics(tmp_path / "before" / "run")
    assert [line["step"] for line in lines] == [line["step"] for line in whole]
    for line, other in zip(lines, whole, strict=True):
        for tag, value in line.items():
            assert value == pytest.approx(other[tag], rel=0 if is_same else 1e-4), tag


def test_a_keras_file_of_the_version_before_is_read():
    model = alexnet_tf.load_model(BEFORE / "network.keras")
    assert (model.network, model.classes) == (NETWORK, ("bright", "dark", "red"))
    tiny.assert_equal(tiny.weights(model), tiny.weights(alexnet_tf.build(NETWORK, seed=1)))


def test_the_best_checkpoint_of_before_is_found():
    assert checkpoint.load(BEFORE / "run").step == 2
    assert checkpoint.load(BEFORE / "run", "last").step == 4


def test_an_export_of_the_version_before_answers():
    serve = savedmodel.load(BEFORE / "export")
    pictures = sorted((BEFORE / "pictures" / "val").glob("*/*.jpg"))
    answers = serve(image_bytes=tf.constant([path.read_bytes() for path in pictures]))
    names = [name.decode() for name in answers["top_classes"][:, 0].numpy()]
    assert names == [path.parent.name for path in pictures]
    assert savedmodel.describe(BEFORE / "export")["step"] == 11
