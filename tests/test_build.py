"""`alexnet_tf.build` and `load`, as a notebook calls them."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_run

import alexnet_tf
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training import checkpoint, state
from alexnet_tf.weights import formats

INPUT = alexnet_tf.InputConfig(size=67, resize=67)
TINY = alexnet_tf.NetworkConfig(width=1 / 16, fc_width=16, input=INPUT)
SEVEN = dataclasses.replace(TINY, num_classes=7)


@pytest.fixture
def policy():
    """Puts Keras' settings back that a test changes."""
    yield keras.config.set_dtype_policy
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    place = tmp_path_factory.mktemp("run")
    tiny_run.write_checkpoint(place, step=10, best_step=10, seed=1)
    tiny_run.write_checkpoint(place, step=20, best_step=10, seed=2)
    return place


def kernel(model) -> np.ndarray:
    return model.get_layer("conv1").kernel.numpy()


def test_the_number_of_classes_is_the_callers_or_the_configs_or_a_thousand():
    assert alexnet_tf.build(TINY).output_shape == (None, 1000)
    assert alexnet_tf.build(TINY, 5).output_shape == (None, 5)
    assert alexnet_tf.build(SEVEN).output_shape == (None, 7)
    assert alexnet_tf.build(SEVEN, num_classes=np.int64(7)).network == SEVEN


@pytest.mark.parametrize(
    "config, arguments, text",
    [
        (SEVEN, {"num_classes": 9}, "^num_classes=9: expected 7, the number of the config"),
        (TINY, {"num_classes": 0}, "num_classes=0: expected at least 1"),
        (TINY, {"num_classes": 2.5}, "num_classes=2.5: expected a whole number"),
        (TINY, {"seed": -1}, "seed=-1: expected a whole number from 0"),
        (TINY, {"precision": "half"}, "precision=half: expected one of float32"),
        ("papr", {}, "network.name=papr: expected one of .*Did you mean paper"),
        (alexnet_tf.Config(), {}, "config=Config: expected a NetworkConfig"),
        (SEVEN, {"weights": {}}, "weights: the weights do not fit network.name=paper: missing"),
        (SEVEN, {"weights": "nowhere.npz"}, "weights='nowhere.npz': No such file"),
        (SEVEN, {"weights": "nowhere"}, "weights='nowhere': expected a run directory"),
    ],
)
def test_what_cannot_be_meant_is_refused(config, arguments, text):
    with pytest.raises(ValueError, match=text):
        alexnet_tf.build(config, **arguments)


def test_a_checkpoint_is_the_best_or_the_last(tmp_path):
    with pytest.raises(ValueError, match="checkpoint=lst: expected one of best, last"):
        alexnet_tf.load(tmp_path, checkpoint="lst")


def test_a_seed_gives_the_weights_of_a_run_and_none_those_of_keras():
    np.testing.assert_array_equal(
        kernel(alexnet_tf.build(SEVEN, seed=3)), kernel(alexnet(SEVEN, 3))
    )
    keras.utils.set_random_seed(0)
    one, two = (kernel(alexnet_tf.build(SEVEN)) for _ in range(2))
    keras.utils.set_random_seed(0)
    np.testing.assert_array_equal(one, kernel(alexnet_tf.build(SEVEN)))
    assert np.abs(one - two).max() > 0


def test_a_seed_decides_the_dropout_of_fit():
    config = dataclasses.replace(SEVEN, init="he", fc_width=64)
    images = np.random.default_rng(0).normal(size=(4, 67, 67, 3)).astype(np.float32)
    models = [alexnet_tf.build(config, seed=seed) for seed in (1, 1, 2)]
    for model in models:
        model.set_weights(models[0].get_weights())
    one, same, other = (model(images, training=True).numpy() for model in models)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_precision_is_keras_policy_of_this_process(policy, name):
    policy(name)
    model = alexnet_tf.build(SEVEN)
    assert model.get_layer("conv2").compute_dtype == name.removeprefix("mixed_")
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    assert model.output.dtype == "float32"
    exact = alexnet_tf.build(SEVEN, precision="float32")
    assert exact.get_layer("conv2").compute_dtype == exact.compute_dtype == "float32"


