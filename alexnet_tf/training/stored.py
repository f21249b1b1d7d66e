"""Weights read from a directory, with their description. Imports no TensorFlow."""

import dataclasses
import json
import os
import pathlib
import weakref

import numpy as np

from alexnet_tf.config.optimizer import is_slot
from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed
from alexnet_tf.networks.tables.resolved import table

NO_AVERAGES = "raw_weights: the run has no averages, so these are its weights"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An open checkpoint: it stays readable even if another process removes it."""

    path: pathlib.Path
    config: Config
    classes: tuple[str, ...]
    progress: dict
    """Fields of `state.Progress`."""
    versions: dict
    """Versions of the programs and formats that wrote it."""
    arrays_file: int
    """Descriptor of arrays.npz; closed when this object is deleted."""
    kept_epoch: int = 0
    """The epoch that it was kept as the end of, 0 for none."""

    def __post_init__(self):
        """Makes the file close with this object.

        Raises:
          ValueError: the number of class names is not the number of outputs.
        """
        weakref.finalize(self, os.close, self.arrays_file)
        num_classes = self.config.network.num_classes
        if num_classes not in (0, len(self.classes)):
            raise ValueError(f"classes has {len(self.classes)} names for {num_classes} outputs")

    @property
    def step(self) -> int | None:
        """Number of updates behind the weights; None if another program trained them."""
        return self.progress["step"]

    def arrays(self) -> dict[str, np.ndarray]:
        """Reads all arrays by name.

        Raises:
          RunFailed: the file is damaged.
        """
        try:
            with open(os.dup(self.arrays_file), "rb") as file:
                file.seek(0)
                with np.load(file, allow_pickle=False) as stored:
                    return {name: stored[name] for name in stored.files}
        except Exception as error:  # a damaged archive makes NumPy raise almost anything
            raise self._damaged(error) from error

    def weights(self, is_raw: bool = False) -> dict[str, np.ndarray]:
        """Reads the arrays without the optimizer's: averages of weights where there are any.

        Args:
          is_raw: read the weights themselves in any case.

        Raises:
          RunFailed: the file is damaged, or its arrays are not those of the network.
        """
        arrays = self.arrays()
        weights = {
            name: array if is_raw else arrays.get(f"{name}/average", array)
            for name, array in arrays.items()
            if not is_slot(name)
        }
        try:
            rows = table(self.config.network)
        except ValueError as error:
            raise self._damaged(error) from error
        expected = {f"{row.name}/{part}": x for row in rows for part, x in row.arrays.items()}
        found = {name: array.shape for name, array in weights.items() if array.dtype.kind == "f"}
        for name in sorted(weights.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                raise self._damaged(
                    ValueError(
                        f"{name} has shape {found.get(name)}, but the settings in state.json "
                        f"expect {expected.get(name)}"
                    )
                )
        return weights

    def _damaged(self, error: Exception) -> RunFailed:
        return damaged(self.path, error, is_converted=self.step is None)


def damaged(path: pathlib.Path, error: Exception, is_converted: bool = False) -> RunFailed:
    """Makes the error that weights are damaged, with what to do."""
    reason = " ".join(str(error).split()) or type(error).__name__
    advice = (
        "convert once more with `python -m alexnet_tf.convert`"
        if is_converted
        else "remove this directory, and the run goes on from the last one that is left"
    )
    return RunFailed(
        f"checkpoint={str(path)!r} cannot be read: {reason.rstrip('.')}. Expected it as it was "
        f"written; {advice}."
    )


def object_in(path: pathlib.Path) -> dict:
    """Reads an object of JSON; ValueError where the file holds anything else."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no object")
    return found


def check_kinds(values: dict, kinds: dict[str, type]) -> None:
    """Refuses values of another type than `kinds` says."""
    for name, kind in kinds.items():
        if not isinstance(values.get(name), kind):
            raise ValueError(f"{name}={str(values.get(name))[:40]!r}, expected {kind.__name__}")
