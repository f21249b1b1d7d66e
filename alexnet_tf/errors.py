"""The two ways in which a command ends badly without a traceback, and how messages list names."""

from collections.abc import Iterable, Sequence

from pipelines.typed import expected_one_of

__all__ = ["RunFailed", "UserError", "class_difference", "expected_one_of", "listed"]


class UserError(ValueError):
    """A mistake in the call or in the input: one sentence, exit code 2."""


class RunFailed(Exception):
    """A rightly called command that could not do its work: one sentence, exit code 1."""


def listed(names: Iterable[object], most: int = 8) -> str:
    """The first names of a list that may be long, and how many more there are."""
    names = [name if len(name) < 80 else f"{name[:77]}..." for name in map(str, names)]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"


def class_difference(found: Sequence[str], expected: Sequence[str]) -> str:
    """Says how the names of classes differ from others, in one line however many there are."""
    missing, unknown = (
        list(dict.fromkeys(x for x in some if x not in others))
        for some, others in ((expected, set(found)), (found, set(expected)))
    )
    if missing or unknown or len(found) != len(expected):
        return (
            f"{len(found)} classes instead of {len(expected)}: missing {listed(missing)}; unknown "
            f"{listed(unknown)}"
        )
    pairs = enumerate(zip(found, expected, strict=True))
    differ = [f"{a} instead of {b} at {i}" for i, (a, b) in pairs if a != b]
    return f"{len(found)} classes in another order: {listed(differ, 3)}"
