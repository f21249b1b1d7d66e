"""The two ways in which a command ends badly without a traceback, and how messages list names."""

from collections.abc import Iterable

from pipelines.typed import expected_one_of

__all__ = ["RunFailed", "UserError", "expected_one_of", "listed"]


class UserError(ValueError):
    """A mistake in the call or in the input: one sentence, exit code 2."""


class RunFailed(Exception):
    """A rightly called command that could not do its work: one sentence, exit code 1."""


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names the first of a list that may be long, and counts the others."""
    names = [name if len(name) < 80 else f"{name[:77]}..." for name in map(str, names)]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"
