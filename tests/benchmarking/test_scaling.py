"""Predictions of data parallelism: sums computed by hand, text, refusals, and real workers."""

import json

import pytest

from alexnet_tf import benchmark
from alexnet_tf.benchmarking import report, ring, rounds, scaling
from alexnet_tf.benchmarking.contenders import table
from alexnet_tf.benchmarking.spec import Sample, Spec, What
from alexnet_tf.benchmarking.text import text
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError
from pipelines.config import InputConfig

TINY = NetworkConfig(num_classes=5, width=1 / 16, fc_width=16, input=InputConfig(size=67))
FLAGS = (
    "--network.width=0.0625 --network.fc_width=16 --network.input.size=67 "
    "--network.num_classes=5 --global_batch_size=8 --rounds=2 --round_seconds=0.1 --json"
).split()
MACHINE = {"cores": 2, "processor": "P", "accelerator": None, "system": "S"}
MACHINE |= {"versions": {"TensorFlow": "2"}, "load_before": 0.5, "date": "2026-01-01"}


def spec(network=TINY, workers=(2, 4, 8)) -> Spec:
    config = Config(network=network, run=RunConfig(global_batch_size=256))
    link = {"gbit_per_second": 8.0, "latency_seconds": 0.001}
    return Spec(what=What.SCALING, config=config, workers=workers, **link)


def steps(seconds: float, rows: int = 256) -> list[Sample]:
    return [Sample(rows, seconds, seconds)] * 3


def samples() -> dict:
    return {
        "one_worker": steps(2.0),
        "one_worker_half": steps(1.2, rows=128),
        "one_worker_smallest": steps(0.5, rows=32),
        "two_workers": steps(1.6),
        "small_sum": steps(0.0004),
        "large_sum": steps(0.0004 + 2**26 / 1e9),
    }


def found(**some) -> dict:
    return report.result(spec(), 3, rounds.Measured(samples() | some), MACHINE, "")


def test_a_ring_of_four_moves_one_and_a_half_times_the_gradients_in_six_messages():
    link = ring.Link(gbit_per_second=8.0, latency_seconds=0.01)  # 10^9 bytes a second
    assert ring.sum_seconds(4, 2e9, link) == pytest.approx(2 * 3 / 4 * 2 + 6 * 0.01)
    assert ring.sum_seconds(1, 2e9, link) == 0


@pytest.mark.parametrize("workers", [2, 5])
def test_a_link_is_found_again_from_two_sums_over_it(workers):
    link = ring.Link(gbit_per_second=3.0, latency_seconds=0.002)
    small, large = (ring.sum_seconds(workers, size, link) for size in (0, 1e8))
    again = ring.link_of(workers, small, large, 1e8)
    assert again.gbit_per_second == pytest.approx(3.0)
    assert again.latency_seconds == pytest.approx(0.002)


@pytest.mark.parametrize(
    "gigabytes, after, overlapped",
    [(0.5, 2 / 1.5, 2.0), (2.0, 2 / 3, 1.0)],  # the sum takes 0.5 s, and 2 s
)
def test_a_sum_after_the_step_adds_its_time_and_one_beside_it_counts_where_it_is_longer(
    gigabytes, after, overlapped
):
    link = ring.Link(gbit_per_second=8.0, latency_seconds=0.0)
    one = ring.predict(2, 50, 1.0, 50.0, gigabytes * 1e9, link)  # 100 images took 2 s alone
    assert one.speedup_summed_after == pytest.approx(after)
    assert one.speedup_overlapped == pytest.approx(overlapped)


def test_the_papers_network_sums_244_megabytes_a_step():
    assert scaling.gradient_bytes(spec(NetworkConfig(num_classes=1000))) == 4 * 60_965_224


def test_workers_that_share_a_batch_step_as_measured_or_on_the_line_between():
    scaled = found()["scaling"]
    seconds = {
        (one["scaling"], one["workers"]): (one["examples_per_worker"], one["step_seconds"])
        for one in scaled["predictions"]
    }
    between = 0.5 + (1.2 - 0.5) * (64 - 32) / (128 - 32)
    assert seconds["strong", 2] == (128, pytest.approx(1.2))
    assert seconds["strong", 4] == (64, pytest.approx(between))
    assert seconds["strong", 8] == (32, pytest.approx(0.5))
    assert all(seconds["weak", n] == (256, pytest.approx(2.0)) for n in (2, 4, 8))


