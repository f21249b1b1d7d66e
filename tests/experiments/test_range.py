"""The range test: what it suggests, and that it touches no run."""

import dataclasses
import json
import math
import re

import pytest
import tiny

from alexnet_tf import experiment as command
from alexnet_tf.config import json_form
from alexnet_tf.errors import UserError
from alexnet_tf.experiments import range_test
from alexnet_tf.experiments.range_test import Curve
from alexnet_tf.networks.family.names import network

pytest.importorskip("matplotlib", reason="the range test draws with matplotlib")


def curve(losses):
    return Curve(tuple(1e-5 * 1.1**i for i in range(len(losses))), tuple(losses))


def test_a_tenth_of_the_rate_of_the_lowest_loss_is_suggested():
    losses = [2.3 - 0.01 * i for i in range(100)] + [1.3 + 0.1 * i for i in range(60)]
    found = curve(losses)
    lowest = min(range(160), key=found.smoothed.__getitem__)
    rate, why = found.suggestion(False)
    assert rate == pytest.approx(found.rates[lowest] / 10)
    assert f"{found.rates[lowest]:.3g}" in why
    mean, weight = 0.0, 0.0  # the running mean, as a weighted sum
    for place, loss in enumerate(losses[:50]):
        mean += loss * 0.9 ** (49 - place)
        weight += 0.9 ** (49 - place)
    assert found.smoothed[49] == pytest.approx(mean / weight)


@pytest.mark.parametrize(
    "losses, is_whole, why",
    [
        ([], False, "No step ended with a finite loss."),
        ([2.3] * 50, True, "The loss never fell by 5%: give it more steps."),
        ([2.3 - 0.02 * i for i in range(50)], True, "The loss still falls at the highest rate"),
        (
            [2.3 - 0.02 * i + 0.1 * (i > 44) for i in range(50)],
            True,
            "The loss still falls at the highest rate",
        ),
    ],
)
def test_it_says_when_nothing_can_be_suggested(losses, is_whole, why):
    rate, said = curve(losses).suggestion(is_whole)
    assert rate is None
    assert said.startswith(why)


def test_a_loss_runs_away_at_four_times_the_lowest():
    assert not curve([]).runs_away()
    assert not curve([2.0, 1.0] * 20).runs_away()
    assert curve([1.0] * 20 + [40.0] * 5).runs_away()


def files(place):
    return {x: (x.stat().st_mtime_ns, x.read_bytes()) for x in place.rglob("*") if x.is_file()}


@pytest.fixture
def run_dir(pictures, tmp_path):
    """What is left of a run whose settings start from another's weights."""
    config = tiny.config(pictures, tmp_path / "run", start_from="nowhere", freeze=("conv1",))
    config = dataclasses.replace(config, network=network("figure1"))
    (tmp_path / "run").mkdir()
    text = json.dumps(json_form.to_json(config))
    (tmp_path / "run/config.json").write_text(text)
    return tmp_path / "run"


@pytest.mark.long
def test_a_test_takes_the_settings_of_a_run_and_touches_nothing_there(run_dir, tmp_path, capsys):
    before, output = files(run_dir), tmp_path / "out"
    words = [f"--run_dir={run_dir}", f"--output={output}", "--highest=1e4", "--steps=30"]
    words += ["--network.width=0.125", "--optimizer.drop_epochs=1,2"]
    assert command.main(["learning_rate", *words]) == 0
    assert files(run_dir) == before
    printed, said = capsys.readouterr()
    result = json.loads(printed)
    assert "optimizer.drop_epochs=1,2 changes nothing here; --lowest, --highest and --steps" in said
    assert sorted(x.name for x in output.iterdir()) == [
        "lock",
        "range.csv",
        "range.json",
        "range.png",
    ]
    stored = json.loads((output / "range.json").read_text())
    rates = [point["learning_rate"] for point in stored["curve"]]
    expected = [1e-5 * 1e9 ** (i / 29) for i in range(len(rates))]
    assert rates == pytest.approx(expected)
    assert all(math.isfinite(point["loss"]) for point in stored["curve"])
    assert 5 < result["steps"] == len(rates) < 30  # it ran away before
    assert result["rule"] == range_test.RULE
    lines = (output / "range.csv").read_text().splitlines()
    assert (lines[0], len(lines)) == ("learning_rate,loss,smoothed_loss", len(rates) + 1)


@pytest.mark.parametrize(
    "words, text",
    [
        (
            ["--run_dir={run}", "--recipe=paper"],
            "recipe=paper: expected one of the two, since each",
        ),
        (
            ["--run_dir={run}/none"],
            "expected a run to take the settings of, but there is no config.json in it. Name",
        ),
        (
            ["--run_dir={run}", "--output={run}"],
            "holds a run, which a range test never touches; expected another directory. Name",
        ),
        (["--recipe=none"], "recipe=none: expected one of quickstart"),
        (
            ["--output={run}/../out", "--lowest=1e-300", "--highest=1e300"],
            "below 1e+30 and less than that many times",
        ),
        (
            ["--output={run}/../out", "--data.source=folder:{run}/.."],
            "/..', where each folder is a class; expected a directory elsewhere",
        ),
        (
            ["--output={run}/../other"],
            "range-test' is where a range test trains, but something else is there; expected",
        ),
    ],
)
def test_mistakes_are_named(run_dir, words, text):
    (run_dir.parent / "other/range-test/checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match=re.escape(text)):
        command.main(["learning_rate", *(word.format(run=run_dir) for word in words)])
    assert (run_dir.parent / "other/range-test/checkpoints").exists()


def test_what_a_killed_test_has_left_is_replaced(run_dir, tmp_path):
    place = tmp_path / "range-test"
    place.mkdir()
    config = json_form.from_json(json.loads((run_dir / "config.json").read_text()))
    rising = range_test.rising(config, place, 1e-5, 1.0, 30)
    (place / "config.json").write_text(json.dumps(json_form.to_json(rising)))
    range_test._check_ours(place)


def test_a_test_that_was_killed_before_its_settings_were_written_is_replaced(tmp_path):
    place = tmp_path / "range-test"
    place.mkdir()
    (place / "lock").touch()
    range_test._check_ours(place)
    range_test._remove(place)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_the_suggestion_is_what_is_typed_and_the_rate_what_it_comes_to(run_dir, tmp_path, capsys):
    words = [f"--run_dir={run_dir}", f"--output={tmp_path / 'out'}", "--steps=40", "--highest=1e4"]
    words += ["--optimizer.batch_scaling=linear", "--global_batch_size=16"]
    assert command.main(["learning_rate", *words, "--network.width=0.125"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result["rate"] == pytest.approx(result["suggestion"] * 16 / 128)
    assert "which optimizer.batch_scaling makes" in said.err
