"""`train --start_from`: precedence of settings, what is said, and resuming without the source."""

import dataclasses
import shutil

import foreign
import numpy as np
import pytest
import tiny

from alexnet_tf import convert, train
from alexnet_tf.command_line import flags
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.layers.initializers import NamedNormal
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.recipes import recipe
from alexnet_tf.training import checkpoint, start
from alexnet_tf.training.run import run

NETWORK = dataclasses.replace(tiny.config("unused", "unused").network, num_classes=3)
WEIGHTS = foreign.weights(NETWORK)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A converted directory of NETWORK with WEIGHTS."""
    place = tmp_path_factory.mktemp("source") / "converted"
    convert.write_weights(place, NETWORK, WEIGHTS, tiny.CLASSES, "nowhere.npz")
    return place


def started(source, pictures, run_dir, **settings) -> Config:
    """Configures a tiny run that starts from there."""
    whole = tiny.config(pictures, run_dir, start_from=str(source), **settings)
    return tiny.with_network(whole, num_classes=3)


def parse(*argv: str) -> Config:
    return flags.parse_config(argv, "Trains.")


def test_precedence_is_recipe_then_source_then_name_then_field(source, tmp_path, capsys):
    place = [f"--start_from={source}", f"--run_dir={tmp_path}", "--recipe=imagenette"]
    found = parse(*place)
    assert found.network == dataclasses.replace(NETWORK, num_classes=0)  # of the data
    assert (found.data, found.optimizer) == (recipe("imagenette").data, found.optimizer)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"network and input are those of start_from={str(source)!r}: paper, 67 of 72 pixels, rgb; "
        "what is typed wins"
    ]
    assert parse(*place, "--network.init=text").network == dataclasses.replace(
        NETWORK, num_classes=0, init="text"
    )
    named = parse(*place, "--network.name=small", "--network.groups=1")
    assert named.network == dataclasses.replace(network("small"), groups=1)
    assert capsys.readouterr().err.count("network and input") == 1  # not where the name wins
    assert parse(*place[1:]).network == recipe("imagenette").network


def test_a_file_brings_neither_network_nor_input(tmp_path):
    path = tmp_path / "whole.npz"
    np.savez(path, **WEIGHTS)
    found = parse(f"--start_from={path}", f"--run_dir={tmp_path / 'run'}")
    assert found.network == recipe("quickstart").network


def test_mistakes_in_flags(source, tmp_path):
    place = [f"--start_from={source}", f"--run_dir={tmp_path / 'run'}"]
    (tmp_path / "empty").mkdir()
    for argv, text in (
        ([*place, "--start_from_layers=conv9"], "start_from_layers=conv9: .*Did you mean conv"),
        (["--start_from_layers=conv1"], "start_from_layers=conv1: expected --start_from=... too"),
        ([f"--start_from={tmp_path / 'empty'}", place[1]], "start_from='.*empty' holds no check"),
    ):
        with pytest.raises(UserError, match=text):
            parse(*argv)
    with pytest.raises(UserError, match="is the run_dir itself; .* Leave --start_from out"):
        run(started(source, "unused", f"{source}/."))


@pytest.mark.long
def test_the_last_layer_begins_with_the_weights_of_its_seed_and_name(source, tmp_path, capsys):
    two = tiny.write_pictures(tmp_path / "pictures", classes=("a", "b"))
    argv = [f"--start_from={source}", f"--data.source=folder:{two}", "--seed=5", "--steps=1"]
    argv += ["--freeze=all_but_last", "--global_batch_size=8", "--notensorboard"]
    assert (
        train.main([*argv, f"--run_dir={tmp_path / 'run'}", "--optimizer.warmup_epochs=1e9"]) == 0
    )
    said = capsys.readouterr().err
    assert f"starting from {source}: conv1, conv2, conv3, conv4, conv5, fc6, fc7; anew: fc8" in said
    assert "frozen: conv1, conv2, conv3, conv4, conv5, fc6, fc7; 34 parameters train" in said
    arrays = checkpoint.load(tmp_path / "run").weights()
    for name in WEIGHTS:
        if not name.startswith("fc8"):
            np.testing.assert_array_equal(arrays[name], WEIGHTS[name])
    row = table(dataclasses.replace(NETWORK, num_classes=2))[-1]
    initial = NamedNormal(np.sqrt(1 / row.fan_in), 5, "fc8")(row.kernel_shape)
    np.testing.assert_allclose(arrays["fc8/kernel"], initial, atol=1e-6)  # a rate of almost 0


@pytest.mark.slow
def test_a_resume_never_looks_at_the_source_again(source, pictures, tmp_path, capsys):
    argv = [f"--data.source=folder:{pictures}", "--freeze=conv1", "--optimizer.rates=fc8=10"]
    argv += ["--global_batch_size=8", "--notensorboard", "--optimizer.schedule=constant"]
    ends = []
    for parts in ((4,), (2, 4)):
        place, run_dir = tmp_path / f"source{len(parts)}", tmp_path / f"run{len(parts)}"
        shutil.copytree(source, place)
        for steps in parts:
            places = [f"--start_from={place}/", f"--run_dir={run_dir}", f"--steps={steps}"]
            assert train.main([*argv, *places]) == 0
            shutil.rmtree(place, ignore_errors=True)
        ends.append(checkpoint.load(run_dir, "last"))
    tiny.assert_equal(ends[0].arrays(), ends[1].arrays())
    assert ends[0].config.run.start_from == str(tmp_path / "source1")
    assert capsys.readouterr().err.count("starting from") == 2
    with pytest.raises(UserError, match="start_from: .* -> none"):
        train.main([*argv, *places[1:]])


def test_weights_that_do_not_fit_are_refused_before_the_data_are_read(source, tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    for path in pictures.glob("train/*/*.jpg"):
        path.write_bytes(b"no picture")
    whole = tiny.with_network(started(source, pictures, tmp_path / "run"), fc_width=24)
    inputs = dataclasses.replace(whole.network.input, mean="dataset")  # reads them all
    with pytest.raises(UserError, match="fc6/kernel has shape"):
        run(tiny.with_network(whole, input=inputs))


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_never_looks_there_again(
    source, pictures, tmp_path
):
    place, run_dir = tmp_path / "source", tmp_path / "run"
    shutil.copytree(source, place)
    config = tiny.config(pictures, run_dir, steps=2, start_from=str(place))
    with pytest.raises(KeyboardInterrupt):
        run(config, [tiny.StopAt(1)])
    shutil.rmtree(place)
    assert checkpoint.load(run_dir, "last").step == 0
    assert run(config)[1]["step"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("towers", [1, 2])
def test_two_devices_start_alike(source, pictures, tmp_path, towers):
    how = {"towers": 2} if towers == 2 else {"strategy": "mirrored"}
    ends = []
    for place in ({}, {"devices": ("cpu:0", "cpu:1")} | how):
        run_dir = tmp_path / str(len(ends))
        run(started(source, pictures, run_dir, steps=3, **place))
        ends.append(checkpoint.load(run_dir, "last").arrays())
    tiny.assert_equal(ends[0], ends[1], atol=1e-5)


def test_weights_of_a_run_that_are_not_finite_are_refused(tmp_path):
    weights = WEIGHTS | {"conv2/bias": np.full_like(WEIGHTS["conv2/bias"], np.inf)}
    convert.write_weights(tmp_path / "run", NETWORK, weights, tiny.CLASSES, "nowhere.npz")
    text = "conv2/bias has values that are not finite; expected weights. Take those of another run"
    with pytest.raises(UserError, match=text):
        start.load(started(tmp_path / "run", "unused", "run"), tiny.CLASSES)
