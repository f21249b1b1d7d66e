"""The formats of weights, told by the ends of file names."""

import contextlib
import dataclasses
import functools
import pathlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.weights import caffe, layouts, numpy_files, pytorch, safetensors, writers
from alexnet_tf.weights.layouts import Layout
from alexnet_tf.weights.stored import Stored


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """One format of weights."""

    layout: Layout
    """The layout of its arrays."""
    networks: str
    """The networks whose weights it usually has."""
    read: Callable[[pathlib.Path], dict[str, Stored]]
    """Reads arrays by name."""
    write: Callable[[pathlib.Path, Mapping[str, np.ndarray]], None] | None = None
    """Writes arrays by name; None for formats that are only read."""


TORCH = Format(
    layout=layouts.TORCHVISION,
    networks="torchvision",
    read=pytorch.read,
    write=writers.write_torch,
)
ONLY_READ = dataclasses.replace(TORCH, write=None)
FORMATS = {
    ".pth": TORCH,
    ".pt": TORCH,
    ".pth.tar": ONLY_READ,
    ".ckpt": ONLY_READ,
    ".bin": ONLY_READ,
    ".safetensors": dataclasses.replace(
        TORCH, read=safetensors.read, write=writers.write_safetensors
    ),
    ".caffemodel": Format(layout=layouts.CAFFE, networks="caffe or caffenet", read=caffe.read),
    ".npy": Format(
        layout=layouts.CAFFE_IN_NUMPY, networks="caffe or caffenet", read=numpy_files.read_npy
    ),
    ".npz": Format(
        layout=layouts.OURS,
        networks="paper",
        read=numpy_files.read_npz,
        write=numpy_files.write_npz,
    ),
}
"""Kinds of files by the end of their names."""


def format_of(path: str) -> Format | None:
    """Looks up the format of a file by its name; None for other names, such as a directory's."""
    return next((kind for end, kind in FORMATS.items() if path.lower().endswith(end)), None)


def load(
    path: str, network: NetworkConfig, rename: Sequence[str] = ()
) -> tuple[NetworkConfig, dict[str, np.ndarray]]:
    """Reads the weights of a network from a file.

    Args:
      path: a file whose name ends like one of FORMATS.
      network: the network; `num_classes` 0 takes the number from the last layer.
      rename: names of layers as OLD=NEW, if the file has other names.

    Returns:
      the network with its number of classes, and float32 arrays by our names.

    Raises:
      UserError: it cannot be read, is damaged, or has other contents.
    """
    kind = format_of(path)
    if kind is None:
        raise UserError(
            f"from={path!r}: expected a run directory, or a file that ends in {', '.join(FORMATS)}."
        )
    try:
        return layouts.to_ours(read(path, kind), kind.layout, network, rename)
    except ValueError as error:
        raise UserError(f"from={path!r}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """Writes an error on one line, with control characters that it quotes from a file escaped."""
    words = " ".join(str(error).split())
    return "".join(x if x.isprintable() else "?" for x in words)


def read(path: str, kind: Format) -> dict[str, Stored]:
    """Lists the arrays of a file, each to be read once its shape is known to be right.

    Raises:
      UserError: it cannot be read, is damaged, or has other contents.
    """
    arrays = _read(_listed, pathlib.Path(path), kind)
    return {
        name: dataclasses.replace(array, read=functools.partial(_read, array.read))
        for name, array in arrays.items()
    }


def _listed(path: pathlib.Path, kind: Format) -> dict[str, Stored]:
    if path.exists() and not path.is_file():  # a pipe would have to be waited for
        raise UserError("it is no file with a beginning and an end; expected one.")
    return kind.read(path)


def _read(reader: Callable, *arguments) -> Any:
    """Calls a reader; turns any error or warning of the libraries into a UserError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return reader(*arguments)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{error.strerror or error}; expected a file that can be read.") from error
    except Exception as error:
        raise UserError(
            f"it cannot be read ({type(error).__name__}: {str(error)[:300]}); expected "
            "a whole file as its program wrote it."
        ) from error


def store(path: str, arrays: Mapping[str, np.ndarray], network: NetworkConfig) -> None:
    """Writes the weights of a network into a file, whole or not at all.

    Raises:
      UserError: the layout has no place for them, or the package that writes it is missing.
      RunFailed: it cannot be written.
    """
    kind, unfinished = format_of(path), pathlib.Path(f"{path}.unfinished")
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        kind.write(unfinished, layouts.from_ours(arrays, kind.layout, network))
        unfinished.replace(path)
    except UserError as error:
        raise UserError(f"output={path!r}: {error}") from error
    except (OSError, RuntimeError) as error:  # PyTorch's writer has the second
        reason = getattr(error, "strerror", None) or error
        raise RunFailed(
            f"output={path!r} could not be written: {reason}. Make room or permit writing, and run "
            "the same command again."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # such as a file where a directory should be
            unfinished.unlink()
