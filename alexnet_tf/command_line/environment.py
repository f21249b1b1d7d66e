"""The environment of every command: variables that TensorFlow reads, and how a command ends."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from alexnet_tf.command_line import quiet
from alexnet_tf.errors import UserError
from pipelines import interrupts

QUIET = {quiet.LEVEL: "3"}
"""Our own sentences should be seen."""

FAST = {
    "TF_ENABLE_ONEDNN_OPTS": "1",  # off by default on AMD CPUs (TF 2.21)
    # Large tensors on a CPU come and go with each step; in pages of 4 KB the kernel's work with
    # them takes a twelfth of the step.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""What makes steps on a CPU fast; a user's own values stay."""


THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Numbers that TensorFlow reads unchecked."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk says that takes no more."""


def prepare() -> None:
    """Sets the variables; restarts the process if the C library has to read one at its start.

    In a command, it also hides TensorFlow's log lines unless they are asked for.
    """
    if _is_command():
        _open_closed_files()
    is_late = sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ
    for name, value in (QUIET | FAST).items():
        os.environ.setdefault(name, value)
    if is_late and _is_command():  # glibc reads its tunables when a process starts
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    if _is_command():
        quiet.watch_import()
        quiet.hide_retracing()


def _open_closed_files() -> None:
    """Opens what the shell has closed (`2>&-`): else the first files of our own take their places.

    What is written there is lost, as was asked for.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def check() -> None:
    """Refuses numbers of threads with which TensorFlow would end in a stack trace, or ignore.

    Raises:
      UserError: one is no whole number from 0.
    """
    for name in THREADS:
        text = os.environ.get(name) or "0"
        if not text.isdecimal():
            raise UserError(
                f"{name}={text}: expected a whole number of threads, or 0 for as many as there are "
                "processors. Set it so, or leave it out of the environment."
            )


class Messages:
    """Standard error of a command: where it can no longer be written, the work goes on without.

    A terminal may be closed, a disk full, or the reader of a pipe gone.

    Args:
      stream: what messages are written to.
    """

    def __init__(self, stream: TextIO):
        """Takes the stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, if that is possible."""
        with self._going_on():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes, if that is possible."""
        with self._going_on():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Has all else of the stream."""
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            give_up(self._stream)


def give_up(stream: TextIO) -> None:
    """Lets what is written to a stream from now on be lost, and what libraries write there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_of_output(error: OSError) -> bool:
    """Tells whether standard output is what could not be written; it is given up then.

    The error names no file, and Python drops what it could not write, so one more line is tried.
    """
    if error.filename is not None or error.errno not in _FULL:
        return False
    try:
        os.write(sys.stdout.fileno(), b"\n")
        return False
    except OSError:
        give_up(sys.stdout)
        return True


def leave(code: int) -> NoReturn:
    """Exits from a command whose files are closed.

    Skips the shutdown of the interpreter, in which TensorFlow's iterators over several devices
    were seen to hang (TF 2.21).
    """
    if not _is_command():
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _is_command() -> bool:
    """Tells whether this process was started as `python -m alexnet_tf....` or `pipelines....`."""
    spec = sys.modules["__main__"].__spec__
    return spec is not None and spec.name.startswith(interrupts.PACKAGES)
