"""From samples to ratios, shares and losses, and from these to the JSON object. No TensorFlow.

Ratios are taken within a round, and their median over the rounds is reported: the machine may be
twice as fast a minute later.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.benchmarking.contenders.on_several import SINGLE
from alexnet_tf.benchmarking.contenders.table import LIMIT, PAPER, PYTORCH, contender, paper
from alexnet_tf.benchmarking.rounds import Measured
from alexnet_tf.benchmarking.scaling import rows_of, scaling
from alexnet_tf.benchmarking.spec import Sample, Spec, What
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, Precision
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.two_towers import crossings

OURS, PEAK = "alexnet_tf", "matrix_product"


def flop_per_image(config: NetworkConfig, what: What) -> int:
    """Counts the floating-point operations of convolutions and dense layers for one picture.

    A multiply-add is two. Training does them three times, forward and for two gradients, but the
    first layer needs no gradient for the picture.
    """
    multiply_adds = [row.multiply_adds for row in table(config) if row.multiply_adds]
    forward = 2 * sum(multiply_adds)
    return forward if what == What.INFERENCE else 3 * forward - 2 * multiply_adds[0]


def multiply_adds(config: NetworkConfig) -> int:
    """Counts the multiply-adds of a forward pass over one picture."""
    return sum(row.multiply_adds for row in table(config))


def of_predicted(config: NetworkConfig, samples: Mapping[str, Sequence[Sample]]) -> float | None:
    """Divides the speed by what the multiply-adds predict from the speed of `paper`.

    Returns:
      the median over the rounds; None where `paper` was not measured too.
    """
    if PAPER not in samples:
        return None
    work = multiply_adds(config) / multiply_adds(paper())
    rates = [[sample.rate for sample in samples[key]] for key in (OURS, PAPER)]
    return work * median_ratio(*rates)


def crossing_bytes(config: Config) -> dict[str, Any] | None:
    """Counts the bytes that two towers send each other for one picture, by the sending layer.

    Returns:
      layers, forward and backward (bytes of each pass); None for a network on one device.
    """
    if config.run.towers == 1:
        return None
    size = 2 if config.run.precision in (Precision.BFLOAT16, Precision.FLOAT16) else 4
    layers = {name: size * count for name, count in crossings(config.network).items()}
    total = sum(layers.values())
    return {"layers": layers, "forward": total, "backward": total}


def result(
    spec: Spec, num_rounds: int, measured: Measured, machine: Mapping[str, Any], command: str
) -> dict[str, Any]:
    """Makes the object that `python -m alexnet_tf.benchmark --json` prints.

    Args:
      spec: what was measured.
      num_rounds: number of rounds.
      measured: the samples.
      machine: what `machine.machine` returned.
      command: the command line.
    """
    run = spec.config.run
    flop = flop_per_image(spec.config.network, spec.what)
    is_reading = spec.what in (What.LOOP, What.INPUT)
    samples, best, rewritten, scaled = measured.samples, None, None, None
    if spec.what == What.LOOP:
        entries = loop_entries(samples, machine)
    elif spec.what == What.INPUT:
        entries = input_entries(samples)
    elif spec.what == What.STRATEGY:
        entries = strategy_entries(samples, run.global_batch_size)
    elif spec.what == What.SCALING:
        entries = step_entries(spec, samples)
        scaled = scaling(spec, samples, entries, measured.accelerator is not None)
    else:
        entries = rival_entries(samples, flop, flop_per_image(paper(), spec.what))
        best, rewritten = (best_pytorch(entries, spec.what, anew) for anew in (False, True))
    return {
        "benchmark": str(spec.what),
        "network": spec.config.network.name,
        "global_batch_size": run.global_batch_size,
        "precision": str(run.precision),
        "device": ",".join(run.devices) or ("gpu:0" if measured.accelerator else "cpu:0"),
        "pictures": spec.pictures if is_reading else None,
        "rounds": num_rounds,
        "gflop_per_image": flop / 1e9,
        "multiply_adds": multiply_adds(spec.config.network),
        "of_predicted": None if is_reading else of_predicted(spec.config.network, samples),
        "crossing_bytes_per_image": crossing_bytes(spec.config),
        "contenders": entries,
        "best_pytorch": best,
        "best_pytorch_lrn_rewritten": rewritten,
        "scaling": scaled,
        "left_out": [{"name": key, "reason": why} for key, why in measured.left_out.items()],
        "machine": dict(machine),
        "command": command,
    }


def rival_entries(
    samples: Mapping[str, Sequence[Sample]], flop: int, flop_of_paper: int
) -> list[dict[str, Any]]:
    """Describes the contenders of `step` and `inference`: speed, our ratio, share of the peak.

    Args:
      samples: samples of all rounds, by contender.
      flop: floating-point operations for one picture.
      flop_of_paper: the same for the paper's network, where that is a contender.
    """
    entries = [_entry(key, some, flop if key == PEAK else 1) for key, some in samples.items()]
    speeds = {entry["name"]: entry["by_round"] for entry in entries}
    result = []
    for entry in entries:
        name = entry["name"]
        own = flop_of_paper if name == PAPER else flop
        times = None
        if name not in (OURS, PEAK, PAPER):
            times = median_ratio(speeds[OURS], entry["by_round"])
        share = own / flop * median_ratio(entry["by_round"], speeds[PEAK])
        rate = entry["images_per_second"] * own / 1e9
        result.append(
            entry | {"gflop_per_second": rate, "ours_times": times, "share_of_peak": share}
        )
    return result


def best_pytorch(
    entries: Sequence[Mapping[str, Any]], what: What, is_rewritten: bool = False
) -> dict[str, Any] | None:
    """Finds the form of PyTorch that comes closest to our speed.

    Args:
      entries: what `rival_entries` returned.
      what: the benchmark.
      is_rewritten: of those that go beyond what users tune, instead of the others.

    Returns:
      name, ours_times; None where no form of it was measured.
    """
    known = [(contender(what, one["name"]), one) for one in entries]
    forms = [
        one for who, one in known if who.program == PYTORCH and who.is_rewritten == is_rewritten
    ]
    if not forms:
        return None
    best = min(forms, key=lambda one: one["ours_times"])
    return {"name": best["name"], "ours_times": best["ours_times"]}


def loop_entries(
    samples: Mapping[str, Sequence[Sample]], machine: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Describes the contenders of `loop`: speed, and what the loop loses.

    Squares in memory are compared with the step alone. Encoded pictures are compared with what the
    step and the decoder, each alone, allow together.

    Args:
      samples: samples of all rounds, by contender.
      machine: what `machine.machine` returned.
    """
    speeds = {key: [sample.rate for sample in some] for key, some in samples.items()}
    decoder = [sample.cpu_seconds / sample.units for sample in samples["decoder"]]
    allowed = [
        allowed_speed(step, seconds, machine["cores"], shares_cores=not machine["accelerator"])
        for step, seconds in zip(speeds["step"], decoder, strict=True)
    ]
    bounds = {"loop_in_memory": speeds["step"], "loop_encoded": allowed}
    return [
        _entry(key, some)
        | {
            "allowed_images_per_second": statistics.median(bounds[key]) if key in bounds else None,
            "loss_percent": 100 * (1 - median_ratio(speeds[key], bounds[key]))
            if key in bounds
            else None,
        }
        for key, some in samples.items()
    ]