def test_weak_scaling_counts_the_images_of_all_workers():
    two = next(one for one in found()["scaling"]["predictions"] if one["scaling"] == "weak")
    summing = 4 * sum(row.parameters for row in scaling.table(TINY)) / 1e9 + 2 * 0.001
    assert two["sum_seconds"] == pytest.approx(summing)
    assert two["speedup_summed_after"] == pytest.approx(2 * 2.0 / (2.0 + summing))


def test_what_two_workers_reach_stands_beside_what_loopback_lets_expect():
    loopback = found()["scaling"]["loopback"]
    assert loopback["gbit_per_second"] == pytest.approx(8.0)
    assert loopback["latency_seconds"] == pytest.approx(0.0002)
    assert loopback["measured_speedup"] == pytest.approx(2.0 / 1.6)
    assert loopback["predicted"]["workers"] == 2
    said = text(found())
    assert "loopback: 8 Gbit/s and 200 us a message measured; two workers predicted" in said
    assert "measured 1.25 x" in said
    assert "| 4 workers, strong | " in said


def test_without_two_workers_there_is_nothing_to_hold_against():
    measured = rounds.Measured({k: x for k, x in samples().items() if k.startswith("one")})
    result = report.result(spec(), 3, measured, MACHINE, "")
    assert result["scaling"]["loopback"] is None
    assert "loopback" not in text(result)


def test_half_a_batch_is_measured_once_where_two_workers_are_the_most():
    keys = [one.key for one in table.contenders_of(spec(workers=(2,)))]
    assert keys[:2] == ["one_worker", "one_worker_half"]
    assert keys[2:] == ["two_workers", "small_sum", "large_sum", "three_workers"]


@pytest.mark.parametrize("rows, shared", [(256, 255), (9, 9), (2, 3)])
def test_three_workers_share_what_3_divides(rows, shared):
    config = Config(network=TINY, run=RunConfig(global_batch_size=rows))
    three = table.contender(What.SCALING, "three_workers")
    assert (
        three.adapt(Spec(what=What.SCALING, config=config)).config.run.global_batch_size == shared
    )


@pytest.mark.parametrize(
    "typed, message",
    [
        ("scaling", "gbit_per_second=0: expected more than 0, the bandwidth between workers."),
        ("scaling --gbit_per_second=1 --workers=1,2", "workers=1,2: expected 2 or more, each"),
        (
            "scaling --gbit_per_second=1 --latency_seconds=-1",
            "latency_seconds=-1: expected 0 or more.",
        ),
        (
            "scaling --gbit_per_second=1 --workers=3",
            "global_batch_size=256: expected a multiple of 3, since so many workers share it.",
        ),
        (
            "strategy --workers=2",
            "workers=2, gbit_per_second=0, latency_seconds=0: expected none with strategy",
        ),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(typed, message):
    with pytest.raises(UserError, match=message):
        benchmark.main(typed.split())


@pytest.mark.slow
def test_predictions_are_held_against_two_workers_in_the_same_run(capsys):
    assert benchmark.main(["scaling", "--gbit_per_second=10", "--workers=2", *FLAGS]) == 0
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert measured["left_out"] == []
    loopback = measured["scaling"]["loopback"]
    assert loopback["measured_speedup"] > 0  # of tiny steps, beside whatever else runs
    assert loopback["gbit_per_second"] > 0


def test_workers_on_cpus_send_rows_instead_of_the_papers_large_gradients():
    paper = spec(NetworkConfig(num_classes=1000))
    kernels = {(9216, 4096), (4096, 4096), (4096, 1000)}
    rows = sum(256 * sum(shape) for shape in kernels)
    others = 60_965_224 - sum(d * units for d, units in kernels)
    assert scaling.bytes_to_sum(paper, 256) == 4 * (others + rows / 2)  # passed on once
    assert scaling.bytes_to_sum(paper, 4096) == scaling.gradient_bytes(paper)  # too many rows
