"""Workers meet before TensorFlow starts: it would wait an hour for one that is late, in silence.

The chief listens at its address until all have come, compares what they are about to do with what
it will do itself, and lets them go on or refuses them all. TensorFlow then listens there.
"""

import contextlib
import faulthandler
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from alexnet_tf.errors import RunFailed, UserError, listed
from alexnet_tf.training.cluster import Cluster

FIRST_WORD_SECONDS = 5.0
"""After so long a worker says whom it waits for."""
WORD_SECONDS = 30.0
"""Time between two such lines."""
_RETRY_SECONDS = 0.2
_PROBE_SECONDS = 2.0
_LINE_BYTES = 2**20

Facts = dict[str, str]
"""What all workers must have in common, by name: versions and settings."""


def meet(cluster: Cluster, facts: Facts, limit_seconds: float) -> None:
    """Waits until all workers are there and have the same facts.

    Raises:
      UserError: a worker has others than the chief.
      RunFailed: one did not come in time, or its port belongs to another program, which all hear
        who have reached the chief.
    """
    if cluster.count == 1:
        return
    wait = _Wait(cluster, limit_seconds)
    if cluster.is_chief:
        answer = _receive(cluster, facts, wait)
    else:
        answer = _report(cluster, {"worker_index": cluster.index, "facts": facts}, wait)
    if answer["refused"]:
        raise (UserError if answer["is_mistake"] else RunFailed)(answer["refused"])


class _Wait:
    """Says from time to time who is missing, and ends at the limit."""

    def __init__(self, cluster: Cluster, limit_seconds: float):
        self._cluster, self._limit = cluster, limit_seconds
        self._began = time.monotonic()
        self._next_word = self._began + FIRST_WORD_SECONDS

    def check(self, missing: list[int], others: str = "") -> None:
        """Speaks, if it is time to.

        Args:
          missing: the workers that did not come.
          others: who else may not have.

        Raises:
          RunFailed: the limit is reached.
        """
        now = time.monotonic()
        names = listed(map(self._cluster.name, missing), most=4) + others
        if now - self._began >= self._limit:
            raise RunFailed(
                f"worker_wait_seconds={self._limit:g}: {names} did not come in time. Look at what "
                "they printed, and start all workers again."
            )
        if now >= self._next_word:
            self._next_word = now + WORD_SECONDS
            left = self._limit - (now - self._began)
            print(f"waiting for {names}, {left:.0f} s more", file=sys.stderr, flush=True)


def _receive(cluster: Cluster, facts: Facts, wait: _Wait) -> dict:
    """Waits as the chief does: until every other worker has reported. Returns what it answers."""
    there: dict[int, socket.socket] = {}
    reported: list[socket.socket] = []
    answer = {"refused": "", "is_mistake": False}
    with _listener(cluster) as listener, contextlib.ExitStack() as connections:
        while not answer["refused"] and (
            missing := [i for i in range(1, cluster.count) if i not in there]
        ):
            wait.check(missing)
            there = {i: one for i, one in there.items() if not _has_ended(one)}
            for index, connection, found, trouble in _reports(listener, cluster):
                reported.append(connections.enter_context(connection))
                refusal = _refusal(cluster, index, facts, found)
                if index in there and not _has_ended(there[index]):
                    refusal = (
                        f"worker_index={index}: two workers came with it; expected each index "
                        "once. Give each worker its own."
                    )
                answer = {"refused": refusal or trouble, "is_mistake": bool(refusal)}
                there[index] = connection
        for connection in reported:
            with contextlib.suppress(OSError):  # it ended just now, which all will find out
                _write(connection, answer)
    return answer


def _listener(cluster: Cluster) -> socket.socket:
    """Listens at the chief's port."""
    listener = _bound(cluster)
    listener.listen(cluster.count)
    listener.settimeout(_RETRY_SECONDS)
    return listener


def _bound(cluster: Cluster) -> socket.socket:
    """Takes this worker's port, at which TensorFlow will listen later."""
    host, port = cluster.place(cluster.index)
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("", port))
    except OSError as error:
        taken.close()
        raise RunFailed(  # no mistake: whoever picked the port may pick another
            f"workers={','.join(cluster.addresses)}: {cluster.name(cluster.index)} cannot listen "
            f"at its port ({error.strerror}). Start all workers again, or name another port."
        ) from error
    return taken


def _reports(
    listener: socket.socket, cluster: Cluster
) -> Iterator[tuple[int, socket.socket, Facts, str]]:
    """Yields a worker that reports, and its trouble, or nobody after a moment."""
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        return
    connection.settimeout(FIRST_WORD_SECONDS)
    try:
        found = _read(connection)
        index, trouble = found.pop("worker_index"), found.pop("trouble", "")
        own = found.pop("facts", found)  # those of version 0.2.0 stood alone
        if not (isinstance(index, int) and 0 < index < cluster.count):
            raise ValueError
    except (OSError, ValueError, KeyError, AttributeError, TypeError):  # not one of ours
        connection.close()
        return
    yield index, connection, own, trouble


