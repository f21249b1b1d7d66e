"""The settings of a transfer experiment, and the layers that it can probe. No TensorFlow."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from alexnet_tf.config.fields import settings_of, to_text, value_at
from alexnet_tf.config.layer_rows import Drop
from alexnet_tf.config.network import Init, NetworkConfig
from alexnet_tf.config.optimizer import Schedule
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError, expected_one_of, listed, user_errors
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import activated
from alexnet_tf.recipes import recipe
from alexnet_tf.training import checkpoint
from pipelines.config import Cache, OnError

CLIP_NORM = 1.0
"""Of gradients, where the run has no limit of its own."""
TAKEN_RATE = 0.1
"""Of layers that fine-tuning takes over, as a multiple of the rate that they would have."""
MOST_FOLDS = 10
SHARED = ("data.source", "data.on_error", "data.max_megapixels", "network")
SHARED += ("global_batch_size", "devices", "precision")
"""Settings of a run that the experiment takes as well."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Measures what a network's features are worth on pictures of other classes.

    As in Zeiler and Fergus (2013), section 5.2: random folds with so many pictures of each class to
    train on and up to 50 of the others to test, mean of the classes' accuracies. Compared are a
    linear classifier on each frozen layer (ridge regression, its penalty chosen inside the training
    part), the same network from scratch, and fine-tuned.
    """

    shared_default: ClassVar[str] = "the run's own, or that of imagenette"

    run_dir: str = ""
    """Directory of the run, or a converted one; or else --start_from."""
    start_from: str = ""
    """A file with weights, of which some layers may be missing; --network.name says what it
    holds."""
    output: str = "runs/experiments/transfer"
    """Directory of the table; the same command goes on with what is there."""
    layers: tuple[str, ...] = ()
    """Layers to probe, such as pool5,fc7; by default for each layer with a kernel, but the last,
    what the next one gets: pool1, pool2, conv3, ... as far as there are weights."""
    per_class: tuple[int, ...] = (15, 30)
    """Pictures of each class to train on. A class that has no more trains with all but one."""
    folds: int = 5
    """Random folds, which may share pictures; 1 to 10."""
    tune_folds: int = 1
    """In so many folds the network is also trained from scratch and fine-tuned; 0 leaves both out.
    One says nothing about the chance of training."""
    epochs: int = 8
    """Passes over a fold's training pictures, from scratch and fine-tuning."""
    seed: int = 0
    """Decides the folds, the order of the pictures, and new weights."""
    dry_run: bool = False
    """Say what would be measured, and on how many pictures."""

    def __post_init__(self):
        """Refuses numbers outside their range, and none or both of the two origins."""
        if bool(self.run_dir) == bool(self.start_from):
            raise ValueError(
                f"run_dir={self.run_dir!r}, start_from={self.start_from!r}: expected one of the "
                "two, which says where the features come from. Name a run, or a file with weights."
            )
        if not 1 <= self.folds <= MOST_FOLDS:
            raise ValueError(f"folds={self.folds}: expected 1 to {MOST_FOLDS} folds.")
        if not 0 <= self.tune_folds <= self.folds:
            raise ValueError(
                f"tune_folds={self.tune_folds}: expected 0 to folds={self.folds}, of which these "
                "are some."
            )
        if not self.per_class or min(self.per_class) < 1:
            raise ValueError(
                f"per_class={','.join(map(str, self.per_class))}: expected numbers of pictures to "
                "train on, each at least 1, such as 15,30."
            )
        if self.epochs < 1:
            raise ValueError(f"epochs={self.epochs}: expected at least 1 pass.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed}: expected a seed from 0 to {2**32 - 1}.")


def base(arguments: Arguments, override: Callable[[Config], Config]) -> Config:
    """Makes the settings that all parts of the experiment share.

    They are those of the run, or of the recipe imagenette where the weights are another program's.
    The rate falls to zero as a cosine after an epoch of warmup, whatever the run's own schedule,
    and gradients are clipped: with few pictures an epoch is so few steps that the loss ran away.

    Args:
      arguments: those of the experiment.
      override: puts in what was typed.

    Raises:
      UserError: there are no weights, or no folder of pictures was named.
      RunFailed: the weights are damaged.
    """
    config, network = recipe("imagenette"), NetworkConfig()
    if arguments.run_dir:
        stored = checkpoint.load(arguments.run_dir)
        network = stored.config.network
        if stored.step is not None:  # a run of ours, which knows how such a network is trained
            config = stored.config.elsewhere()
    elif os.path.isdir(arguments.start_from):
        raise UserError(
            f"start_from={arguments.start_from!r}: expected a file with weights, found a "
            "directory. Name a run or converted weights with --run_dir."
        )
    epochs, seed = arguments.epochs, arguments.seed
    data = {"source": "shapes", "on_error": OnError.SKIP, "cache": Cache.NONE, "cache_dir": ""}
    data |= {"service": "", "train_part": 1.0}
    run = {"start_from": arguments.run_dir or arguments.start_from, "start_from_layers": ()}
    run |= {"freeze": (), "seed": seed, "tensorboard": False, "stop_after_stalled_epochs": 0}
    run |= {"steps": 0, "epochs": epochs, "evaluate_every_epochs": epochs}
    optimizer = {"schedule": Schedule.COSINE, "warmup_epochs": 1.0}
    optimizer["clip_norm"] = config.optimizer.clip_norm or CLIP_NORM
    config = override(
        dataclasses.replace(
            config,
            network=network,
            data=dataclasses.replace(config.data, **data),
            run=dataclasses.replace(config.run, **run),
            optimizer=dataclasses.replace(config.optimizer, **optimizer),
        )
    )
    if config.network.input.mean == "dataset":
        raise UserError(
            "network.input.mean=dataset: expected three levels, since features are compared over "
            "folds that have no common mean. Write them as R,G,B."
        )
    if not config.data.source.startswith("folder:"):
        raise UserError(
            f"data.source={config.data.source!r}: expected folder:DIR with a folder for each "
            "class, as Caltech-101 has. Name it with --data.source."
        )
    return config


