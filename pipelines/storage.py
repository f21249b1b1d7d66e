"""Files by path, wherever they are: on this machine, or where TensorFlow's file systems reach.

A path with `://` in it (`gs://`, `ram://`) is TensorFlow's; any other is the operating system's.
TensorFlow is loaded for the former only. All errors are OSErrors.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO


def is_local(path: str) -> bool:
    """Whether the operating system knows the path."""
    return "://" not in path


def join(place: str, name: str) -> str:
    """Gives the path of a file in a directory."""
    return os.path.join(place, name) if is_local(place) else f"{place.rstrip('/')}/{name}"


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Opens a file to read bytes: `read(count)`, `seek(place)`.

    Raises:
      OSError: it cannot be opened, or read; FileNotFoundError where there is none.
    """
    if is_local(path):
        with open(path, "rb") as file:
            yield file
        return
    with _system_errors(path) as tf, tf.io.gfile.GFile(path, "rb") as file:
        yield file


def read(path: str, offset: int = 0, num_bytes: int | None = None) -> bytes:
    """Reads a file, or a part of it; less where it ends before.

    Raises:
      OSError: as `opened`.
    """
    with opened(path) as file:
        if offset:
            file.seek(offset)
        return file.read() if num_bytes is None else file.read(num_bytes)


def num_bytes(path: str) -> int:
    """Asks for the size of a file.

    Raises:
      OSError: there is none, or it may not be looked at.
    """
    if is_local(path):
        return os.path.getsize(path)
    with _system_errors(path) as tf:
        return tf.io.gfile.stat(path).length


@contextlib.contextmanager
def _system_errors(path: str):
    """Loads TensorFlow, and turns its errors into those of the system."""
    import tensorflow as tf

    try:
        yield tf
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(2, "No such file or directory", path) from error
    except tf.errors.PermissionDeniedError as error:
        raise PermissionError(13, "Permission denied", path) from error
    except tf.errors.OpError as error:
        raise OSError(5, error.message.partition("\n")[0], path) from error
