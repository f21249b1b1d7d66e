"""Ctrl-C while the modules of a command are still being imported."""

import signal
import sys


def end_quietly() -> None:
    """Lets it end the process without a traceback, where `python -m` has begun with one of ours."""
    typed = sys.orig_argv
    name = typed[typed.index("-m") + 1] if sys.argv[:1] == ["-m"] and "-m" in typed else ""
    is_ours = name.startswith(("alexnet_tf.", "pipelines."))
    if is_ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def hear() -> None:
    """Makes it a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
