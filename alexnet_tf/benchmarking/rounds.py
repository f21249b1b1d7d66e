"""Starts the workers and lets each do a round in turn, so that drift affects all alike.

Between its rounds a worker is stopped (SIGSTOP): threads that spin or decode ahead would take time
from the others, and the batches made ahead would speed up its own next round. Those that cannot be
stopped wait for their next round without work.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from alexnet_tf.benchmarking.contenders.contender import Contender
from alexnet_tf.benchmarking.spec import Sample, Spec
from alexnet_tf.errors import RunFailed, UserError


@dataclasses.dataclass
class Measured:
    """The samples of all rounds, and what else the workers told."""

    samples: dict[str, list[Sample]] = dataclasses.field(default_factory=dict)
    """Samples by the contender's key, one for each round."""
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why contenders did not take part, by their keys."""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    """Versions of the libraries that did the work."""
    accelerator: str | None = None
    """Model of the GPU; None where a CPU did the work."""


class Absent(Exception):
    """A contender cannot take part; the text says why."""


class Worker:
    """A process that is stopped except while it works, if it can be.

    Args:
      one: the contender.
      spec: what to measure.

    Attributes:
      hello: its first answer, about itself, once it was warm.
    """

    def __init__(self, one: Contender, spec: Spec):
        """Starts the process and waits until it is warm.

        Raises:
          UserError: it refuses the settings.
          Absent: it cannot take part, or ended.
        """
        self._is_stopped = one.is_stopped
        environment = os.environ | {name: x or "" for name, x in one.environment.items()}
        for name in (name for name, x in one.environment.items() if x is None):
            del environment[name]
        self._complaints = tempfile.TemporaryFile("w+")
        # In a group of its own: when we are killed, the kernel sends SIGHUP to stopped orphans.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "alexnet_tf.benchmarking.child",
                one.key,
                one.adapt(spec).to_text(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=environment,
            process_group=0,
        )
        try:
            self.hello = self._answer()
        except BaseException:
            self.end()
            raise
        if "refused" in self.hello:
            self.end()
            raise UserError(self.hello["refused"])
        self._stop()

    def work(self) -> Sample:
        """Lets it measure one round, and stops it again."""
        self._signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):  # it has ended: there will be no answer
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        sample = Sample(**self._answer())
        self._stop()
        return sample

    def end(self) -> None:
        """Ends the process, stopped or not."""
        with contextlib.suppress(ProcessLookupError):
            self._signal(signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._complaints.close()

    def _stop(self) -> None:
        if self._is_stopped:
            self._signal(signal.SIGSTOP)

    def _signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)  # processes that it started too

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._complaints.seek(0)
            last = self._complaints.read().strip().rpartition("\n")[2]
            raise Absent(f"its process ended with code {code}" + f" ({last})" * bool(last))
        return json.loads(line)


def measure(
    contenders: Sequence[Contender], spec: Spec, num_rounds: int, say: Callable[[str], None]
) -> Measured:
    """Measures all contenders in turn.

    Args:
      contenders: contenders, in the order of the table.
      spec: what they measure.
      num_rounds: how often each of them is measured.
      say: called with each line of progress.

    Raises:
      UserError: a contender that cannot be missed refuses the settings.
      RunFailed: a contender that cannot be missed ended.
    """
    measured, workers = Measured(), {}
    try:
        for one in contenders:
            say(f"starting {one.label}")
            reason = _start(one, spec, workers)
            if reason:
                measured.left_out[one.key] = reason
        for worker in workers.values():
            measured.versions |= worker.hello["versions"]
            measured.accelerator = measured.accelerator or worker.hello["accelerator"]
        measured.samples = {key: [] for key in workers}
        for number in range(num_rounds):
            say(f"round {number + 1} of {num_rounds}")
            for key in in_turn(list(workers), number):
                measured.samples[key].append(workers[key].work())
    except Absent as absent:
        raise RunFailed(
            f"The process of a contender is lost: {absent}. Run the same command again."
        ) from absent
    finally:
        for worker in workers.values():
            worker.end()
    return measured


def in_turn(keys: list[str], number: int) -> list[str]:
    """Orders the contenders of a round: forward in even rounds, backward in odd ones."""
    return keys if number % 2 == 0 else keys[::-1]


def _start(one: Contender, spec: Spec, workers: dict[str, Worker]) -> str | None:
    """Adds a contender's worker; returns the reason why an optional one is left out."""
    reason = one.absence()
    if reason:
        return reason
    try:
        workers[one.key] = Worker(one, spec)
    except (UserError, Absent) as error:
        if isinstance(error, UserError) and not one.can_be_missed:
            raise
        if not one.can_be_missed:
            raise RunFailed(f"{one.label} cannot be measured: {error}.") from error
        return str(error)
    return None
