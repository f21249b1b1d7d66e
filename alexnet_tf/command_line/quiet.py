"""Keeps TensorFlow's log lines off standard error while a command imports it. No TensorFlow here.

TensorFlow 2.21 writes some lines before it has read TF_CPP_MIN_LOG_LEVEL, straight to descriptor 2.
During the import, that descriptor is a pipe into a process of its own (this file, run as a
program), which passes on all other lines. In a crash, a thread would be lost with the last lines
that it holds; a process still passes them on.
"""

import contextlib
import importlib.machinery
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""0 shows all, 1 hides information, 2 warnings as well, 3 errors as well."""

_PLACE = rb"[\w./-]+\.(?:cc|h):\d+\] "
_LOGGED = re.compile(
    rb"(?P<absl>[IWE])\d{4} \d\d:\d\d:\d+\.\d+ +\d+ %b" % _PLACE
    + rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?P<tsl>[IWE]) %b" % _PLACE
)
_PLAIN = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    b"To enable the following instructions: ",  # second line of "This TensorFlow binary is ..."
)
_FAILURES = (b"Check failed", b"Failed to ")
"""What a user has to see, whatever the severity of its line."""
_LONGEST_BYTES = 65536
"""Of a line; what is longer is passed on in parts."""
_SECONDS_TO_END = 2.0
"""To wait for the last lines; longer if a child process still holds the pipe."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Meant for the command; the reader ends when the pipe does."""


def watch_import() -> None:
    """Filters standard error during the import of TensorFlow that follows.

    Does nothing where all lines are asked for. Process 1 of a container goes on in a child.
    """
    if level() <= 0:
        return
    if os.getpid() == 1:
        _leave_process_1()
    sys.meta_path.insert(0, _Finder())


def _leave_process_1() -> None:
    """Goes on in a child; process 1 forwards signals to it and ends after it and the reader.

    When process 1 ends, the kernel kills all others, even a reader that still has lines.
    """
    signals = {*_SIGNALS, signal.SIGCHLD}
    old = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        return
    ended = None
    while ended is None:
        caught = signal.sigwaitinfo(signals)
        if caught.si_signo == signal.SIGCHLD:
            ended = (_reaped() or {}).get(child)
        elif caught.si_code <= 0:  # from a process; what a terminal sends the child gets itself
            os.kill(child, caught.si_signo)
    until = time.monotonic() + _SECONDS_TO_END
    while _reaped() is not None and time.monotonic() < until:  # the reader is ours now
        time.sleep(0.01)
    os._exit(ended if ended >= 0 else 128 - ended)


def _reaped() -> dict[int, int] | None:
    """Returns the exit codes of children that have ended, by process; None if none is left."""
    found = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return found
            found[process] = os.waitstatus_to_exitcode(status)
    return found or None


def level() -> int:
    """Returns the severity below which lines are hidden, read as TensorFlow reads it."""
    text = os.environ.get(LEVEL, "").strip()
    return int(text) if text.isdecimal() else 0


def is_noise(line: bytes, hidden_below: int) -> bool:
    """Tells whether a line is TensorFlow's and below a severity: 1 warning, 2 error, 3 fatal."""
    if any(words in line for words in _FAILURES):
        return False
    logged = _LOGGED.match(line)
    if logged:
        return b"IWE".index(logged["absl"] or logged["tsl"]) < hidden_below
    return hidden_below > 0 and line.startswith(_PLAIN)


def hide_retracing() -> None:
    """Hides TensorFlow's advice on functions that are traced again, as those of a table are."""
    import logging

    log = logging.getLogger("tensorflow")
    log.addFilter(lambda record: "tf.function retracing" not in record.getMessage())


@contextlib.contextmanager
def filtered(hidden_below: int) -> Iterator[None]:
    """Sends descriptor 2 through the filter, and restores it at the end."""
    try:
        before = os.dup(2)
    except OSError:  # closed
        yield
        return
    wait = _start(hidden_below)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        wait()  # so that what follows stands below


def _start(hidden_below: int) -> Callable[[], None]:
    """Puts a reader before standard error; returns a function that waits for its end.

    Where no process can be started, nothing is changed.
    """
    import subprocess  # only here, since a wrong flag should answer at once

    sys.stderr.flush()
    old = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # the reader inherits it
    try:
        command = [sys.executable, "-I", "-S", __file__, str(hidden_below)]
        reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    except OSError:
        return lambda: None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()

    def wait() -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            reader.wait(_SECONDS_TO_END)

    return wait


class _Finder:
    """Finds TensorFlow as Python would, with a loader that filters. Comes first in importlib."""

    def find_spec(self, name: str, path=None, target=None):
        """Finds TensorFlow, and no other module."""
        spec = importlib.machinery.PathFinder.find_spec(name) if name == "tensorflow" else None
        if spec and spec.loader:
            spec.loader = _Loader(spec.loader, self)
        return spec


class _Loader:
    """Loads a module as its own loader does, with standard error filtered meanwhile."""

    def __init__(self, own, finder: _Finder):
        """Stores the module's own loader, and the finder to remove afterwards."""
        self._own, self._finder = own, finder

    def create_module(self, spec):
        """Calls the module's own loader."""
        return self._own.create_module(spec)

    def exec_module(self, module) -> None:
        """Gives the module back to its own loader, and runs it."""
        sys.meta_path.remove(self._finder)
        module.__spec__.loader = module.__loader__ = self._own
        with filtered(level()):
            self._own.exec_module(module)


def _pass_on(hidden_below: int) -> None:
    """Copies standard input to standard error, without the noise, until one of them ends."""
    with open(0, "rb") as source, contextlib.suppress(OSError):
        for line in iter(lambda: source.readline(_LONGEST_BYTES), b""):
            rest = b"" if is_noise(line, hidden_below) else line
            while rest:
                select.select([], [2], [])  # a terminal may be set not to block
                rest = rest[os.write(2, rest) :]


if __name__ == "__main__":
    _pass_on(int(sys.argv[1]))
