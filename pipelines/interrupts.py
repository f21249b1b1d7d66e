"""Ctrl-C while the modules of a command are still being imported."""

import signal
import sys

PACKAGES = ("alexnet_tf.", "pipelines.")
"""Begin the names of commands of ours."""


def end_quietly() -> None:
    """Lets it end the process without a traceback, where `python -m` has begun with one of ours."""
    is_starting = sys.argv[:1] == ["-m"]  # so until Python has found the module
    _, _, name = "\0".join(sys.orig_argv).partition("\0-m\0")
    if (
        is_starting
        and name.startswith(PACKAGES)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def hear() -> None:
    """Makes it a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
