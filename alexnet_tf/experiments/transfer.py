"""How far features carry over to other pictures: the protocol of Zeiler and Fergus (2013), 5.2.

TensorFlow starts when the settings are known to be good.
"""

import dataclasses
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import alexnet_tf
from alexnet_tf.config.run import Config
from alexnet_tf.directory_lock import Lock
from alexnet_tf.errors import NotFinite, user_errors
from alexnet_tf.experiments import (
    linear,
    plan_text,
    transfer_pictures,
    transfer_settings,
    transfer_table,
)
from alexnet_tf.experiments.folds import Fold
from alexnet_tf.experiments.parts import Parts
from alexnet_tf.experiments.transfer_pictures import Pictures
from alexnet_tf.experiments.transfer_settings import Arguments
from alexnet_tf.experiments.transfer_table import part_name
from alexnet_tf.training import start

UNDECODED = "undecoded"
"""The part that lists pictures which cannot be decoded, by their numbers in the source."""


def transfer(
    arguments: Arguments, override: Callable[[Config], Config], command: str
) -> tuple[int, dict]:
    """Measures what is not in `arguments.output` yet, and writes the table there.

    Args:
      arguments: those of the experiment.
      override: copies a Config with the settings among SHARED that were typed.
      command: what was typed, for the page.

    Returns:
      the exit code (0; 1 where a loss ran away; 129, 130 or 143 where a training was stopped), and
      what transfer.json of the table holds, {} where it was stopped or only said.

    Raises:
      UserError: a mistake in the settings, the pictures or the weights.
      RunFailed: weights or parts are damaged, or a file cannot be written.
    """
    config = transfer_settings.base(arguments, override)
    output = pathlib.Path(arguments.output)
    from pipelines.sources import apart, folder  # TensorFlow starts here

    with user_errors():
        apart.check_pictures_apart(arguments.output, config.data.source)
        source = folder.folder(config.data.source.partition(":")[2], "all", config.data.held_out)
    if source.remark:
        print(source.remark, file=sys.stderr, flush=True)
    pictures = transfer_pictures.of_classes(source.classes, source.labels)
    config = transfer_settings.with_classes(config, len(pictures.classes))
    first = start.load(config, pictures.classes)
    layers = transfer_settings.probed(config, arguments.layers, first.arrays)
    print(first.lines[0], file=sys.stderr, flush=True)
    if arguments.dry_run:
        count = len(pictures.index), len(pictures.classes)
        print(plan_text.transfer_text(arguments, layers, config.data.source, *count), flush=True)
        return 0, {}
    with Lock(output, "output"):
        settings = transfer_settings.compared(config, first.arrays, source.digest)
        parts = Parts(output / "parts.json", settings)
        work = _Work(config, first.arrays, source, pictures, parts, output)
        work.probe(layers, arguments.per_class, arguments.folds)
        for per_class in sorted(set(arguments.per_class), reverse=True):
            code = work.train(per_class, arguments.tune_folds)
            if code:
                return code, {}
        about = {
            "weights": first.lines[0].removeprefix("starting from "),
            "source": config.data.source,
            "pictures": len(work.readable.index),
            "undecoded": len(parts.values[UNDECODED]),
            "classes": len(pictures.classes),
            "epochs": arguments.epochs,
            "seed": arguments.seed,
            "version": alexnet_tf.__version__,
            "command": command,
        }
        return transfer_table.write(
            output, about, layers, parts.values, arguments.per_class, arguments.folds
        )


@dataclasses.dataclass(frozen=True)
class _Work:
    """What all parts are made with."""

    config: Config
    arrays: Mapping[str, np.ndarray]
    """The weights that there are, by our names."""
    source: Any
    """All pictures of the folder."""
    pictures: Pictures
    """Those that take part, whether or not they can be decoded."""
    parts: Parts
    output: pathlib.Path

    @property
    def readable(self) -> Pictures:
        """The pictures that can be decoded; known once every picture was seen."""
        return self.pictures.without(self.parts.values[UNDECODED])

    def probe(self, layers: Iterable[str], per_class: Iterable[int], folds: int) -> None:
        """Fits and tests the linear classifiers that are missing, layer by layer."""
        asked = [(n, number) for n in per_class for number in range(folds)]
        done = self.parts.values
        missing = {x: [y for y in asked if part_name(x, *y) not in done] for x in layers}
        wanted = [layer for layer in missing if missing[layer]]
        if not wanted:
            return
        from alexnet_tf.experiments.transfer_features import computed

        features = computed(self.config, self.arrays, wanted, self.source, self.output)
        undecoded = np.setdiff1d(np.arange(self.source.num_examples), features.index)
        self.parts.add(UNDECODED, undecoded.tolist())
        pictures = self.readable
        transfer_pictures.say_small(pictures, max(per_class))
        rows = np.searchsorted(features.index, pictures.index)
        for layer in wanted:
            for n, number in missing[layer]:
                fold = pictures.fold(n, number, self.config.run.seed)
                found = _fitted(features.of_layer[layer], rows, pictures, fold)
                self.parts.add(part_name(layer, n, number), found)
            print(f"{layer}: {len(asked)} folds measured", file=sys.stderr, flush=True)

    def train(self, per_class: int, folds: int) -> int:
        """Trains from scratch and fine-tunes where that is missing; returns the exit code."""
        taken = transfer_settings.taken_layers(self.config.network, self.arrays)
        ways = {
            transfer_table.SCRATCH: transfer_settings.scratch(self.config),
            transfer_table.TUNED: transfer_settings.tuned(self.config, taken),
        }
        for number in range(folds):
            for way, config in ways.items():
                name = part_name(way, per_class, number)
                if name in self.parts.values:  # a kill may have left its folder
                    shutil.rmtree(self._place(name), ignore_errors=True)
                else:
                    fold = self.readable.fold(per_class, number, self.config.run.seed)
                    if code := self._train_one(name, config, fold):
                        return code
        return 0

    def _train_one(self, name: str, config: Config, fold: Fold) -> int:
        """Trains on a fold; a loss that runs away is a result too. Returns the exit code."""
        from alexnet_tf.experiments.transfer_training import trained

        found: dict[str, Any] = {"trained": len(fold.train), "tested": len(fold.test)}
        try:
            code, accuracy = trained(config, self.source, self.readable, fold, self._place(name))
        except NotFinite as error:
            found["failed"] = str(error)
        else:
            if code:
                return code
            found["accuracy"] = accuracy
        self.parts.add(name, found)
        shutil.rmtree(self._place(name), ignore_errors=True)
        return 0

    def _place(self, name: str) -> pathlib.Path:
        """Names the folder of a training."""
        return self.output / name.replace("/", "-").replace(" ", "-")


def _fitted(values: np.ndarray, rows: np.ndarray, pictures: Pictures, fold: Fold) -> dict:
    """Fits a linear classifier to the features of a fold, and tests it.

    Args:
      values: float32 [M, D], features.
      rows: int64 [N], the row of each picture in them.
      pictures: those that take part.
      fold: places in them.
    """
    train, test = fold
    fitted = linear.fit(values[rows[train]], pictures.label[train], len(pictures.classes))
    predicted = fitted.predict(values[rows[test]])
    accuracy = linear.class_accuracy(predicted, pictures.label[test])
    sizes = {"trained": len(train), "tested": len(test)}
    return sizes | {"accuracy": accuracy, "penalty": fitted.penalty}
