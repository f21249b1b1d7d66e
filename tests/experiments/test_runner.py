"""Rows of an experiment as real runs: what is kept, what is refused, what a stop leaves."""

import dataclasses
import json
import os
import signal
import threading
import time

import pytest
import tiny

from alexnet_tf.directory_lock import Lock
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.experiments import plan_text, results
from alexnet_tf.experiments.measures import classified
from alexnet_tf.experiments.runner import Runner
from alexnet_tf.experiments.table import GRID_SEED, Experiment, Measure, Row
from alexnet_tf.networks.family.names import network
from alexnet_tf.training import checkpoint

ROWS = (
    Row(name="broken", changes={"optimizer.learning_rate": 1e6}),
    Row(name="base"),
)


def experiment(pictures, rows=ROWS, **values) -> Experiment:
    config = tiny.config(pictures, "", steps=0, epochs=2, log_every_steps=2)
    small = network("figure1")  # few layers, whose graphs are built sooner
    inputs = dataclasses.replace(small.input, scale=1 / 64)
    base = dataclasses.replace(
        config,
        network=dataclasses.replace(small, width=0.25, input=inputs),
        optimizer=dataclasses.replace(config.optimizer, learning_rate=0.005),
    )
    return Experiment(name="tiny", title="Tiny", base=base, rows=rows, minutes=1, **values)


def contents(output):
    """All that is stored of finished rows but times."""
    stored = json.loads((output / results.FILE).read_text())["rows"]
    return [{name: x for name, x in row.items() if name != "time"} for row in stored]


def stop_when_training(run_dir, number):
    """Sends this process a signal as soon as a run has begun to log."""

    def wait():
        path = run_dir / "metrics.jsonl"
        while not (path.exists() and path.stat().st_size):
            time.sleep(0.005)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait, daemon=True).start()


@pytest.fixture(scope="module")
def done(pictures, tmp_path_factory):
    """A whole table of one seed with its checkpoints."""
    output = tmp_path_factory.mktemp("table")
    runner = Runner(experiment(pictures, has_train_error=True), ROWS, 1, output, "it", True)
    return output, runner.run(), runner


@pytest.mark.long
def test_a_row_whose_loss_is_not_finite_stands_in_the_table_and_the_others_go_on(done):
    output, code, runner = done
    assert code == 1
    broken, base = sorted(runner.results.finished, key=lambda x: x.row != "broken")
    assert broken.failed == "the loss is not finite"  # whoever found it, the loss or a checkpoint
    assert (broken.top1_error, broken.correct) == (None, None)
    assert not base.failed


def test_every_picture_is_told_apart_and_the_error_is_that_of_the_run(done):
    output, _, runner = done
    (found,) = runner.results.of("base")
    result = json.loads((output / "runs/base/seed-0/result.json").read_text())
    assert (found.steps, found.planned_steps, len(found.correct)) == (8, 8, 15)
    assert found.top1_error == pytest.approx(result["top1_error"], abs=1e-9)
    assert found.train_error * 30 == pytest.approx(round(found.train_error * 30))


def test_finished_rows_are_not_trained_anew_and_their_checkpoints_go(done, pictures):
    output, _, _ = done
    before = (output / results.FILE).read_bytes()
    assert (output / "runs/base/seed-0/checkpoints").exists()  # as after a kill
    assert Runner(experiment(pictures), ROWS, 1, output).run() == 1  # one of them failed
    assert (output / results.FILE).read_bytes() == before
    assert not list(output.glob("runs/*/*/checkpoints"))
    assert len(list(output.glob("runs/*/*/metrics.jsonl"))) == 2