def _report(cluster: Cluster, report: dict, wait: _Wait) -> dict:
    """Waits as all others do: reports to the chief, again if that was lost, until it answers."""
    trouble = ""
    try:
        _bound(cluster).close()
    except RunFailed as error:
        trouble = str(error)
        print(trouble, file=sys.stderr, flush=True)  # the chief may never come
    while True:
        wait.check([0])
        try:
            with socket.create_connection(cluster.place(0), FIRST_WORD_SECONDS) as connection:
                connection.settimeout(_RETRY_SECONDS)
                _write(connection, report | {"trouble": trouble})
                return _await_answer(connection, wait)
        except (OSError, ValueError):
            time.sleep(_RETRY_SECONDS)


def _await_answer(connection: socket.socket, wait: _Wait) -> dict:
    """Reads the chief's answer, however long the others take."""
    while not _is_readable(connection):
        wait.check([0], " or those that it waits for")
    connection.settimeout(FIRST_WORD_SECONDS)
    answer = _read(connection)
    if not isinstance(answer, dict) or "refused" not in answer:
        raise ConnectionError("this is not the chief")
    return {"is_mistake": True} | answer  # of version 0.2.0


def _is_readable(connection: socket.socket) -> bool:
    try:
        connection.recv(1, socket.MSG_PEEK)
        return True
    except TimeoutError:
        return False


def _has_ended(connection: socket.socket) -> bool:
    """Tells whether the other side has gone; it says nothing before it has an answer."""
    connection.setblocking(False)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(FIRST_WORD_SECONDS)


def _write(connection: socket.socket, said: dict) -> None:
    connection.sendall(json.dumps(said).encode() + b"\n")


def _read(connection: socket.socket) -> dict:
    """Reads a line of JSON; ValueError or OSError where it is none, or ends too early."""
    with connection.makefile("rb") as file:
        line = file.readline(_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise ConnectionError("the line ends too early")
    return json.loads(line)


def _refusal(cluster: Cluster, index: int, own: Facts, found: Facts) -> str:
    """Says in which facts a worker differs from the chief; empty where it does not."""
    changed = [
        f"{name}: {own.get(name, 'none')} -> {found.get(name, 'none')}"
        for name in [*own, *(set(found) - set(own))]
        if own.get(name) != found.get(name)
    ]
    if not changed:
        return ""
    return (
        f"{cluster.name(index)} was refused by the chief, since it differs: "
        f"{listed(changed, most=3)}. Expected the same everywhere. Start all workers with the same "
        "command and the same versions."
    )


class Deadline:
    """Ends the process if its block does not end in time, deaf to signals as it may be.

    TensorFlow waits inside one call, for an hour, for a worker that ended after all had met. It
    holds Python's lock meanwhile (TF 2.21), so that no thread of Python could end the process:
    `faulthandler` does, in C, and a process beside this one says why.
    """

    def __init__(self, cluster: Cluster, seconds: float):
        """Prepares the clock."""
        self._cluster, self._seconds = cluster, seconds

    def __enter__(self) -> None:
        """Starts the clock."""
        about = [json.dumps(self._cluster.addresses), self._cluster.index, self._seconds]
        command = [sys.executable, "-m", "alexnet_tf.training.rendezvous", *map(str, about)]
        places = os.pathsep.join(path or "." for path in sys.path)  # where this one found us
        self._speaker = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": places},
        )
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._speaker.stdin)

    def __exit__(self, *unused) -> None:
        """Stops it."""
        faulthandler.cancel_dump_traceback_later()
        self._speaker.stdin.close()
        self._speaker.wait()


def _speak(addresses: str, index: str, seconds: str) -> None:
    """Says for `Deadline` what it ended for, once it has; nothing if standard input ends before."""
    if not sys.stdin.read():
        return
    cluster = Cluster(tuple(json.loads(addresses)), int(index))
    silent = unreachable(cluster)
    names = listed(map(cluster.name, silent), most=4) if silent else "the other workers"
    print(
        f"{names} did not answer for {float(seconds):.0f} s, although all workers had met. "
        "Start all of them again.",
        file=sys.stderr,
    )


def unreachable(cluster: Cluster) -> list[int]:
    """Lists the other workers at whose address nothing listens."""
    found = []
    for index in range(cluster.count):
        if index != cluster.index:
            try:
                socket.create_connection(cluster.place(index), _PROBE_SECONDS).close()
            except OSError:
                found.append(index)
    return found


if __name__ == "__main__":
    _speak(*sys.argv[1:])
