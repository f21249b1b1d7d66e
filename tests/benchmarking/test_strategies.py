"""The strategies measured against each other: arithmetic, text, refusals, and real workers."""

import json
import subprocess
import sys

import pytest

from alexnet_tf import benchmark
from alexnet_tf.benchmarking import report, rounds, timing
from alexnet_tf.benchmarking.contenders import on_tensorflow, ours, table
from alexnet_tf.benchmarking.spec import Sample, Spec, What
from alexnet_tf.benchmarking.text import text
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError
from pipelines.config import InputConfig

TINY = NetworkConfig(num_classes=5, width=1 / 16, fc_width=16, input=InputConfig(size=67))
FLAGS = (
    "--network.width=0.0625 --network.fc_width=16 --network.input.size=67 "
    "--network.num_classes=5 --global_batch_size=4 --rounds=2 --round_seconds=0.1 --json"
).split()
MACHINE = {"cores": 2, "processor": "P", "accelerator": None, "system": "S"}
MACHINE |= {"versions": {"TensorFlow": "2"}, "load_before": 0.5, "date": "2026-01-01"}


def spec(rows=8) -> Spec:
    config = Config(network=TINY, run=RunConfig(global_batch_size=rows))
    return Spec(what=What.STRATEGY, config=config, round_seconds=0.01)


def samples(*rates: float) -> list[Sample]:
    return [Sample(rate, 1.0, rate / 10) for rate in rates]


def found() -> dict:
    some = {"single": samples(40, 20, 36), "multi_worker": samples(38, 10, 27)}
    return report.result(spec(), 3, rounds.Measured(some), MACHINE, "")


def test_a_strategy_is_compared_with_one_device_round_by_round():
    single, workers = found()["contenders"]
    assert single["of_single"] == 1
    assert workers["of_single"] == pytest.approx(0.75)  # of .95, .5, .75
    assert workers["step_seconds"] == pytest.approx(8 / 27)


def test_the_table_of_strategies_has_milliseconds_and_shares():
    said = text(found())
    row = next(line for line in said.splitlines() if line.startswith("| 2 workers"))
    cells = [cell.strip() for cell in row.strip("| ").split("|")]
    assert cells == ["2 workers", "27.0", "10.0 - 38.0", "296.3", "100.00", "75.0 %"]
    assert "2 workers: processes on this machine" in said


def test_strategies_share_256_examples_unless_asked_and_others_take_64():
    sizes = [
        benchmark.Arguments(what=(what,)).config().run.global_batch_size
        for what in ("strategy", "step")
    ]
    assert sizes == [256, 64]


def test_workers_are_never_stopped_since_they_watch_each_other():
    stopped = {one.key: one.is_stopped for one in table.CONTENDERS[What.STRATEGY]}
    assert stopped == {"single": True, "mirrored": True, "multi_worker": False}


@pytest.mark.parametrize(
    "typed, message",
    [
        ("strategy --devices=cpu:0", "devices=cpu:0, towers=1: expected neither with strategy"),
        ("strategy --beside=pytorch", "beside=pytorch: expected one of mirrored, multi_worker."),
    ],
)
def test_what_strategies_choose_themselves_is_refused(typed, message):
    with pytest.raises(UserError, match=message):
        benchmark.main(typed.split())


def test_one_gpu_is_not_enough_for_two(monkeypatch):
    listed = {"GPU": ["one"]}
    monkeypatch.setattr(on_tensorflow.tf.config, "list_physical_devices", listed.get)
    with pytest.raises(UserError, match="TensorFlow sees 1 of the 2 GPUs that are needed"):
        on_tensorflow.devices_of(2)


@pytest.mark.long
def test_the_step_is_shared_among_replicas_that_divide_the_batch():
    timing.timed(ours.mirrored(spec(rows=2)), 1)
    with pytest.raises(UserError, match="global_batch_size=3: expected a multiple of 2"):
        ours.mirrored(spec(rows=3))


def test_a_process_counts_the_processor_time_of_those_it_started():
    before = timing.cpu_seconds_of_all()
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", busy], **pipes) as child:
        child.stdout.readline()
        assert timing.cpu_seconds_of_all() - before >= 0.25
        child.communicate(b"\n")


@pytest.mark.slow
def test_all_strategies_are_measured_in_one_run(capsys):
    assert benchmark.main(["strategy", *FLAGS]) == 0
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert measured["left_out"] == []
    names = [one["name"] for one in measured["contenders"]]
    assert names == ["single", "mirrored", "multi_worker"]
    assert all(one["cpu_seconds_per_image"] > 0 for one in measured["contenders"])


@pytest.mark.slow
def test_workers_that_cannot_share_the_batch_are_left_out():
    workers = table.contender(What.STRATEGY, "multi_worker")
    measured = rounds.measure([workers], spec(rows=3), 1, lambda line: None)
    assert measured.left_out == {
        "multi_worker": "global_batch_size=3: expected a multiple of 2, 2 replicas times 1 part. "
        "Change it, or --devices."
    }
