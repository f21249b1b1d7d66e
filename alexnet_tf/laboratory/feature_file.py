"""A file of features: .npz, written a batch at a time and replaced whole."""

import contextlib
import math
import os
import pathlib
import shutil
import tempfile
import zipfile
from types import TracebackType

import numpy as np

from alexnet_tf.errors import UserError, make_output, writing
from pipelines import files


class FeatureFile:
    """Writes arrays of features, names, labels and classes, with memory for one batch of features.

    The file appears when it is finished. Until then its place on the disk is taken twice.

    Args:
      path: ends in .npz.
      shape: of one example's features.

    Raises:
      RunFailed: it cannot be written, such as on a full disk.
    """

    def __init__(self, path: str | os.PathLike, shape: tuple[int, ...]):
        """Opens the file for the rows beside it."""
        self._path, self._shape = pathlib.Path(path), shape
        with writing(self._path):  # without a name, so that nothing is left after a kill
            self._rows = tempfile.TemporaryFile(dir=self._path.parent)
        self.num_rows = 0

    def __enter__(self) -> "FeatureFile":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes what is unfinished."""
        with contextlib.suppress(OSError):  # what is left of a full disk
            self._rows.close()

    def write(self, features: np.ndarray) -> None:
        """Adds rows: float32 [N, *shape]."""
        with writing(self._path):
            self._rows.write(np.ascontiguousarray(features, np.float32))
        self.num_rows += len(features)

    def finish(self, **arrays: np.ndarray) -> None:
        """Writes the file, with these arrays beside `features`."""
        # The next file of the name replaces what a kill leaves behind.
        unfinished = self._path.with_name(f".{self._path.name}.unfinished")
        with writing(self._path), contextlib.ExitStack() as stack:
            self._rows.seek(0)
            stack.callback(unfinished.unlink, missing_ok=True)
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                with archive.open("features.npy", "w", force_zip64=True) as entry:
                    _write_header(entry, (self.num_rows, *self._shape))
                    shutil.copyfileobj(self._rows, entry, 2**22)
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, array, allow_pickle=False)
            with open(unfinished, "rb") as file:
                files.sync(file)
            unfinished.replace(self._path)
            files.sync_directory(self._path.parent)


def check_place(path: str) -> None:
    """Refuses a place where no file of features can be written.

    Raises:
      UserError: it does not end in .npz, is a folder, or its folder cannot be written to.
    """
    place = pathlib.Path(path)
    if place.suffix != ".npz":
        raise UserError(f"output={path!r}: expected a file that ends in .npz. Change --output.")
    if os.path.isdir(place):
        raise UserError(f"output={path!r} is a directory; expected a file. Change --output.")
    make_output(path, is_file=True)


def check_room(path: str, shape: tuple[int, ...], num_examples: int) -> None:
    """Refuses a disk without room for the rows and for the file, before anything is computed.

    Raises:
      UserError: there is too little.
    """
    needed = 2 * 4 * num_examples * math.prod(shape)
    free = shutil.disk_usage(pathlib.Path(path).parent).free
    if needed > free:
        raise UserError(
            f"output={path!r}: {num_examples:,} pictures of {math.prod(shape):,} numbers take "
            f"{files.size_text(needed)} while they are written; {files.size_text(free)} are free. "
            "Expected more room; make some, name another --output, or --pool the places of maps."
        )


def _write_header(file, shape: tuple[int, ...]) -> None:
    about = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False}
    np.lib.format.write_array_header_2_0(file, about | {"shape": shape})
