"""How long workers take to sum their gradients in a ring, and what is left of their speed.

A ring cuts the gradients into as many parts as there are workers. Each worker sends a part to the
next one 2 (n - 1) times: n - 1 times to add it up, n - 1 times to pass the sum on.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Link:
    """What connects a worker with the next one."""

    gbit_per_second: float
    """Bandwidth in one direction, in units of 10^9 bits."""
    latency_seconds: float
    """What a message takes besides its bytes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a number of workers reaches."""

    workers: int
    examples_per_worker: int
    step_seconds: float
    """Of one worker by itself, on its part of the batch."""
    sum_seconds: float
    """Of the gradients, over all workers."""
    speedup_summed_after: float
    """In images per second, over one worker on a whole batch; the sum follows the step."""
    speedup_overlapped: float
    """The same with a sum entirely beside the step: the most that can be reached."""


def sum_seconds(workers: int, num_bytes: float, link: Link) -> float:
    """Computes how long a ring takes to sum the gradients of all workers.

    Args:
      workers: how many.
      num_bytes: of one worker's gradients.
      link: what connects them.
    """
    messages = 2 * (workers - 1)
    part = num_bytes / workers
    return messages * (link.latency_seconds + 8e-9 * part / link.gbit_per_second)


def link_of(workers: int, small_seconds: float, large_seconds: float, large_bytes: float) -> Link:
    """Computes what connects workers from how long they take to sum next to nothing, and much.

    Args:
      workers: how many.
      small_seconds: of a sum of a few bytes.
      large_seconds: of the other.
      large_bytes: its size.
    """
    messages = 2 * (workers - 1)
    sent = messages * large_bytes / workers
    return Link(8e-9 * sent / (large_seconds - small_seconds), small_seconds / messages)


def predict(
    workers: int,
    examples_per_worker: int,
    step_seconds: float,
    images_per_second: float,
    num_bytes: float,
    link: Link,
) -> Prediction:
    """Predicts the speed-up of data parallelism.

    Args:
      workers: how many.
      examples_per_worker: each worker's part of a batch.
      step_seconds: of one worker by itself on that part.
      images_per_second: of one worker on a whole batch, which the speed-up is over.
      num_bytes: of the gradients.
      link: what connects the workers.
    """
    summing = sum_seconds(workers, num_bytes, link)
    alone = workers * examples_per_worker / images_per_second
    return Prediction(
        workers=workers,
        examples_per_worker=examples_per_worker,
        step_seconds=step_seconds,
        sum_seconds=summing,
        speedup_summed_after=alone / (step_seconds + summing),
        speedup_overlapped=alone / max(step_seconds, summing),
    )
