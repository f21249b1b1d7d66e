"""Other update rules and averages of weights in whole runs: kept, resumed, evaluated, exported."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tiny

from alexnet_tf import evaluate, export, features, predict
from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import RunFailed
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run


def configured(pictures, run_dir, rule="paper", average=0.9, **settings):
    config = tiny.config(pictures, run_dir, **settings)
    small = {"learning_rate": 0.02 if rule != "lamb" else 0.005, "schedule": "constant"}
    return dataclasses.replace(
        config, optimizer=OptimizerConfig(rule=rule, average=average, **small)
    )


@pytest.fixture(scope="module")
def averaged(pictures, tmp_path_factory):
    """A run of 12 steps that averages, and its directory."""
    run_dir = tmp_path_factory.mktemp("averaged")
    assert run(configured(pictures, run_dir))[0] == 0
    return run_dir


@pytest.mark.long
def test_averages_stand_beside_the_weights_that_they_do_not_change(averaged, undisturbed):
    plain, found = (checkpoint.load(x, "last").arrays() for x in (undisturbed, averaged))
    tiny.assert_equal({name: found[name] for name in plain}, plain)
    assert {name for name in found if name not in plain} == {
        f"{name}/average" for name in plain if name.count("/") == 1
    }
    assert np.abs(found["fc8/kernel/average"] - found["fc8/kernel"]).max() > 1e-4


@pytest.mark.parametrize(
    "rule", ["paper", *(pytest.param(x, marks=pytest.mark.slow) for x in ("lamb", "sgdw"))]
)
@pytest.mark.long
def test_a_run_goes_on_with_its_averages_and_moments_bit_for_bit(
    averaged, pictures, tmp_path, rule
):
    parts, whole = configured(pictures, tmp_path / "parts", rule), averaged
    if rule != "paper":
        whole = tmp_path / "whole"
        assert run(configured(pictures, whole, rule))[0] == 0
    with pytest.raises(KeyboardInterrupt):
        often = dataclasses.replace(parts.run, save_every_seconds=1e-9, steps_per_launch=1)
        run(dataclasses.replace(parts, run=often), [tiny.StopAt(5)])
    assert run(parts)[0] == 0
    found, expected = (checkpoint.load(x, "last").arrays() for x in (tmp_path / "parts", whole))
    tiny.assert_equal(found, expected)
    assert tiny.metrics(tmp_path / "parts") == tiny.metrics(whole)
    assert any(name.endswith("/second_moment") for name in found) == (rule == "lamb")


@pytest.mark.slow
@pytest.mark.parametrize(
    "spread",
    [
        {"strategy": "mirrored", "devices": ("cpu:0", "cpu:1")},
        {"towers": 2, "devices": ("cpu:0", "cpu:1")},
    ],
)
def test_devices_change_no_average(averaged, pictures, tmp_path, spread):
    assert run(configured(pictures, tmp_path, **spread))[0] == 0
    found, expected = (checkpoint.load(x, "last").arrays() for x in (tmp_path, averaged))
    tiny.assert_equal(found, expected, atol=1e-5)


@pytest.mark.long
def test_both_are_evaluated_in_training_and_afterwards(averaged, capsys):
    line = [x for x in tiny.metrics(averaged) if "eval/loss" in x][-1]
    last = ["--checkpoint=last", f"--run_dir={averaged}"]
    for flags, name in (([], "loss"), (["--raw_weights"], "raw_loss")):
        assert evaluate.main([*last, *flags]) == 0
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert found["loss"] == pytest.approx(line[f"eval/{name}"], abs=1e-6)
        assert found["raw_weights"] == bool(flags)
    assert abs(line["eval/loss"] - line["eval/raw_loss"]) > 1e-5


@pytest.mark.long
def test_both_are_exported(averaged, pictures, tmp_path, capsys):
    picture = str(next((pictures / "val/red").iterdir()))
    found = {}
    for flags in ((), ("--raw_weights",)):
        output = f"--output={tmp_path / str(len(flags))}"
        assert export.main([f"--run_dir={averaged}", output, *flags]) == 0
        about = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (about["top1_error"] is None) == bool(flags)
        for model in (tmp_path / str(len(flags)), averaged):
            assert predict.main([f"--model={model}", "--json", picture]) == 0
            answer = json.loads(capsys.readouterr().out)["images"][0]["top"]
            found[len(flags), model == averaged] = {x["class"]: x["probability"] for x in answer}
    assert found[0, False] == pytest.approx(found[0, True], abs=1e-6)
    assert found[1, False] != pytest.approx(found[0, False], abs=1e-6)


@pytest.mark.slow
def test_a_checkpoint_without_averages_has_the_same_weights_either_way(pictures, tmp_path):
    run(tiny.config(pictures, tmp_path, steps=2))
    stored = checkpoint.load(tmp_path, "last")
    tiny.assert_equal(stored.weights(), stored.weights(is_raw=True))


def test_averages_begin_as_the_weights_that_a_run_begins_with(averaged, pictures, tmp_path):
    config = configured(pictures, tmp_path, start_from=str(averaged))
    with pytest.raises(KeyboardInterrupt):
        run(config, [StopBefore()])
    stored = checkpoint.load(tmp_path, "last")
    assert stored.step == 0
    tiny.assert_equal(stored.weights(), checkpoint.load(averaged, "best").weights())
    tiny.assert_equal(stored.weights(), stored.weights(is_raw=True))


class StopBefore(keras.callbacks.Callback):
    """Interrupts a run before its first step."""

    def on_train_begin(self, logs=None):
        raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float16", pytest.param("float32", marks=pytest.mark.slow)])
def test_normalized_networks_in_part_frozen_average_too(pictures, tmp_path, precision):
    settings = {"freeze": ("conv1",), "precision": precision, "steps": 6}
    config = configured(pictures, tmp_path, rule="lamb", **settings)
    config = tiny.with_network(config, normalization="batch")
    assert run(config)[0] == 0
    found = checkpoint.load(tmp_path, "last")
    arrays, weights = found.arrays(), found.weights()
    assert "conv1/kernel/average" not in arrays  # it does not change
    assert all(np.isfinite(x).all() for x in arrays.values())
    np.testing.assert_array_equal(weights["fc6/kernel"], arrays["fc6/kernel/average"])
    np.testing.assert_array_equal(weights["conv1/kernel"], arrays["conv1/kernel"])
    moving = [name for name in arrays if "/moving_" in name]
    of_trained = {name for name in moving if name + "/average" in moving}
    assert len(of_trained) >= 4
    for name in of_trained:
        np.testing.assert_array_equal(weights[name], arrays[f"{name}/average"])
        assert (arrays[name] != weights[name]).any()


def test_features_are_those_of_the_averages(averaged, tmp_path):
    output = tmp_path / "x.npz"
    flags = [f"--run_dir={averaged}", "--checkpoint=last", f"--output={output}", "--layer=fc8"]
    assert features.main(flags) == 0
    stored = checkpoint.load(averaged, "last")
    with np.load(output) as file:
        found, labels = file["features"].astype(np.float64), file["labels"]
    odds = np.exp(found - found.max(axis=1, keepdims=True))
    own = (odds / odds.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]
    assert -np.log(own).mean() == pytest.approx(stored.progress["evaluation"]["loss"], abs=1e-5)


def test_what_cannot_be_is_refused():
    for changes in ({"average": 1.0}, {"momentum": 0.99999999}, {"second_momentum": -0.1}):
        ((name, value),) = changes.items()
        with pytest.raises(ValueError, match=f"optimizer.{name}={value}: expected 0 to 0.999999"):
            OptimizerConfig(**changes)
    with pytest.raises(
        ValueError, match="optimizer.rule=lamb with towers=2: expected paper or sgdw"
    ):
        Config(
            run=RunConfig(towers=2, devices=("cpu:0", "cpu:1")),
            optimizer=OptimizerConfig(rule="lamb"),
        )


@pytest.mark.slow
def test_moving_statistics_are_averaged_as_weights_are(pictures, tmp_path):
    config = configured(pictures, tmp_path / "whole", average=0.5, steps=3, steps_per_launch=1)
    config = tiny.with_network(config, normalization="batch")
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            norm = next(
                x for x in self.model.layers if "moving_mean" in [w.name for w in x.weights]
            )
            seen.append(norm.moving_mean.numpy())

    assert run(config, [Watch()])[0] == 0
    expected = None
    for t, now in enumerate(seen):
        kept = min(0.5, t / (t + 10))
        expected = now if expected is None else kept * expected + (1 - kept) * now
    arrays = checkpoint.load(config.run_dir, "last").arrays()
    (name, *_) = [name for name in arrays if name.endswith("moving_mean/average")]
    np.testing.assert_allclose(arrays[name], expected, rtol=1e-5, atol=1e-7)
    spread = {"strategy": "mirrored", "devices": ("cpu:0", "cpu:1")}
    both = dataclasses.replace(
        config, run=dataclasses.replace(config.run, run_dir=str(tmp_path / "two"), **spread)
    )
    assert run(both)[0] == 0
    tiny.assert_equal(checkpoint.load(both.run_dir, "last").arrays(), arrays, atol=2e-4)


@pytest.mark.slow
def test_a_run_of_before_statistics_had_averages_goes_on(pictures, tmp_path):
    config = tiny.with_network(configured(pictures, tmp_path), normalization="batch")
    with pytest.raises(KeyboardInterrupt):
        run(config, [tiny.StopAt(6)])
    (path,) = (tmp_path / "checkpoints").glob("step-*[4-9]")
    arrays = checkpoint.load(tmp_path, "last").arrays()
    missing = {x for x in arrays if x.endswith("/average") and "/moving_" in x}
    assert missing
    stored = {name: array for name, array in arrays.items() if name not in missing}
    np.savez(path / "arrays.npz", **stored)
    assert run(config)[0] == 0
    found = checkpoint.load(tmp_path, "last").arrays()
    assert found.keys() == arrays.keys()
    del stored["fc6/kernel/average"]  # no statistic: without it the file is damaged
    np.savez(checkpoint.load(tmp_path, "last").path / "arrays.npz", **stored)
    with pytest.raises(RunFailed, match="missing .'fc6/kernel/average'"):
        run(dataclasses.replace(config, run=dataclasses.replace(config.run, steps=20)))
