"""The two ways in which a command ends badly without a traceback, and help with misspelt names."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in the call or in the input: one sentence, exit code 2."""


class RunFailed(Exception):
    """A rightly called command that could not do its work: one sentence, exit code 1."""


def expected_one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Says that `value` is none of the choices, and which of them comes nearest."""
    choices = list(choices)
    close = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{name}={value}: expected one of {', '.join(choices)}.{hint}"
