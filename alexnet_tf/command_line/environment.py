"""The environment of every command: variables that TensorFlow reads, and how a command ends."""

import errno
import os
import sys
from typing import NoReturn

from alexnet_tf.command_line import quiet

QUIET = {quiet.LEVEL: "3"}
"""Our own sentences should be seen."""

FAST = {
    "TF_ENABLE_ONEDNN_OPTS": "1",  # off by default on AMD CPUs (TF 2.21)
    # Large tensors on a CPU come and go with each step; in pages of 4 KB the kernel's work with
    # them takes a twelfth of the step.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""What makes steps on a CPU fast; a user's own values stay."""


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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
    return spec is not None and spec.name.startswith(("alexnet_tf.", "pipelines."))