def with_classes(config: Config, num_classes: int) -> Config:
    """Copies the settings with a number of classes.

    Raises:
      UserError: the network cannot be built.
    """
    config = dataclasses.replace(config, network=config.network.with_num_classes(num_classes))
    with user_errors():
        table(config.network)
    return config


def scratch(config: Config) -> Config:
    """Settings of the same network from random weights.

    PyTorch's first weights, with which few pictures teach nothing for long, give way to those of
    He et al. (2015).
    """
    init = Init.HE if config.network.init == Init.TORCH else config.network.init
    return dataclasses.replace(
        config,
        network=dataclasses.replace(config.network, init=init),
        run=dataclasses.replace(config.run, start_from=""),
    )


def tuned(config: Config, taken: Sequence[str]) -> Config:
    """Settings of fine-tuning: layers taken over learn at TAKEN_RATE, the others start anew.

    These start with the deviations of the 2012 program, 0.01 in fully connected layers. With He's,
    which keep the scale of features that are large already, the first steps undo what was learned.
    """
    rates = dict(config.optimizer.rate_by_layer)
    rates |= {layer: TAKEN_RATE * rates.get(layer, 1.0) for layer in taken}
    texts = tuple(f"{layer}={rate:g}" for layer, rate in rates.items())
    return dataclasses.replace(
        config,
        network=dataclasses.replace(config.network, init=Init.PROGRAM),
        optimizer=dataclasses.replace(config.optimizer, rates=texts),
        run=dataclasses.replace(config.run, start_from_layers=tuple(taken)),
    )


def taken_layers(network: NetworkConfig, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Lists the layers whose weights are there, bottom to top, without the output layer."""
    rows = [row for row in table(network) if row.arrays]
    return [row.name for row in rows[:-1] if f"{row.name}/{next(iter(row.arrays))}" in arrays]


def probed(
    config: Config, asked: Sequence[str], arrays: Mapping[str, np.ndarray]
) -> dict[str, int]:
    """Chooses the layers whose features are measured.

    Args:
      config: its network has its number of classes.
      asked: names of layers, whose activations are meant; by default, for each layer with a kernel
        but the last, what the next one gets of it, before dropout.
      arrays: the weights that there are, by our names.

    Returns:
      for each layer how many with a kernel it stands on, itself among them.

    Raises:
      UserError: there is no such layer, or it stands on one whose weights are missing.
    """
    numbers, ends, usable, number = {}, {}, [], 0
    taken, lacks = taken_layers(config.network, arrays), ""
    rows = table(config.network)
    for row in rows[: _last_kernel(rows)]:
        number += row.layer.has_kernel
        numbers[row.name] = number
        if row.arrays and row.name not in taken:
            lacks = lacks or row.name
        if not lacks:
            usable.append(row.name)
            if number and not isinstance(row.layer, Drop):
                ends[number] = row.name
    shown, below = [], [row for row in rows if row.name in usable]
    for layer in asked:
        if layer not in numbers:
            raise UserError(expected_one_of("layers", layer, list(numbers)))
        if layer not in usable:
            raise UserError(
                f"layers={layer}: start_from={config.run.start_from!r} has no weights of {lacks}, "
                f"which {layer} needs; expected some of {listed(usable)}. Leave {layer} out."
            )
        shown.append(activated(below, layer).name)
    if not ends and not lacks:
        raise UserError(
            f"network.name={config.network.name}: expected a network with a layer below its last, "
            "whose features can be measured; this one has none. Take another."
        )
    if not ends:
        raise UserError(
            f"start_from={config.run.start_from!r} has no weights of {lacks}, the first layer, so "
            "there is nothing to measure; expected those of all layers up to one. Take another "
            "file."
        )
    return {layer: numbers[layer] for layer in shown or ends.values()}


def _last_kernel(rows: list) -> int:
    return max(place for place, row in enumerate(rows) if row.layer.has_kernel)


def compared(config: Config, arrays: Mapping[str, np.ndarray], digest: str) -> dict[str, str]:
    """Lists what decides the results, as text by name, to compare with what was stored."""
    weights = hashlib.sha256()
    for name in sorted(arrays):
        weights.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    names = ("precision", "global_batch_size", "seed", "epochs")
    names += ("data.max_megapixels", "data.on_error")
    settings = [
        x
        for x in settings_of(Config)
        if x.is_flag and (x.path[0] in ("network", "optimizer") or x.name in names)
    ]
    texts = {x.name: to_text(value_at(config, x.path)) for x in settings}
    layers = hashlib.sha256(repr(config.network.layers).encode()).hexdigest()
    return texts | {"network.layers": layers, "weights": weights.hexdigest(), "pictures": digest}
