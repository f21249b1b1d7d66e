"""How fast it is: python -m alexnet_tf.benchmark step|inference|loop|input|strategy|scaling.

step measures the training step against plain Keras, against PyTorch where it is installed (eager
and compiled, channels first and last, and compiled with local response normalization rewritten; the
best as its users tune it and the best rewritten are quoted), and against the device's matrix
products; inference does so for the forward pass; loop measures what reading data costs `train`
on top of its step; input compares the reading of files with PyTorch's DataLoader and NVIDIA DALI
where they are installed, and measures its stages; strategy measures the same step on one device,
on several, and on two workers; scaling predicts what data parallelism reaches on several workers.
Each contender works in a process of its own (workers in two), one after the other in rounds; the
table quotes medians over the rounds. It goes to standard output, progress to standard error.

With --json the last line of standard output is one JSON object: benchmark, network,
global_batch_size, precision, device, pictures (what loop or input read: noise or a data.source;
null otherwise), rounds, gflop_per_image, multiply_adds, of_predicted (by how much the speed is what
the multiply-adds predict from that of `paper`; null for `paper` itself and for loop),
crossing_bytes_per_image (of two towers: layers, forward, backward; null otherwise), contenders,
best_pytorch (the form of PyTorch, as its users tune it, that comes closest: name, ours_times; null
where there is none, and for loop), best_pytorch_lrn_rewritten (the same of the forms whose local
response normalization is rewritten), left_out (a list of {name, reason}), machine (cores,
processor, accelerator, system, versions, load_before, date), command. Each contender has name,
images_per_second (the median), lowest, highest, by_round, cpu_seconds_per_image (of all its
threads), and

- of step and inference (alexnet_tf, one_device (of two towers), paper (of other networks),
  plain_keras, pytorch_eager_channels_first, pytorch_eager_channels_last,
  pytorch_compiled_channels_first, pytorch_compiled_channels_last, these two also with
  _lrn_rewritten at the end (of networks that have that layer), matrix_product):
  gflop_per_second, ours_times (how many times as fast alexnet_tf is; null where there is nothing
  to compare), share_of_peak (a fraction);
- of loop (step, loop_in_memory, loop_encoded, decoder): allowed_images_per_second (to
  loop_in_memory the step's speed; to loop_encoded what the decoder's own CPU time leaves of it),
  loss_percent (against that); both are null of the others;
- of input (alexnet_tf, floats, not_augmented, squares (the limit: read, decode and resize in one
  plain map), packed, checked, decoded, read, pytorch, pytorch_bicubic, dali; of a packed set of
  raw squares only those that need no decoding): ours_times, share_of_limit (a fraction);
- of strategy (single, mirrored, multi_worker): step_seconds (the median), of_single (a fraction of
  its images per second);
- of scaling (one_worker, one_worker_half, one_worker_smallest, two_workers, small_sum, large_sum):
  step_seconds (the median).

Of scaling there is also scaling (null otherwise): gradient_bytes, gbit_per_second, latency_seconds,
predictions (a list of scaling: strong or weak, workers, examples_per_worker, step_seconds,
sum_seconds, speedup_summed_after, speedup_overlapped) and loopback (gbit_per_second and
latency_seconds as measured, predicted: one more prediction, measured_speedup; null where two
workers could not be measured).
"""

import dataclasses
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from alexnet_tf.benchmarking import machine, report, rounds
from alexnet_tf.benchmarking.contenders.table import contenders_of
from alexnet_tf.benchmarking.spec import NOISE, Spec, What
from alexnet_tf.benchmarking.text import text
from alexnet_tf.command_line import flags
from alexnet_tf.config.fields import POSITIONAL
from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Config, Precision, RunConfig
from alexnet_tf.errors import UserError, expected_one_of, user_errors
from alexnet_tf.networks.family.names import FAMILY, network

