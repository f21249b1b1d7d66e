"""SIGTERM, Ctrl-C and a terminal that closes as a stop request."""

import signal
import threading


class Signals:
    """Turns these signals into a stop request that the loop reads between two launches.

    A second signal acts at once, as it would by default. One that is ignored stays so: `nohup`
    ignores SIGHUP, and a shell SIGINT for what it starts in the background.
    """

    CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}

    def __init__(self):
        """Starts without a request."""
        self.exit_code: int | None = None

    def __enter__(self) -> "Signals":
        """Installs the handlers, if Python permits it: in the main thread."""
        is_main = threading.current_thread() is threading.main_thread()
        heard = {x for x in self.CODES if is_main and signal.getsignal(x) is not signal.SIG_IGN}
        self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *unused) -> None:
        """Restores the earlier handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame) -> None:
        self.exit_code = self.CODES[number]
        self.__exit__()


def take_back_sigterm() -> None:
    """Gives SIGTERM the handler that it had before TensorFlow's server of several workers took it.

    That one would swallow it. Python permits it in the main thread alone.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
