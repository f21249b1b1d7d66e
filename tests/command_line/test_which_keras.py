"""Which Keras is meant: every variable and file that says so either works or is one sentence."""

import json
import os
import subprocess
import sys

import keras
import pytest

import alexnet_tf
from alexnet_tf.command_line import flags
from alexnet_tf.command_line.keras_backend import check_keras
from alexnet_tf.recipes import recipe


@pytest.fixture
def before_keras(monkeypatch, tmp_path):
    """As in a process that has not imported Keras yet; `tmp_path` is its home."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return monkeypatch


@pytest.mark.parametrize("nested", [False, True])
def test_a_home_that_is_none_and_a_file_that_keras_ignores_are_no_tracebacks(
    before_keras, tmp_path, nested
):
    if nested:
        (tmp_path / "keras.json").write_text("[" * 100_000)
    else:
        before_keras.setenv("KERAS_HOME", "~nosuchuser/x")
    assert flags.parse_config([], "Trains.") == recipe("quickstart")


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("KERAS_BACKEND", "jax", "KERAS_BACKEND=jax: expected tensorflow"),
        ("KERAS_MAX_EPOCHS", "few", "KERAS_MAX_EPOCHS=few: expected a whole number"),
        ("KERAS_MAX_STEPS_PER_EPOCH", "", "KERAS_MAX_STEPS_PER_EPOCH=: expected a whole number"),
        ("KERAS_NNX_ENABLED", "True", "KERAS_NNX_ENABLED=1: expected it unset"),
    ],
)
def test_a_variable_that_keras_cannot_run_with_is_refused(before_keras, name, value, text):
    before_keras.setenv(name, value)
    with pytest.raises(ValueError, match=text):
        flags.parse_config([], "Trains.")
    with pytest.raises(ValueError, match=text):
        alexnet_tf.build("paper")


@pytest.mark.parametrize(
    "stored, text",
    [
        ('{"backend": "torch"}', "keras.json=torch: expected tensorflow"),
        ('{"floatx": "bfloat16"}', "floatx in .*=bfloat16: expected one of float16, float32"),
        ('{"image_data_format": "nchw"}', "image_data_format in .*=nchw: expected one of"),
        ('{"epsilon": 1}', "epsilon in .*=1: expected a number such as"),
        ('{"nnx_enabled": true}', "nnx_enabled in .*: expected false"),
        ("[]", "keras.json: expected a JSON object"),
    ],
)
def test_a_keras_json_that_keras_does_not_start_with_is_refused(
    before_keras, tmp_path, stored, text
):
    (tmp_path / "keras.json").write_text(stored)
    with pytest.raises(ValueError, match=text):
        check_keras()


def test_a_keras_json_that_cannot_be_read_is_refused(before_keras, tmp_path):
    (tmp_path / "keras.json").mkdir()
    text = "keras.json: Is a directory; expected a file. Mend or remove it"
    with pytest.raises(ValueError, match=text):
        check_keras()


@pytest.mark.parametrize("stored", ["{", "{}", '{"floatx": "float64", "epsilon": 1e-3}', None])
def test_what_keras_starts_with_is_taken(before_keras, tmp_path, stored):
    if stored is not None:
        (tmp_path / "keras.json").write_text(stored)
    assert flags.parse_config([], "Trains.") == recipe("quickstart")


def test_the_backend_that_was_imported_counts(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # too late to mean anything
    check_keras()
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="the backend of this process=torch: expected tensorflow"):
        alexnet_tf.load("anywhere")


CODE = """
import alexnet_tf, keras, numpy as np
import alexnet_tf.training.run  # and all that training needs
inputs = alexnet_tf.InputConfig(size=67, resize=67)
tiny = alexnet_tf.NetworkConfig(width=1 / 16, fc_width=16, input=inputs, normalization="batch")
model = alexnet_tf.build(tiny, num_classes=7, seed=0)
model.save("model.keras")
model = alexnet_tf.load_model("model.keras")
assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
pictures = np.full((1, 67, 67, 3), 200, np.uint8)
print(model(alexnet_tf.preprocess(pictures, inputs), training=True).numpy().tobytes().hex())
"""


def printed(folder, **environment) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_keras_json_and_the_older_keras_change_no_bit_of_a_network(tmp_path):
    expected = printed(tmp_path)
    settings = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.5}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    other = {"KERAS_HOME": str(tmp_path), "TF_USE_LEGACY_KERAS": "1"}
    assert printed(tmp_path, **other) == expected