NUM_CLASSES = 1000
"""Of ImageNet; --network.num_classes changes it."""
BATCH, BATCH_OF_MANY = 64, 256
"""Examples per step by default: of one device, and where several share them."""
WORKERS = (2, 4, 8)
"""Numbers of workers to predict by default."""
ON_MANY = (What.STRATEGY, What.SCALING)
"""What is measured on devices that each contender chooses."""
LEARNING_RATE = 1e-4
"""So small that random pictures and labels lead nowhere: numbers keep their size."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Measures images per second: of training, the forward pass, the loop, its input, strategies.

    step and inference compare with plain Keras, with PyTorch (if it is installed; eager and
    compiled) and with the device's matrix products. loop says what is lost by reading data, from
    memory and from encoded pictures; input compares the reading with other programs, and needs
    --data.source=folder:DIR or, for squares that are only read, records:DIR. strategy takes the
    same step on one device, on all GPUs or two logical CPUs, and on two workers of this machine.
    scaling predicts how much faster several workers are that sum their gradients in a ring, over a
    network with --gbit_per_second; what it predicts for two on this machine is measured too.
    """

    shared_default: ClassVar[str] = "the named network's own"
    shared_defaults: ClassVar[dict[str, str]] = {"network.name": "paper", "data.source": "noise"}

    what: tuple[str, ...] = dataclasses.field(metadata=POSITIONAL)
    """step, inference, loop, input, strategy or scaling."""
    global_batch_size: int | None = None
    """Examples per step, over all workers; by default 64, and 256 for strategy and
    scaling."""
    rounds: int = 5
    """How often each contender is measured."""
    round_seconds: float = 1.0
    """Least duration of one measurement in seconds, roughly."""
    beside: tuple[str, ...] = ()
    """Contenders to measure besides alexnet_tf and the limit, all by default: of step and inference
    plain_keras, paper, one_device, pytorch (all its forms, or one by its name in --json); of input
    pytorch, pytorch_bicubic, dali."""
    workers: tuple[int, ...] = ()
    """Of scaling: numbers of workers to predict; by default 2,4,8."""
    gbit_per_second: float = 0.0
    """Of scaling: the bandwidth from each worker to the next."""
    latency_seconds: float = 0.0
    """Of scaling: what each message between workers takes besides its bytes."""
    json: bool = False
    """Print one JSON object after the table."""
    precision: Precision = Precision.FLOAT32
    """float32 (exact), tf32, bfloat16 or float16 arithmetic, of all contenders."""
    devices: tuple[str, ...] = ()
    """The device to use, such as gpu:0; by default the first GPU, and the CPU where there is
    none. Two for --towers=2."""

    def __post_init__(self):
        """Refuses unknown benchmarks and numbers that cannot be measured."""
        if len(self.what) != 1:
            raise ValueError(f"{' '.join(self.what)}: expected one of {', '.join(What)} at a time.")
        if self.what[0] not in list(What):
            raise ValueError(expected_one_of("what", self.what[0], What))
        if self.rounds < 1:
            raise ValueError(f"rounds={self.rounds}: expected at least 1.")
        if self.round_seconds <= 0:
            raise ValueError(f"round_seconds={self.round_seconds}: expected more than 0.")

        if self.what[0] == What.SCALING:
            self._check_network()
        elif self.workers or self.gbit_per_second or self.latency_seconds:
            raise ValueError(
                f"workers={','.join(map(str, self.workers))}, "
                f"gbit_per_second={self.gbit_per_second:g}, "
                f"latency_seconds={self.latency_seconds:g}: expected none with {self.what[0]}, "
                "since scaling alone predicts. Leave them out."
            )

    def _check_network(self):
        """Refuses workers and a network between them that make no sense."""
        if any(workers < 2 for workers in self.workers):
            raise ValueError(
                f"workers={','.join(map(str, self.workers))}: expected 2 or more, each of them."
            )
        if self.gbit_per_second <= 0:
            raise ValueError(
                f"gbit_per_second={self.gbit_per_second:g}: expected more than 0, the bandwidth "
                "between workers. Set --gbit_per_second=10 for a network of 10 Gbit/s."
            )
        if self.latency_seconds < 0:
            raise ValueError(f"latency_seconds={self.latency_seconds:g}: expected 0 or more.")

    def config(self) -> Config:
        """Makes the run whose steps are measured: the paper's network, without --network.* yet."""
        rows = self.global_batch_size
        if rows is None:
            rows = BATCH_OF_MANY if self.what[0] in ON_MANY else BATCH
        return Config(
            recipe="paper",
            network=network("paper").with_num_classes(NUM_CLASSES),
            optimizer=OptimizerConfig(learning_rate=LEARNING_RATE),
            run=RunConfig(global_batch_size=rows, precision=self.precision),
        )


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    call = flags.parse(argv, Arguments, shared=("network", "data.source", "towers"))
    arguments = call.arguments
    with user_errors():
        config = _config(arguments, call.typed)
        if arguments.what[0] in ON_MANY:
            _check_chooses(arguments.what[0], config)
        spec = Spec(
            what=What(arguments.what[0]),
            config=config,
            pictures=call.typed.get("data.source", NOISE),
            round_seconds=arguments.round_seconds,
            workers=_workers(arguments, config),
            gbit_per_second=arguments.gbit_per_second,
            latency_seconds=arguments.latency_seconds,
        )
        report.flop_per_image(config.network, spec.what)  # refuses tables that cannot be built
        report.crossing_bytes(config)  # or halved
    if spec.what == What.INPUT:
        spec = dataclasses.replace(spec, has_squares=_has_squares(spec.pictures))
    if config.network.input.mean == "dataset":
        raise UserError("network.input.mean=dataset: expected three levels; there is no data set.")
    load = machine.load()
    measured = rounds.measure(contenders_of(spec, arguments.beside), spec, arguments.rounds, _say)
    about = machine.machine(measured.versions, measured.accelerator, load)
    command = " ".join(["python -m alexnet_tf.benchmark", *map(shlex.quote, argv)])
    result = report.result(spec, arguments.rounds, measured, about, command)
    print(text(result), flush=True)
    if arguments.json:
        print(json.dumps(result), flush=True)
    return 0


