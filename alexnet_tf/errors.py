"""The errors that end a command without a traceback, what makes them of others, and their words."""

import contextlib
import errno
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from pipelines import files
from pipelines.typed import expected_one_of

__all__ = [
    "NotFinite",
    "RunFailed",
    "UserError",
    "check_finite",
    "expected_one_of",
    "listed",
    "make_output",
    "place_errors",
    "user_errors",
    "writing",
]


_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of the system about a path that was typed, whatever was to be done there."""


class UserError(ValueError):
    """A mistake in the call or in the input: one sentence, exit code 2."""


class RunFailed(Exception):
    """A failure that is no mistake in the call: one sentence, exit code 1."""


class NotFinite(RunFailed):
    """A loss or a weight that ran away: the same settings end the same way again."""


def check_finite(values: Any, precision: str) -> None:
    """Refuses what a network has given where it is no number.

    Args:
      values: an array, or one number.
      precision: that it was computed in, for the message.

    Raises:
      NotFinite: one is infinite or no number.
    """
    import numpy as np  # not for all commands

    if not np.isfinite(values).all():
        raise NotFinite(
            f"precision={precision}: the network gave values that are not finite. Expected numbers "
            "that this precision holds; use --precision=float32, or weights that did not run away."
        )


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turns a ValueError, by which settings and data are refused, into a UserError."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from error


@contextlib.contextmanager
def place_errors() -> Iterator[None]:
    """Turns what the system says of a path where this user may do nothing into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_PLACE or error.filename is None:
            raise
        raise UserError(
            f"{str(error.filename)!r}: {error.strerror}; expected a place that this user may use. "
            "Permit it, or name another."
        ) from error


def make_output(output: str | os.PathLike, is_file: bool = False) -> None:
    """Makes a place for --output before anything is computed, so that an error comes early.

    Args:
      output: a directory, or a file, whose directory is made.
      is_file: it is a file.

    Raises:
      UserError: nothing can be written there.
    """
    path = pathlib.Path(output)
    try:
        files.make_writable(*((path.parent, path.name) if is_file else (path,)))
    except OSError as error:
        raise UserError(
            f"output={str(output)!r} cannot be written: {error.strerror}. Expected a "
            f"{'file' if is_file else 'directory'} that this user may write to; name another with "
            "--output."
        ) from error


@contextlib.contextmanager
def writing(path: str | os.PathLike, way_out: str = "") -> Iterator[None]:
    """Turns an OSError while a file or folder is written into one sentence.

    Args:
      path: the file or folder.
      way_out: what helps besides room and permission, such as ", or with --tensorboard=false".

    Raises:
      RunFailed: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"{str(path)!r} could not be written: {error.strerror or error}. Make room or permit "
            f"writing, and run the same command again{way_out}."
        ) from error


def listed(names: Iterable[object], most: int = 8) -> str:
    """Lists the first `most` of some names, and counts the others."""
    names = [name if len(name) < 80 else f"{name[:77]}..." for name in map(str, names)]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"
