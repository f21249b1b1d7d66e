"""Writes formats that need a package of their own."""

import collections
import importlib
import pathlib
import types
from collections.abc import Mapping

import numpy as np

from alexnet_tf.errors import UserError


def write_torch(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict.

    Raises:
      UserError: PyTorch is not installed.
    """
    torch = _package("torch")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with open(path, "wb") as file:
        torch.save(collections.OrderedDict(tensors), file)


def write_safetensors(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict as safetensors does.

    Raises:
      UserError: the package is not installed.
    """
    path.write_bytes(_package("safetensors.numpy").save(dict(arrays)))


def _package(name: str) -> types.ModuleType:
    """Imports a package that only these formats need."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UserError(
            f"expected the package {package} for files of this kind. `pip install {package}`, or "
            "name a file that ends in .npz."
        ) from error