def test_other_settings_in_the_same_place_are_refused(done, pictures, tmp_path):
    output, _, _ = done
    rows = (Row(name="base", changes={"network.activation": "tanh"}),)
    text = "base with seed 0 was trained with other settings: network.activation: table -> tanh. Ex"
    with pytest.raises(UserError, match=text):
        Runner(experiment(pictures, rows), rows, 2, output)
    longer = experiment(pictures)
    run = dataclasses.replace(longer.base.run, epochs=4)
    longer = dataclasses.replace(longer, base=dataclasses.replace(longer.base, run=run))
    with pytest.raises(UserError, match="other settings: steps: 8 -> 15"):
        Runner(longer, ROWS, 1, output)
    other = experiment(tiny.write_pictures(tmp_path, train=9))
    with pytest.raises(UserError, match="train_num_examples: 30 -> 27; train_digest: .* -> "):
        Runner(other, ROWS, 1, output)


def test_a_table_that_was_begun_otherwise_is_refused_before_anything_is_trained(pictures, tmp_path):
    Runner(experiment(pictures), ROWS, 1, tmp_path)
    Runner(experiment(pictures), ROWS, 3, tmp_path)
    half = experiment(pictures)
    run = dataclasses.replace(half.base.run, precision="bfloat16")
    half = dataclasses.replace(half, base=dataclasses.replace(half.base, run=run))
    text = "a table was begun there with other settings: precision: float32 -> bfloat16. Expected"
    with pytest.raises(UserError, match=text):
        Runner(half, ROWS, 1, tmp_path)
    other = dataclasses.replace(experiment(pictures), name="other")
    with pytest.raises(UserError, match="holds rows of the experiment tiny; expected those of o"):
        Runner(other, ROWS, 1, tmp_path)
    assert "will be refused" not in plan_text.plan_text(experiment(pictures), ROWS, 1, tmp_path)
    said = " ".join(plan_text.plan_text(half, ROWS, 1, tmp_path).split())
    assert "A table was begun there with other settings, so this call will be refused" in said
    (tmp_path / results.BEGUN).write_text('{"experiment": "tiny", "settings": 3}')
    with pytest.raises(RunFailed, match="begun.json' cannot be used: .* remove it"):
        Runner(experiment(pictures), ROWS, 1, tmp_path)


def test_no_place_among_the_pictures_is_taken(pictures):
    with pytest.raises(UserError, match="lies in data.source='folder:.*, where each folder is a c"):
        Runner(experiment(pictures), ROWS, 1, pictures / "train/out")
    assert not (pictures / "train/out").exists()


