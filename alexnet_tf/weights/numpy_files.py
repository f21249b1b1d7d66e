"""NumPy's files of weights: the pickled dictionary of bvlc_alexnet.npy, and plain .npz."""

import pathlib
from collections.abc import Mapping

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.weights.pickles import ARRAYS, Array, Values


def read_npy(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a pickled dictionary from the name of a layer to [kernel, bias].

    Returns:
      `conv1/kernel` float [h, w, in / groups, out], `fc6/kernel` [in, out], `conv1/bias` [out].

    Raises:
      UserError: the file holds more than values, or something else than such a dictionary.
      Exception: of many kinds, where the file is damaged.
    """
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version](file)
        found = Values(file, ARRAYS).load().value if header[2].hasobject else None
    if not isinstance(found, Mapping):
        raise UserError("it holds no dictionary from the name of a layer to [kernel, bias].")
    arrays = {}
    for layer, parts in found.items():
        for name, part in zip(("kernel", "bias"), parts, strict=False):
            if not isinstance(part, Array) or not isinstance(part.value, np.ndarray):
                raise UserError(f"{layer} is no list of a kernel and a bias.")
            arrays[f"{layer}/{name}"] = part.value
    return arrays


def read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads arrays by our own names, such as those of a checkpoint; velocities are left out.

    Raises:
      Exception: of several kinds, where the file is damaged.
    """
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files if not name.endswith("/momentum")}


def write_npz(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by their names."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)
