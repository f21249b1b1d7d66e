"""Two towers through the commands: training, going on in the other form, evaluation, export."""

import json

import keras
import numpy as np
import pytest
import tiny

from alexnet_tf import convert, evaluate, export
from alexnet_tf.benchmark import main as benchmark
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, RunConfig, StrategyName
from alexnet_tf.errors import UserError
from alexnet_tf.networks.towers import Joined
from alexnet_tf.training import checkpoint
from alexnet_tf.training.run import run
from alexnet_tf.training.sinks.histograms import buckets

TWO = {"devices": ("cpu:0", "cpu:1")}
TOWERS = {"towers": 2} | TWO


def config(pictures, run_dir, towers, **settings):
    """Configures a tiny run with one tower or two."""
    where = TOWERS if towers == 2 else {}
    return tiny.config(pictures, run_dir, **where, **settings)


def weights(run_dir):
    return checkpoint.load(run_dir, "last").arrays()


@pytest.fixture(scope="module")
def ends(pictures, tmp_path_factory):
    """Run directories of 8 steps in both forms."""
    root = tmp_path_factory.mktemp("towers")
    for towers in (1, 2):
        run(config(pictures, root / str(towers), towers, steps=8))
    return root


@pytest.mark.long
def test_both_forms_end_alike_weights_and_momentum(ends):
    tiny.assert_equal(weights(ends / "1"), weights(ends / "2"), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("first, then", [(1, 2), (2, 1)])
def test_a_checkpoint_goes_on_in_the_other_form(pictures, tmp_path, ends, first, then):
    run(config(pictures, tmp_path, first, steps=4))
    before = weights(tmp_path)
    run(config(pictures, tmp_path, then, steps=8))
    assert np.abs(weights(tmp_path)["fc6/kernel"] - before["fc6/kernel"]).max() > 0
    tiny.assert_equal(weights(tmp_path), weights(ends / str(first)), atol=1e-5)


@pytest.mark.slow
def test_a_tower_run_resumes_with_the_same_bits(pictures, tmp_path, ends):
    run(config(pictures, tmp_path, 2, steps=4))
    run(config(pictures, tmp_path, 2, steps=8))
    tiny.assert_equal(weights(tmp_path), weights(ends / "2"))


def test_it_is_evaluated_and_exported_as_one_device_would(ends, tmp_path, capsys):
    assert evaluate.main([f"--run_dir={ends / '2'}", "--checkpoint=last"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["seen"] == 15
    output = tmp_path / "export"
    assert export.main([f"--run_dir={ends / '2'}", f"--output={output}"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["num_classes"] == 3


def test_it_is_converted_as_one_device_would(ends, tmp_path, capsys):
    assert convert.main([f"--from={ends / '2'}", f"--output={tmp_path / 'again'}"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    one = checkpoint.load(tmp_path / "again")
    assert one.config.run.towers == 1
    assert found["parameters"] == sum(array.size for array in one.weights().values())
    best = checkpoint.load(ends / "2").weights()
    tiny.assert_equal(one.weights(), best)


def test_histograms_read_the_halves_of_a_weight(two_devices):
    halves = [keras.Variable(np.full((2, 3), value, np.float32)) for value in (1, 5)]
    joined = Joined(halves)
    np.testing.assert_array_equal(buckets(joined), buckets(joined.numpy()))


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"towers": 3}, "^towers=3: expected 1 or 2"),
        ({"towers": 2}, "^towers=2 with devices=: expected two devices"),
        ({"towers": 2, "devices": ("cpu:0",)}, "Set --devices=gpu:0,gpu:1, or cpu:0,cpu:1"),
        (
            {"strategy": StrategyName.MIRRORED} | TOWERS,
            "^towers=2 with strategy=mirrored: expected strategy=single or multi_worker, since two",
        ),
        (TWO, "or --towers=2 for the paper's two towers"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        Config(run=RunConfig(**settings))


def test_towers_need_two_groups():
    with pytest.raises(ValueError, match="^towers=2 with network.groups=1: expected groups=2"):
        Config(network=NetworkConfig(groups=1), run=RunConfig(**TOWERS))


def test_a_run_of_a_network_that_cannot_be_halved_is_refused(pictures, tmp_path):
    whole = tiny.with_network(config(pictures, tmp_path, towers=2), lrn_across_towers=True)
    with pytest.raises(UserError, match="^towers=2: .* norm1 needs both towers. Set --towers=1."):
        run(whole)


@pytest.mark.slow
def test_the_benchmark_counts_what_crosses(capsys):
    flags = ["--network.name=small", "--towers=2", "--devices=cpu:0,cpu:1", "--json"]
    flags += ["--beside=one_device"]
    tiny_rounds = ["--rounds=1", "--round_seconds=0.01", "--global_batch_size=8"]
    assert benchmark(["step", *flags, *tiny_rounds]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["crossing_bytes_per_image"]["forward"] == 4 * (
        5 * 5 * 64 + 2 * 2 * 64 + 512 + 256
    )
    names = [one["name"] for one in result["contenders"]]
    assert "one_device" in names