def input_entries(samples: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
    """The contenders of `input`: speed, how much faster we are, share of the limit.

    Args:
      samples: of all rounds, by contender.
    """
    entries = [_entry(key, some) for key, some in samples.items()]
    speeds = {entry["name"]: entry["by_round"] for entry in entries}
    return [
        entry
        | {
            "ours_times": None
            if entry["name"] == OURS
            else median_ratio(speeds[OURS], entry["by_round"]),
            "share_of_limit": median_ratio(entry["by_round"], speeds[LIMIT]),
        }
        for entry in entries
    ]


def strategy_entries(
    samples: Mapping[str, Sequence[Sample]], global_batch_size: int
) -> list[dict[str, Any]]:
    """The contenders of `strategy`: speed, time of a step, how fast they are beside one device.

    Args:
      samples: of all rounds, by contender.
      global_batch_size: examples in a step.
    """
    entries = [_entry(key, some) for key, some in samples.items()]
    single = next(entry["by_round"] for entry in entries if entry["name"] == SINGLE)
    return [
        entry
        | {
            "step_seconds": global_batch_size / entry["images_per_second"],
            "of_single": median_ratio(entry["by_round"], single),
        }
        for entry in entries
    ]


def step_entries(spec: Spec, samples: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
    """The contenders of `scaling`: speed and time of a step, on a batch of their own.

    Args:
      spec: what was measured.
      samples: of all rounds, by contender.
    """
    entries = [_entry(key, some) for key, some in samples.items()]
    return [
        entry | {"step_seconds": rows_of(spec, entry["name"]) / entry["images_per_second"]}
        for entry in entries
    ]


def allowed_speed(step: float, cpu_seconds: float, cores: int, shares_cores: bool) -> float:
    """Computes the images per second that the decoder's own time allows the loop.

    Args:
      step: images per second of the step on a batch that is on the device.
      cpu_seconds: CPU time of the decoder for one picture.
      cores: number of cores that share its work.
      shares_cores: whether the step runs on the same cores; otherwise both run in parallel.
    """
    decoding = cpu_seconds / cores
    return 1 / (1 / step + decoding if shares_cores else max(1 / step, decoding))


def median_ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """Computes the median over the rounds of one / other."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def _entry(key: str, samples: Sequence[Sample], units_per_image: int = 1) -> dict[str, Any]:
    """Makes the entries that every contender has."""
    speeds = [sample.rate / units_per_image for sample in samples]
    cpu = [units_per_image * sample.cpu_seconds / sample.units for sample in samples]
    return {
        "name": key,
        "images_per_second": statistics.median(speeds),
        "lowest": min(speeds),
        "highest": max(speeds),
        "by_round": speeds,
        "cpu_seconds_per_image": statistics.median(cpu),
    }
