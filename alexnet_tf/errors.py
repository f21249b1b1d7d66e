"""The two ways in which a command ends badly without a traceback, and how messages list names."""

import contextlib
import os
from collections.abc import Iterable, Iterator

from pipelines.typed import expected_one_of

__all__ = ["RunFailed", "UserError", "expected_one_of", "listed", "writing"]


class UserError(ValueError):
    """A mistake in the call or in the input: one sentence, exit code 2."""


class RunFailed(Exception):
    """A rightly called command that could not do its work: one sentence, exit code 1."""


@contextlib.contextmanager
def writing(path: str | os.PathLike, way_out: str = "") -> Iterator[None]:
    """Turns what the system says about a file or folder that is written into one sentence.

    Args:
      path: of it.
      way_out: what helps beside room and permission, such as ", or with --tensorboard=false".

    Raises:
      RunFailed: the disk does not take it.
    """
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"{str(path)!r} could not be written: {error.strerror or error}. Make room or permit "
            f"writing, and run the same command again{way_out}."
        ) from error


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names the first of a list that may be long, and counts the others."""
    names = [name if len(name) < 80 else f"{name[:77]}..." for name in map(str, names)]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"
