"""Flags of landed versions: every command that took `--network.towers` still reads it."""

import json

import foreign
import pytest

from alexnet_tf import benchmark, convert, summary
from alexnet_tf.benchmarking import rounds
from alexnet_tf.command_line import flags
from alexnet_tf.errors import UserError


def note(towers: int) -> str:
    return f"network.towers={towers} changes nothing here: it is --towers of a run now."


@pytest.mark.parametrize("towers", [1, 2])
def test_train_takes_it_as_towers(towers):
    typed = [f"--network.towers={towers}", "--devices=cpu:0,cpu:1", "--network.name=paper"]
    typed += ["--strategy=mirrored"] * (towers == 1)
    assert flags.parse_config(typed, "Trains.").run.towers == towers


@pytest.mark.parametrize("towers, devices", [(1, "cpu:0"), (2, "cpu:0,cpu:1")])
def test_benchmark_takes_it_as_towers(towers, devices, monkeypatch):
    class Started(Exception):
        """The command line was read."""

    def measure(contenders, spec, num_rounds, say):
        raise Started(spec.config.run.towers)

    monkeypatch.setattr(rounds, "measure", measure)
    with pytest.raises(Started, match=str(towers)):
        benchmark.main(["step", f"--network.towers={towers}", f"--devices={devices}"])


@pytest.mark.parametrize("towers", [1, 2])
@pytest.mark.parametrize("typed", ["--network.name=caffe", "--family", "--compare paper caffe"])
def test_summary_counts_the_same_and_says_that_it_changes_nothing(towers, typed, capsys):
    assert summary.main([*typed.split(), "--json"]) == 0
    expected = capsys.readouterr()
    assert summary.main([*typed.split(), "--json", f"--network.towers={towers}"]) == 0
    found = capsys.readouterr()
    assert found.out == expected.out
    assert note(towers) in found.err and not expected.err


@pytest.mark.parametrize("towers", [1, 2])
def test_convert_takes_files_and_says_that_it_changes_nothing(towers, tmp_path, capsys):
    config = foreign.small("caffe")
    source = tmp_path / "net.caffemodel"
    foreign.write_caffemodel(source, config, foreign.weights(config), is_old=False)
    typed = [f"--from={source}", "--network.name=caffe", *foreign.SMALL]
    assert convert.main([*typed, f"--output={tmp_path / 'run'}", f"--network.towers={towers}"]) == 0
    found = capsys.readouterr()
    assert json.loads(found.out)["network"] == "caffe" and note(towers) in found.err


@pytest.mark.parametrize("command", [summary, convert])
def test_a_value_that_it_never_had_is_refused(command):
    with pytest.raises(UserError, match="network.towers=x: expected a whole number."):
        command.main(["--network.towers=x"])


def test_a_command_without_network_settings_does_not_know_it():
    with pytest.raises(UserError, match="network.towers=2: expected one of this command's flags"):
        flags.parse(["--network.towers=2"], summary.Arguments, ["data"])
