"""Weights as read from a directory, with what is known of them. Imports no TensorFlow."""

import dataclasses
import os
import pathlib
import weakref

import numpy as np

from alexnet_tf.config import Config
from alexnet_tf.errors import RunFailed


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files are open: what another process removes meanwhile stays readable."""

    path: pathlib.Path
    config: Config
    classes: tuple[str, ...]
    progress: dict
    """Fields of `state.Progress`."""
    versions: dict
    """Programs and formats that wrote it."""
    arrays_file: int
    """Descriptor of arrays.npz; closed when this object goes."""

    def __post_init__(self):
        """Ties the open file to this object."""
        weakref.finalize(self, os.close, self.arrays_file)

    @property
    def step(self) -> int | None:
        """Updates behind the weights; None for weights that another program trained."""
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
            raise damaged(self.path, error) from error

    def weights(self) -> dict[str, np.ndarray]:
        """Reads the arrays without the optimizer's."""
        arrays = self.arrays()
        return {name: arrays[name] for name in arrays if not name.endswith("/momentum")}


def damaged(path: pathlib.Path, error: Exception) -> RunFailed:
    """Says that a checkpoint is not as it was written."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return RunFailed(
        f"checkpoint={str(path)!r} cannot be read: {reason.rstrip('.')}. Expected it as it was "
        "written; remove this directory to go on from the one before."
    )