def test_a_policy_that_we_have_not_is_refused(policy):
    policy("float64")
    with pytest.raises(ValueError, match="keras.config.dtype_policy=float64: expected one of"):
        alexnet_tf.build(SEVEN)


@pytest.mark.parametrize("floatx", ["float16", "float64"])
def test_keras_json_changes_nothing(policy, floatx):
    policy(floatx)  # what Keras makes of floatx, as soon as it makes any layer
    keras.config.set_floatx(floatx)
    model = alexnet_tf.build(SEVEN, seed=0)
    assert {layer.compute_dtype for layer in model.layers[1:]} == {"float32"}
    assert model.input.dtype == "float32"
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    assert model(np.zeros((1, 67, 67, 3))).dtype == tf.float32


def test_half_precision_trains_with_a_loss_scale_of_keras():
    model = alexnet_tf.build(SEVEN, precision="float16")
    model.compile(alexnet_tf.PaperSGD(0.01), "mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_weights_come_from_a_run_a_file_or_arrays(run_dir, tmp_path):
    config = dataclasses.replace(tiny_run.NETWORK, num_classes=0)
    expected = tiny.weights(alexnet(tiny_run.NETWORK, seed=1))
    formats.store(str(tmp_path / "w.npz"), expected, tiny_run.NETWORK)
    for weights in (run_dir, str(run_dir), str(tmp_path / "w.npz"), tmp_path / "w.npz", expected):
        model = alexnet_tf.build(config, weights=weights)
        tiny.assert_equal(tiny.weights(model), expected)
        assert model.output_shape == (None, 7)
    with pytest.raises(ValueError, match=f"weights='{run_dir}': .*shape"):
        alexnet_tf.build(dataclasses.replace(config, fc_width=8), weights=run_dir)


def test_a_run_is_loaded_with_its_classes_and_its_config(run_dir):
    model = alexnet_tf.load(run_dir)
    tiny.assert_equal(tiny.weights(model), tiny.weights(alexnet(tiny_run.NETWORK, seed=1)))
    assert (model.classes, model.network) == (tiny_run.CLASSES, tiny_run.NETWORK)
    last = alexnet_tf.load(str(run_dir), checkpoint="last")
    tiny.assert_equal(tiny.weights(last), tiny.weights(alexnet(tiny_run.NETWORK, seed=2)))
    with pytest.raises(ValueError, match="checkpoint=latest: .*Did you mean last"):
        alexnet_tf.load(run_dir, "latest")
    with pytest.raises(ValueError, match="path=.*for a run directory call alexnet_tf.load"):
        alexnet_tf.load_model(run_dir)


def test_a_run_of_two_towers_is_loaded_as_one_devices(tmp_path):
    two = {"towers": 2, "devices": ("cpu:0", "cpu:1")}
    run = alexnet_tf.RunConfig(precision="float16", **two)
    config = alexnet_tf.Config(network=tiny_run.NETWORK, run=run)
    arrays = tiny.weights(alexnet(tiny_run.NETWORK, seed=1))
    progress = state.Progress().to_json()
    checkpoint.save(tmp_path / "checkpoints", arrays, config, tiny_run.CLASSES, progress, {})
    model = alexnet_tf.load(tmp_path)
    assert model.network == tiny_run.NETWORK
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    tiny.assert_equal(tiny.weights(model), arrays)


@pytest.mark.parametrize("weights", [3, [], object()])
def test_weights_of_another_type_are_one_sentence(weights):
    with pytest.raises(ValueError, match="weights=.*: expected a run directory, a file or arrays"):
        alexnet_tf.build(SEVEN, weights=weights)
