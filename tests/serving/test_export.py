"""The exported directory: what is in it, who can read it, and when it is replaced."""

import errno
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import CLASSES, NETWORK, picture, write_checkpoint

from alexnet_tf import export, predict
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.serving import savedmodel
from pipelines import preprocess

PLAIN_TENSORFLOW = """
import sys
sys.modules.update(alexnet_tf=None, pipelines=None, keras=None)  # importing one of them raises
import numpy as np, tensorflow as tf
given = np.load("given.npz")
signatures = (loaded := tf.saved_model.load(sys.argv[1])).signatures
by_window = signatures["images"](images=tf.constant(given["images"]))
encoded = tf.constant([given["encoded"].tobytes()])
by_file = signatures["serving_default"](image_bytes=encoded)
names = signatures["classes"]()["classes"].numpy()
np.savez("got.npz", logits=by_window["logits"], top=by_file["top_probabilities"],
         names=[name.decode() for name in names])
"""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    write_checkpoint(path, step=10, best_step=10, seed=1)
    write_checkpoint(path, step=20, best_step=10, seed=2)
    return path


@pytest.fixture(scope="module")
def exported(run_dir):
    output = run_dir / "exports" / "model"
    assert export.main([f"--run_dir={run_dir}", f"--output={output}"]) == 0
    return output


def call(run_dir, output, *more):
    return export.main([f"--run_dir={run_dir}", f"--output={output}", *more])


@pytest.mark.long
def test_it_loads_in_plain_tensorflow_and_answers_like_the_model(exported, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    np.savez(tmp_path / "given.npz", images=images, encoded=np.frombuffer(picture(), np.uint8))
    subprocess.run(
        [sys.executable, "-I", "-c", PLAIN_TENSORFLOW, exported], cwd=tmp_path, check=True
    )
    got = np.load(tmp_path / "got.npz")
    expected = alexnet(NETWORK, seed=1)(preprocess.preprocess(images, NETWORK.input))
    np.testing.assert_allclose(got["logits"], expected, atol=1e-5)
    assert got["top"].shape == (1, 5)
    assert tuple(got["names"]) == CLASSES


def test_the_graph_holds_nothing_that_plain_tensorflow_cannot_run_anywhere(exported):
    proto = (exported / "saved_model.pb").read_bytes()
    for forbidden in (b"_XlaMustCompile", b"PyFunc", b"EagerPyFunc"):
        assert forbidden not in proto


def test_the_best_checkpoint_is_described_beside_the_model(exported):
    about = savedmodel.describe(exported)
    assert about["step"] == 10 and about["top1_error"] == 0.25
    assert about["classes"] == list(CLASSES)
    assert about["network"]["input"]["mean"] == [120.0, 110.0, 100.0]


def test_the_last_checkpoint_replaces_an_older_export_and_the_last_line_is_json(
    run_dir, tmp_path, capsys
):
    output, left = tmp_path / "model", tmp_path / ".model.alexnet_tf-unfinished"
    call(run_dir, output)
    left.mkdir()
    (left / "of_a_killed_export").touch()
    call(run_dir, output, "--checkpoint=last")
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line == {
        "output": str(output),
        "run_dir": str(run_dir),
        "step": 20,
        "top1_error": None,
        "num_classes": 7,
    }
    assert savedmodel.describe(output)["step"] == 20
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_write_keeps_the_older_export(run_dir, exported, monkeypatch):
    def full(*unused):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(
        RunFailed, match="could not be written: .*space left.* Nothing was replaced"
    ):
        call(run_dir, exported, "--checkpoint=last")
    assert savedmodel.describe(exported)["step"] == 10
    assert [path.name for path in exported.parent.iterdir()] == ["model"]


def test_a_place_with_anything_else_is_refused(run_dir, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for output in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(UserError, match="exists and is no export of alexnet_tf"):
            call(run_dir, output)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_made_is_refused(run_dir, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match="output=.* cannot be written: .* Expected a place that this"
    ):
        call(run_dir, tmp_path / "file" / "model")


def test_a_run_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected a directory that"):
        call(tmp_path / "nowhere", tmp_path / "model")
    with pytest.raises(UserError, match="holds no checkpoint"):
        call(tmp_path, tmp_path / "model")


@pytest.mark.long
def test_an_export_that_was_killed_while_it_replaced_another_loses_nothing(run_dir, tmp_path):
    output = tmp_path / "model"
    call(run_dir, output)
    output.rename(tmp_path / ".model.alexnet_tf-old")  # between the two renames
    classify, step, _ = predict.open_model(str(output))
    assert step == 10 and [path.name for path in tmp_path.iterdir()] == ["model"]
    output.rename(tmp_path / ".model.alexnet_tf-old")
    call(run_dir, output, "--checkpoint=last")
    assert savedmodel.describe(output)["step"] == 20
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
