"""Every setting of a run, frozen and checked. Imports neither TensorFlow nor Keras.

Flags, JSON files, checkpoints and tests all read these objects. The string under a field is its
help text on the command line.
"""

import dataclasses
import enum
import fractions
import math

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.optimizer import PAPER_BATCH, BatchScaling, OptimizerConfig, Rule
from pipelines.config import FREE, DataConfig
from pipelines.typed import Typed

ALL_BUT_LAST = "all_but_last"
"""In `RunConfig.freeze`: every layer but the output layer."""


class StrategyName(enum.StrEnum):
    """How a step is spread over devices."""

    SINGLE = "single"
    MIRRORED = "mirrored"
    MULTI_WORKER = "multi_worker"
    TPU = "tpu"


class Collectives(enum.StrEnum):
    """How gradients are summed over workers."""

    AUTO = "auto"
    RING = "ring"
    NCCL = "nccl"


class Precision(enum.StrEnum):
    """The arithmetic of the network; weights are float32 always."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig(Typed):
    """How long and where a run trains, and what it writes. Its flags have no section name."""

    strategy: StrategyName = dataclasses.field(default=StrategyName.SINGLE, metadata=FREE)
    """single takes one device; mirrored shares each batch among several devices; multi_worker, of
    training alone, among processes on one or many machines, each with all its GPUs or a CPU; tpu
    among the cores of a TPU (not run on one)."""
    devices: tuple[str, ...] = dataclasses.field(default=(), metadata=FREE)
    """Devices to use, such as gpu:0,gpu:1 or cpu:0,cpu:1 (logical ones are made); by default the
    first GPU (single) or all GPUs (mirrored), and the CPU where there is none."""
    workers: tuple[str, ...] = dataclasses.field(default=(), metadata=FREE)
    """With multi_worker, HOST:PORT of each worker, the chief's first; by default those of TF_CONFIG
    or of SLURM's variables."""
    worker_index: int = dataclasses.field(default=0, metadata=FREE)
    """Which of --workers this process is, from 0, the chief: the only one that writes."""
    worker_wait_seconds: float = dataclasses.field(default=600.0, metadata=FREE)
    """How long workers wait for one that comes late."""
    collectives: Collectives = dataclasses.field(default=Collectives.AUTO, metadata=FREE)
    """How workers sum gradients: ring (over the network, CPUs too), nccl (between GPUs), or auto,
    which takes nccl where all have GPUs."""
    tpu: str = dataclasses.field(default="local", metadata=FREE)
    """With tpu, which one: local, of this machine, or a TPU's name or address."""
    towers: int = dataclasses.field(default=1, metadata=FREE)
    """Devices that hold one replica; 2 puts each of the two groups of channels on a device of its
    own, as in 2012 (--devices=gpu:0,gpu:1, or cpu:0,cpu:1). Its older name is network.towers."""
    run_dir: str = dataclasses.field(default="", metadata=FREE)
    """Where the run lives: settings, metrics, events, checkpoints. Default: runs/<recipe>."""
    start_from: str = ""
    """Take the first weights from here, layer by layer: a run or a converted directory, whose best
    checkpoint is used and whose network and input the run gets; or a file with weights (.pth, .pt,
    .safetensors, .caffemodel, .npy, .npz), where --network.name says what it holds. A layer that
    is not there starts anew, and so does the last one for another number of classes. Each of
    several workers has to see it."""
    start_from_layers: tuple[str, ...] = ()
    """Take these layers alone from --start_from, such as conv1,conv2; by default all there are."""
    freeze: tuple[str, ...] = ()
    """Layers that stay as they are, such as conv1,conv2, or all_but_last: no gradient, no decay; a
    batch normalization keeps its statistics too. Dropout stays on."""
    steps: int = dataclasses.field(default=0, metadata=FREE)
    """Train for so many steps (updates of the weights); instead of --epochs."""
    epochs: float = dataclasses.field(default=90, metadata=FREE)
    """Train for so many passes over the training set; the paper made about 90."""
    global_batch_size: int = PAPER_BATCH
    """Examples per step, over all devices together."""
    accumulate_steps: int = dataclasses.field(default=1, metadata=FREE)
    """Compute each step in so many parts, one after another, and add their gradients: a batch that
    does not fit into memory trains as if it did."""
    batch_norm_of_parts: bool = dataclasses.field(default=False, metadata=FREE)
    """With --accumulate_steps, let a batch normalization see each part by itself, and move its
    statistics once for each."""
    seed: int = 0
    """Decides initial weights, order, augmentation and dropout; 0 to 4294967295."""
    deterministic: bool = False
    """Only use operations that repeat bit for bit; slower on GPUs."""
    precision: Precision = Precision.FLOAT32
    """float32 (exact), tf32, bfloat16 or float16 arithmetic; weights stay float32."""
    steps_per_launch: int = dataclasses.field(default=0, metadata=FREE)
    """Steps that the device makes without the host; 0 finds what lasts about a second. Changes
    no result."""
    log_every_steps: int = 20
    """Steps between two lines of training metrics."""
    evaluate_every_epochs: int = 1
    """Epochs between two evaluations; the end of the run is always evaluated."""
    stop_after_stalled_epochs: int = dataclasses.field(default=0, metadata=FREE)
    """End the run when no evaluation was better for so many epochs, by top-1 error; 0 never. Drops
    of the plateau schedule do not start the count anew: give it more than patience_epochs."""
    save_every_seconds: float = dataclasses.field(default=600.0, metadata=FREE)
    """Longest time between two checkpoints; each evaluation writes one as well."""
    keep_epochs: tuple[int, ...] = dataclasses.field(default=(), metadata=FREE)
    """Epochs at whose end a checkpoint is written that stays, such as 1,2,5,10, beside the best and
    the last two; `visualize evolution` shows them. What is kept stays when an epoch is left out
    later; epochs that are over cannot be added."""
    tensorboard: bool = dataclasses.field(default=True, metadata=FREE)
    """Write events for TensorBoard into <run_dir>/events."""

    def __post_init__(self):
        """Refuses counts below 1."""
        super().__post_init__()
        if self.towers not in (1, 2):
            raise ValueError(f"towers={self.towers}: expected 1 or 2.")
        for name in (
            "global_batch_size",
            "accumulate_steps",
            "log_every_steps",
            "evaluate_every_epochs",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1.")
        self.at_least(1, "keep_epochs")
        self.at_most(2**24, "global_batch_size", "accumulate_steps")
        if self.stop_after_stalled_epochs < 0:
            raise ValueError(
                f"stop_after_stalled_epochs={self.stop_after_stalled_epochs}: expected 0 or more."
            )
        for name in ("steps", "steps_per_launch"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected 0 or more.")
        if not (self.steps or self.epochs > 0):
            raise ValueError(f"epochs={self.epochs}: expected a positive number, or --steps=N.")
        if self.save_every_seconds <= 0:
            raise ValueError(f"save_every_seconds={self.save_every_seconds}: expected more than 0.")
        if self.worker_wait_seconds <= 0:
            raise ValueError(
                f"worker_wait_seconds={self.worker_wait_seconds}: expected more than 0."
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed}: expected 0 to {2**32 - 1}.")
        if self.start_from_layers and not self.start_from:
            raise ValueError(
                f"start_from_layers={','.join(self.start_from_layers)}: expected --start_from=... "
                "too, which says where the layers come from."
            )
        if ALL_BUT_LAST in self.freeze and len(self.freeze) > 1:
            raise ValueError(
                f"freeze={','.join(self.freeze)}: expected {ALL_BUT_LAST} alone, or layers by name."
            )
        if len(set(self.devices)) != len(self.devices):
            raise ValueError(f"devices={','.join(self.devices)}: expected each device once.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Typed):
    """All settings of a run: what a run directory stores as config.json."""

    recipe: str = "quickstart"
    """Named settings to start from."""
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    run: RunConfig = RunConfig()

    def __post_init__(self):
        """Refuses strategies that do not fit the number of devices and towers."""
        super().__post_init__()
        devices, strategy = ",".join(self.run.devices), self.run.strategy
        if self.run.towers == 2:
            if self.network.groups != 2:
                raise ValueError(
                    f"towers=2 with network.groups={self.network.groups}: expected groups=2, since "
                    "a tower is a group on its own device. Set --towers=1 or --network.groups=2."
                )
            if strategy not in (StrategyName.SINGLE, StrategyName.MULTI_WORKER):
                raise ValueError(
                    f"towers=2 with strategy={strategy}: expected strategy=single or multi_worker, "
                    "since two towers spread one replica over two devices. Use --strategy=single; "
                    "for data parallelism on one machine --towers=1."
                )
            if len(self.run.devices) != 2:
                raise ValueError(
                    f"towers=2 with devices={devices}: expected two devices, one for each "
                    "tower. Set --devices=gpu:0,gpu:1, or cpu:0,cpu:1 for two logical CPU devices."
                )
        elif strategy == StrategyName.SINGLE and len(self.run.devices) > 1:
            raise ValueError(
                f"devices={devices} with strategy=single: expected one device. To train on several "
                "use --strategy=mirrored, or --towers=2 for the paper's two towers."
            )
        if self.run.towers == 2 and self.optimizer.rule == Rule.LAMB:
            raise ValueError(
                "optimizer.rule=lamb with towers=2: expected paper or sgdw, since lamb needs the "
                "length of whole kernels and towers have halves. Leave one out."
            )
        if strategy == StrategyName.TPU:
            if devices:
                raise ValueError(
                    f"devices={devices} with strategy=tpu: expected none, since all cores of the "
                    "TPU are used. Leave --devices out, and name the TPU with --tpu."
                )
            if self.run.precision in (Precision.FLOAT16, Precision.TF32):
                raise ValueError(
                    f"precision={self.run.precision} with strategy=tpu: expected bfloat16 or "
                    "float32, which are what a TPU has. Use --precision=bfloat16."
                )
        is_alone = strategy == StrategyName.MULTI_WORKER and self.run.towers == 1
        if is_alone and "cpu" in devices.lower() and devices.lower() != "cpu:0":
            raise ValueError(
                f"devices={devices} with strategy=multi_worker: expected cpu:0 alone, since a "
                "worker has one replica on its CPU. Leave --devices out; start more workers."
            )
        if self.run.workers and strategy != StrategyName.MULTI_WORKER:
            raise ValueError(
                f"workers={','.join(self.run.workers)} with strategy={strategy}: expected "
                "strategy=multi_worker. Set it, or leave --workers out."
            )
        if self.data.service and strategy == StrategyName.MULTI_WORKER:
            raise ValueError(
                f"strategy=multi_worker, data.service={self.data.service}: expected one of the "
                "two, since each worker reads its share itself. Leave one out."
            )
        if self.data.service and self.run.deterministic:
            raise ValueError(
                f"deterministic=true, data.service={self.data.service}: expected one of the two, "
                "since a service gives the examples of an epoch in no fixed order. Leave one out."
            )

    @property
    def run_dir(self) -> str:
        """The run's directory."""
        return self.run.run_dir or f"runs/{self.recipe}"

    @property
    def rate_factor(self) -> float:
        """What `optimizer.batch_scaling` multiplies the learning rate by."""
        ratio = self.run.global_batch_size / PAPER_BATCH
        factors = {
            BatchScaling.NONE: 1.0,
            BatchScaling.LINEAR: ratio,
            BatchScaling.SQRT: ratio**0.5,
        }
        return factors[self.optimizer.batch_scaling]

    def elsewhere(self) -> "Config":
        """Copies the settings for another command, on one device and not where it was trained."""
        alone = {"strategy": StrategyName.SINGLE, "devices": (), "towers": 1, "workers": ()}
        run = dataclasses.replace(self.run, **alone)
        return dataclasses.replace(
            self, run=run, data=dataclasses.replace(self.data, stage="", service="")
        )

    def num_steps(self, num_examples: int) -> int:
        """Counts the steps of the whole run over a training set of `num_examples`."""
        if self.run.steps:
            return self.run.steps
        epochs = fractions.Fraction(str(self.run.epochs))  # 1.1 is no more than that
        return max(1, math.ceil(epochs * num_examples / self.run.global_batch_size))
