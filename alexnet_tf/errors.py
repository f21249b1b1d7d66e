"""The two ways in which a command ends badly without a traceback, and help with misspelt names."""

from pipelines.typed import expected_one_of

__all__ = ["RunFailed", "UserError", "expected_one_of"]


class UserError(ValueError):
    """A mistake in the call or in the input: one sentence, exit code 2."""


class RunFailed(Exception):
    """A rightly called command that could not do its work: one sentence, exit code 1."""
