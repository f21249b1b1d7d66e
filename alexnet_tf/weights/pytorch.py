"""PyTorch's files of weights: a zip archive, or, as before PyTorch 1.6, pickles in a row.

PyTorch is needed for writing alone.
"""

import collections
import dataclasses
import importlib
import pathlib
import types
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.weights.pickles import Values

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
ZIP_MAGIC = b"PK\x03\x04"


@dataclasses.dataclass(slots=True)  # a file sets no other attributes
class Storage:
    """Numbers in a row, which tensors are views of."""

    kind: str
    """NumPy's name of their type, or bfloat16."""
    contents: bytes = b""
    """The numbers, lowest byte first."""

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return 2 if self.kind == "bfloat16" else np.dtype(self.kind).itemsize

    def array(self) -> np.ndarray:
        """The numbers; bfloat16 as the float32 that it is the upper half of."""
        if self.kind == "bfloat16":
            upper = np.frombuffer(self.contents, "<u2").astype("<u4")
            return (upper << 16).view("<f4")
        return np.frombuffer(self.contents, self.kind)


@dataclasses.dataclass(slots=True)
class Tensor:
    """A view of a storage; places and steps in numbers, not in bytes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray:
        """The view.

        Raises:
          ValueError: it would reach beyond its storage.
        """
        flat = self.storage.array()
        steps = zip(self.size, self.stride, strict=True)
        last = self.offset + sum((size - 1) * step for size, step in steps)
        if min(self.offset, *self.size, *self.stride, 0) < 0 or not 0 <= last < len(flat):
            raise ValueError(f"a tensor of shape {self.size} beyond its {len(flat)} numbers")
        steps_bytes = [step * flat.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.size, steps_bytes)


def _tensor(storage: Storage, offset: int, size: tuple, stride: tuple, *unused) -> Tensor:
    return Tensor(storage, offset, tuple(size), tuple(stride))


KINDS = {
    "Float": "<f4",
    "Double": "<f8",
    "Half": "<f2",
    "BFloat16": "bfloat16",
    "Long": "<i8",
    "Int": "<i4",
}
"""Storages' kinds by PyTorch's names for them."""

KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *unused: data,
    ("torch", "Size"): tuple,
    **{
        (module, f"{name}Storage"): kind
        for module in ("torch", "torch.cuda")
        for name, kind in KINDS.items()
    },
}
"""What a file of tensors names."""


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a state dict, also where it stands under `state_dict` or was made on several devices.

    Returns:
      arrays by PyTorch's names without `module.`: `features.0.weight`, ...

    Raises:
      UserError: the file holds more than values, or something else than a state dict.
      Exception: of many kinds, where the file is damaged.
    """
    with open(path, "rb") as file:
        is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        file.seek(0)
        found = _read_zip(file) if is_zip else _read_legacy(file)
    if isinstance(found, Mapping):
        found = found.get("state_dict", found)
    if not isinstance(found, Mapping) or not all(isinstance(x, Tensor) for x in found.values()):
        raise UserError(
            "it holds no state dict; write one with torch.save(model.state_dict(), ...)."
        )
    return {name.replace("module.", ""): tensor.array() for name, tensor in found.items()}


def _read_zip(file: BinaryIO) -> Any:
    """Reads the format since PyTorch 1.6: NAME/data.pkl, and NAME/data/KEY for each storage."""
    with zipfile.ZipFile(file) as archive:
        (main,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        top = main.removesuffix("data.pkl")
        if f"{top}byteorder" in archive.namelist():
            order = archive.read(f"{top}byteorder").decode()
            if order != "little":
                raise ValueError(f"byteorder={order}, expected little")

        def storage(identifier: tuple) -> Storage:
            _, kind, key, *_ = identifier
            return Storage(kind, archive.read(f"{top}data/{key}"))

        with archive.open(main) as pickled:
            return Values(pickled, KNOWN, storage).load()


def _read_legacy(file: BinaryIO) -> Any:
    """Reads the older format: three pickles about the file, the object, then every storage."""
    magic, _, about = (Values(file, {}).load() for _ in range(3))
    if magic != LEGACY_MAGIC or not about["little_endian"]:
        raise ValueError("no mark of PyTorch's at its beginning, or another order of bytes")
    storages: dict[str, Storage] = {}

    def storage(identifier: tuple) -> Storage:
        _, kind, key, _, _, view = identifier
        if view is not None:
            raise ValueError("a view of a storage, expected whole storages")
        return storages.setdefault(key, Storage(kind))

    found = Values(file, KNOWN, storage).load()
    for key in Values(file, {}).load():
        num_bytes = int.from_bytes(file.read(8), "little") * storages[key].item_bytes
        storages[key].contents = file.read(num_bytes)
        if len(storages[key].contents) != num_bytes:
            raise EOFError("it ends inside of an array")
    return found


def write(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict.

    Raises:
      UserError: PyTorch is not installed.
    """
    torch = _package("torch")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with open(path, "wb") as file:
        torch.save(collections.OrderedDict(tensors), file)


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a state dict that safetensors wrote.

    Raises:
      UserError: the package is not installed.
      Exception: of several kinds, where the file is damaged.
    """
    return _package("safetensors.numpy").load(path.read_bytes())


def write_safetensors(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict as safetensors does.

    Raises:
      UserError: the package is not installed.
    """
    path.write_bytes(_package("safetensors.numpy").save(dict(arrays)))


def _package(name: str) -> types.ModuleType:
    """Imports a package that only these files need."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UserError(
            f"expected the package {package} for files of this kind. `pip install {package}`, or "
            "name a file that ends in .npz."
        ) from error
