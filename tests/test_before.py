"""What the version before wrote is read by this one: checkpoints, settings, an export.

`golden/before` holds a run that was killed after its fifth step of twelve (`run`), the weights and
metrics that the version before ended with (`end.npz`, `end.jsonl`), and its export. It was made by

    python -m alexnet_tf.train [flags as in run/config.json] --deterministic --steps_per_launch=1
"""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny

from alexnet_tf import settings_json
from alexnet_tf.serving import savedmodel
from alexnet_tf.training import checkpoint, lifecycle
from alexnet_tf.training.run import run

BEFORE = pathlib.Path(__file__).parent / "golden" / "before"
MACHINE = ("tensorflow", "keras", "numpy", "processor", "cores", "onednn", "machine")
"""Where all of these are the same, the end is the same bit for bit."""


def test_a_run_of_the_version_before_goes_on_to_the_same_end(tmp_path, monkeypatch):
    shutil.copytree(BEFORE, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    stored = json.loads(pathlib.Path("run", "config.json").read_text())
    config = settings_json.from_json(stored | {"run": stored["run"] | {"run_dir": "run"}})
    assert run(config)[0] == 0
    last = checkpoint.load("run", "last")
    with np.load("end.npz") as end:
        expected = dict(end)
    now = lifecycle.versions()
    before = checkpoint.load(BEFORE / "run", "last").versions
    is_same = all(before[name] == now[name] for name in MACHINE)
    tiny.assert_equal(last.arrays(), expected, atol=0.0 if is_same else 1e-5)
    whole = [json.loads(line) for line in pathlib.Path("end.jsonl").read_text().splitlines()]
    lines = tiny.metrics(pathlib.Path("run"))
    assert [line["step"] for line in lines] == [line["step"] for line in whole]
    for line, other in zip(lines, whole, strict=True):
        for tag, value in line.items():
            assert value == pytest.approx(other[tag], rel=0 if is_same else 1e-4), tag


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