def _config(arguments: Arguments, typed: Mapping[str, Any]) -> Config:
    """Makes the run to measure; without num_classes, a network has those it was made for."""
    values = dict(typed)
    if arguments.devices:
        values["devices"] = arguments.devices
    if typed.get("network.name") in FAMILY:
        values.setdefault("network.num_classes", FAMILY[typed["network.name"]].num_classes)
    return flags.override(arguments.config(), values)


def _check_chooses(what: str, config: Config) -> None:
    """Refuses devices where each contender chooses its own."""
    run = config.run
    if run.devices or run.towers > 1:
        raise UserError(
            f"devices={','.join(run.devices)}, towers={run.towers}: expected neither with {what}, "
            "whose contenders choose their devices. Leave them out; CUDA_VISIBLE_DEVICES= leaves "
            "the CPU alone."
        )


def _workers(arguments: Arguments, config: Config) -> tuple[int, ...]:
    """Lists the numbers of workers to predict, all of which can share the batch."""
    if arguments.what[0] != What.SCALING:
        return ()
    numbers, batch = arguments.workers or WORKERS, config.run.global_batch_size
    if uneven := [number for number in numbers if batch % number]:
        raise UserError(
            f"global_batch_size={batch}: expected a multiple of {uneven[0]}, since so many workers "
            "share it. Change it, or --workers."
        )
    return numbers


def _has_squares(pictures: str) -> bool:
    """Tells whether a data.source is a packed set of raw squares.

    Raises:
      UserError: it is something else, but for a folder, which other programs cannot read.
    """
    from pipelines.sources import records  # TensorFlow starts here

    kind, _, place = pictures.partition(":")
    if kind == "records":
        with user_errors():
            if records.is_raw(place):
                return True
    elif kind == "folder":
        return False
    raise UserError(
        f"data.source={pictures}: expected folder:DIR, or records:DIR packed with --format=raw, "
        "since input compares with programs that read nothing else. Name one of them."
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    flags.run_command(main)
