"""What the workers of a run tell each other. Alone, a process hears itself.

Every method is called by all workers at the same point of the program, and waits for the others.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import RunFailed, UserError, listed
from alexnet_tf.training import rendezvous
from alexnet_tf.training.cluster import Cluster
from alexnet_tf.training.signals import Signals
from alexnet_tf.training.strategy import over_workers

_LEAST_BYTES = 1024
"""Of a message; longer ones fill a power of two, so that few graphs are made."""

_CHUNK = 2**20
"""Numbers of the chief's weights that are sent at a time."""

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
"""What TensorFlow raises where a worker has ended, in any of its calls."""

_MISTAKES = {kind.__name__: kind for kind in (UserError, RunFailed)}
"""What ends a command with one sentence, by name. Of the others' mistakes the exit code matters."""


class Workers:
    """All workers of a run.

    Args:
      strategy: the distribution strategy.
      cluster: who they are; None for one process alone.

    Attributes:
      mistake: what this worker has to end with, which the others hear at the next `tell`.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster | None = None):
        """Prepares the sums that carry what is said."""
        self._cluster = cluster
        self.count = cluster.count if cluster else 1
        self.index = cluster.index if cluster else 0
        self.mistake: Exception | None = None
        self._summed = over_workers(strategy)

    @property
    def is_chief(self) -> bool:
        """Whether this is worker 0, the only one that writes."""
        return self.index == 0

    @property
    def are_many(self) -> bool:
        """Whether there are others."""
        return self.count > 1

    def tell(self, said: Mapping[str, Any]) -> list[dict]:
        """Tells all workers, and hears them.

        Args:
          said: what JSON can hold.

        Returns:
          What each worker said, by its index.

        Raises:
          UserError, RunFailed: a worker has noted a mistake; the same on all of them.
        """
        if not self.are_many:
            return [json.loads(json.dumps(said))]
        kind = next((x for x in _MISTAKES if isinstance(self.mistake, _MISTAKES[x])), None)
        mistake = kind and [kind, str(self.mistake)]
        heard = self._exchanged(json.dumps([said, mistake]))
        mistakes = [(index, mistake) for index, (_, mistake) in enumerate(heard) if mistake]
        if mistakes:
            self.part()
            if self.mistake:
                raise self.mistake
            index, (kind, text) = mistakes[0]
            raise _MISTAKES[kind](f"{self._cluster.name(index)}: {text}")
        return [words for words, _ in heard]

    def part(self) -> None:
        """Waits until all have heard the last words: who ends takes along what it still sends."""
        if self.are_many:
            with contextlib.suppress(*_LOST):
                self._summed(tf.zeros([1], tf.int32))

    def _exchanged(self, text: str) -> list:
        """Sends JSON to all workers; returns what each sent."""
        letters = np.frombuffer(text.encode(), np.uint8)
        lengths = np.zeros(self.count, np.int32)
        lengths[self.index] = len(letters)
        lengths = self._summed(tf.constant(lengths)).numpy()
        longest = 1 << int(max(_LEAST_BYTES, lengths.max()) - 1).bit_length()
        lines = np.zeros([self.count, longest], np.int32)  # all-reduce knows no uint8
        lines[self.index, : len(letters)] = letters
        lines = self._summed(tf.constant(lines)).numpy().astype(np.uint8)
        return [json.loads(row[:n].tobytes()) for row, n in zip(lines, lengths, strict=True)]

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Keeps a mistake until the next `tell`, which ends all workers with it.

        Else the others would wait for this one, and call it lost. Alone it is raised at once.
        """
        try:
            yield
        except tuple(_MISTAKES.values()) as error:
            if not self.are_many:
                raise
            self.mistake = error

    def stops(self, signals: Signals) -> bool:
        """Tells whether this worker has heard a signal or made a mistake."""
        return signals.exit_code is not None or self.mistake is not None

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Lets each worker do something by itself; a mistake of one ends all with its sentence."""
        with self.noting():
            yield
        self.tell({})

    def from_chief(self, make: Callable[[], Any]) -> Any:
        """Lets the chief make what JSON can hold, and gives it to all."""
        made = None
        with self.noting():
            made = make() if self.is_chief else None
        return self.tell({"made": made})[0]["made"]

    def copy_from_chief(self, variables: Mapping[str, Any]) -> None:
        """Gives all workers the chief's values, bit for bit.

        Args:
          variables: float32, by name, the same on all workers; with `assign`, and readable as
            arrays.
        """
        if not self.are_many:
            return
        for variable in variables.values():
            own = np.asarray(variable)
            bits = np.zeros([-(-own.size // _CHUNK), _CHUNK], np.int32)  # one graph for all
            if self.is_chief:  # as bits: a sum of numbers would lose the sign of -0.0
                bits.reshape(-1)[: own.size] = np.ascontiguousarray(own).reshape(-1).view(np.int32)
            found = np.stack([self._summed(tf.constant(chunk)).numpy() for chunk in bits])
            if not self.is_chief:
                found = found.reshape(-1)[: own.size].view(own.dtype)
                variable.assign(found.reshape(own.shape))

    def lost(self, error: Exception) -> RunFailed | None:
        """Says which worker's end made a call fail; None if it was another reason."""
        if not (self.are_many and isinstance(error, _LOST)):
            return None
        named = {int(x) for x in re.findall(r"/task:(\d+)", str(error))} - {self.index}
        silent = set(rendezvous.unreachable(self._cluster))
        which = sorted(named & silent or silent or named)
        if not which:
            return None
        names = listed(map(self._cluster.name, which), most=4)
        return RunFailed(
            f"{names} ended or cannot be reached, so this worker ends too; look at what was "
            "printed there. If it is no mistake, start all workers again: a run goes on from its "
            "last checkpoint."
        )
