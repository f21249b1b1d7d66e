"""What training minimizes: class weights and label smoothing, as other programs have them."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from sklearn.utils.class_weight import compute_class_weight

from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.training import checkpoint, counts
from alexnet_tf.training.optimizer import optimizer
from alexnet_tf.training.run import run
from alexnet_tf.training.steps import cross_entropy, training_losses
from pipelines.config import DataConfig
from pipelines.dataset import train_dataset
from pipelines.preprocess import preprocess
from pipelines.sources import open_source


def drawn() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return draw.integers(0, 7, 40), draw.normal(scale=5, size=(40, 7)).astype(np.float32)


def test_balanced_weights_are_those_of_scikit_learn():
    labels, _ = drawn()
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    weights = counts.balanced_weights(tuple(np.bincount(labels, minlength=7).tolist()))
    np.testing.assert_allclose(weights, expected)
    assert counts.balanced_weights((2, 0)) == (0.5, 1.0)  # of a class without examples none is read


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weights", [(), tuple(np.linspace(0.2, 3, 7).tolist())])
def test_the_loss_is_the_formula(smoothing, weights):
    labels, logits = drawn()
    wide = logits.astype(np.float64)
    log_odds = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    target = np.eye(7)[labels] * (1 - smoothing) + smoothing / 7
    expected = -(target * log_odds).sum(axis=1) * (np.array(weights)[labels] if weights else 1)
    losses = training_losses(tf.constant(labels), tf.constant(logits), smoothing, weights)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_without_them_the_loss_is_what_it_was():
    labels, logits = map(tf.constant, drawn())
    plain = training_losses(labels, logits, 0.0, ())
    np.testing.assert_array_equal(plain, cross_entropy(labels, logits))


@pytest.fixture(scope="module")
def unbalanced(tmp_path_factory):
    """10 pictures of one class, 5 of another, 3 of the third."""
    root = tiny.write_pictures(tmp_path_factory.mktemp("unbalanced"))
    for name, kept in (("dark", 5), ("red", 3)):
        for i in range(kept, 10):
            (root / "train" / name / f"{i}.jpg").unlink()
    return root


def weighted(pictures, run_dir, **changes):
    """Configures a run with class weights and label smoothing."""
    config = tiny.config(pictures, run_dir, **{"steps": 7} | changes)
    return dataclasses.replace(
        config,
        data=DataConfig(source=f"folder:{pictures}", class_weights="balanced", on_error="skip"),
        optimizer=dataclasses.replace(config.optimizer, label_smoothing=0.2),
    )


@pytest.mark.slow
def test_a_run_ends_as_keras_fit_does(unbalanced, tmp_path):
    config = tiny.with_network(weighted(unbalanced, tmp_path), dropout="none")
    run(config)
    stored = checkpoint.load(tmp_path, "last")
    network = stored.config.network
    model = alexnet(network, config.run.seed)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    model.compile(optimizer(config.optimizer), loss)
    source = open_source(config.data, "train", config.run.seed)
    ds = train_dataset(source, config.data, network.input, config.run.seed, 0, 8)

    def example(batch):
        images = preprocess(batch.image, network.input, batch.shift, divide_by=1.1)
        return images, tf.one_hot(batch.label, 3)

    weights = compute_class_weight("balanced", classes=np.arange(3), y=source.labels)
    by_class = {"class_weight": dict(enumerate(weights)), "shuffle": False, "verbose": 0}
    model.fit(ds.map(example), steps_per_epoch=7, **by_class)
    tiny.assert_equal(tiny.weights(model), stored.weights(), atol=1e-5)


@pytest.fixture(scope="module")
def ended(unbalanced, tmp_path_factory):
    """A run that has to skip a picture as well."""
    (unbalanced / "train" / "red" / "0.jpg").write_bytes(b"no picture")
    run_dir = tmp_path_factory.mktemp("ended")
    run(weighted(unbalanced, run_dir))
    return run_dir


@pytest.mark.slow
def test_two_replicas_end_like_one(unbalanced, ended, tmp_path):
    place = {"strategy": "mirrored", "devices": ("cpu:0", "cpu:1")}
    run(weighted(unbalanced, tmp_path, **place))
    one, two = (checkpoint.load(x, "last").weights() for x in (ended, tmp_path))
    tiny.assert_equal(one, two, atol=1e-5)
    first, last = (tiny.metrics(x)[-2] for x in (ended, tmp_path))
    assert first["train/loss"] == pytest.approx(last["train/loss"], abs=1e-5)
    assert first["train/skipped"] == last["train/skipped"]


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bits(unbalanced, ended, tmp_path):
    run(weighted(unbalanced, tmp_path, steps=4))
    run(weighted(unbalanced, tmp_path))
    arrays = [checkpoint.load(x, "last").arrays() for x in (ended, tmp_path)]
    tiny.assert_equal(*arrays)


@pytest.mark.long
def test_another_weight_or_smoothing_is_another_run(pictures, undisturbed):
    text = "data.class_weights: none -> balanced.*smoothing: 0 -> 0.2"
    with pytest.raises(ValueError, match=text):
        run(weighted(pictures, undisturbed))


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_is_a_part(smoothing):
    with pytest.raises(ValueError, match="label_smoothing=.*: expected (0 to below 1|a number)"):
        OptimizerConfig(label_smoothing=smoothing)