def test_a_run_is_no_place_for_a_table(pictures, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds a run, where no table can be; expected another"):
        Runner(experiment(pictures), ROWS, 1, tmp_path)
    assert [x.name for x in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.slow
def test_a_stopped_row_goes_on_and_ends_with_the_same_bits(done, pictures, tmp_path):
    table = experiment(pictures, has_train_error=True)
    stop_when_training(tmp_path / "runs/base/seed-0", signal.SIGTERM)
    codes = [Runner(table, ROWS, 1, tmp_path, "it").run() for _ in range(2)]
    assert codes == [143, 1]
    assert contents(tmp_path) == contents(done[0])


@pytest.mark.slow
def test_seeds_are_added_in_turns_and_differ(pictures, tmp_path):
    rows = (Row(name="base"), Row(name="tanh", changes={"network.activation": "tanh"}))
    Runner(experiment(pictures, rows, has_train_error=True), rows, 1, tmp_path, "it", True).run()
    one = tmp_path / "runs/base/seed-0"
    stored = checkpoint.load(one, "last")
    correct = classified(stored, stored.config, "train")
    assert results.read(tmp_path, "tiny").of("base")[0].train_error == 1 - correct.mean()
    Runner(experiment(pictures, rows, has_train_error=True), rows, 2, tmp_path).run()
    found = [(x.row, x.seed) for x in results.read(tmp_path, "tiny").finished]
    assert found == [("base", 0), ("tanh", 0), ("base", 1), ("tanh", 1)]
    assert tiny.metrics(one) != tiny.metrics(tmp_path / "runs/base/seed-1")


def with_rates(pictures, epochs, *rates):
    rows = (Row(name="relu", rates=rates),)
    table = experiment(pictures, rows, measure=Measure.EPOCHS_TO, reached=0.3)
    run = dataclasses.replace(table.base.run, epochs=epochs)
    return dataclasses.replace(table, base=dataclasses.replace(table.base, run=run)), rows


@pytest.mark.slow
def test_epochs_to_an_error_are_measured_at_the_best_rate(pictures, tmp_path):
    table, rows = with_rates(pictures, 12, 0.005, 1e-5, 1e6)
    assert Runner(table, rows, 1, tmp_path).run() == 0
    fast, slow, broken, last = results.read(tmp_path, "tiny").finished
    assert [fast.seed, slow.seed, broken.seed, last.seed] == [GRID_SEED] * 3 + [0]
    assert 0 < fast.epochs_to < 12
    assert fast.settings["optimizer"]["learning_rate"] == 0.005
    assert slow.epochs_to is None
    windows = slow.planned_steps / 2  # of two steps each
    assert windows == int(windows)
    assert 1.5 <= windows - fast.epochs_to * 30 / 8 / 2 < 2.5
    assert "is not finite" in broken.failed
    assert last.settings["optimizer"]["learning_rate"] == 0.005
    assert last.curve[-1][1] <= 0.3 < min(error for _, error in last.curve[:-1])
    before = contents(tmp_path)
    (tmp_path / results.FILE).unlink()  # as after a kill before the first was stored
    assert Runner(table, rows, 1, tmp_path).run() == 0
    assert contents(tmp_path) == before


def test_a_run_of_fewer_windows_than_two_measures_no_epochs(pictures, tmp_path):
    table, rows = with_rates(pictures, 0.5, 0.005)
    with pytest.raises(UserError, match="epochs=0.5: expected 2 windows of 2 steps or more, betwe"):
        Runner(table, rows, 1, tmp_path).run()


def test_what_depends_on_tries_of_another_process_is_left_to_it(pictures, tmp_path, capsys):
    table, rows = with_rates(pictures, 2, 0.005, 1e-5)
    run_dir = tmp_path / "runs" / rows[0].tries[0].name
    with Lock(run_dir, "output", f"seed-{GRID_SEED}.lock"):
        assert Runner(table, rows, 2, tmp_path).run() == 0
    assert not results.read(tmp_path, "tiny").finished
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("tiny: left to other processes, which train in ")
    assert "relu with seed 0, relu with seed 1. The last of them writes the whole report." in said


@pytest.mark.slow
def test_a_grid_without_a_good_rate_fails_and_the_others_go_on(pictures, tmp_path):
    table, rows = with_rates(pictures, 0.6, 1e-5, 1e-4)
    easy = Row(name="base", changes={"optimizer.learning_rate": 0.005})
    table = dataclasses.replace(table, rows=(*rows, easy))
    for _ in range(2):  # trained, and read
        assert Runner(table, table.rows, 1, tmp_path).run() == 1
        found = results.read(tmp_path, "tiny")
        assert found.find("relu", 0).failed == (
            "no learning rate of 1e-05, 0.0001 reached 30% training error within 0.6 epochs"
        )
        assert not found.find("base", 0).failed


def test_rows_that_are_not_asked_for_are_compared_too(done, pictures):
    output, _, _ = done
    run = dataclasses.replace(experiment(pictures).base.run, epochs=4)
    longer = experiment(pictures)
    longer = dataclasses.replace(longer, base=dataclasses.replace(longer.base, run=run))
    with pytest.raises(UserError, match="broken with seed 0 was trained .*steps: 8 -> 15"):
        Runner(longer, ROWS[1:], 1, output)


def test_data_that_a_later_row_refuses_is_refused_before_the_first(pictures, tmp_path):
    none = Row(name="none", changes={"data.train_part": 0.001})
    with pytest.raises(UserError, match="no picture for train"):
        Runner(experiment(pictures, (*ROWS, none)), (ROWS[1], none), 1, tmp_path)


def test_it_stops_after_so_many_runs_and_goes_on(done, pictures):
    output, _, _ = done
    more = Runner(experiment(pictures), ROWS[1:], 2, output)
    before = (output / results.FILE).read_bytes()
    assert more.run(most=0) is None
    assert (output / results.FILE).read_bytes() == before
