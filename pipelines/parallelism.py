"""How much is done at once: threads, and pictures being decoded. Imports no TensorFlow.

It is decided when a run starts, from what the process may use then. An export stores nothing of
it, since it runs on other machines.
"""

import dataclasses

from pipelines.machine import Machine, this_machine

PIXEL_BYTES = 12
"""What decoding takes for each pixel at most: 3 of the picture, and either 3 of the square cut from
it or 8 of the coefficients that a progressive JPEG (4 channels) is collected in. Bitmaps of
16 bits or of odd masks, which are rare, take up to 24."""

MEMORY_SHARE = 1 / 8
"""Of the memory, for the pictures that are decoded side by side."""

MOST_PIXELS = 25_000_000
"""That a picture decoded beside others has; a larger one has work enough for a while."""

AUTOTUNE = -1
"""As many as there are where the graph runs: tf.data.AUTOTUNE."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoding:
    """How pictures are decoded: how many at once, and of which size.

    At most `2 * threads * parallel_pixels + max_pixels` pixels are being decoded at any time: a
    batch that lost a picture is decoded again beside those after it.
    """

    threads: int
    """Pictures decoded side by side."""
    parallel_pixels: int
    """Pictures with more are decoded one at a time, when their turn has come."""
    max_pixels: int
    """Pictures with more are not decoded."""


EXPORTED = Decoding(threads=AUTOTUNE, parallel_pixels=8_000_000, max_pixels=50_000_000)
"""In a graph that leaves this machine: an export, or work for the tf.data service."""


def decoding(max_pixels: int, machine: Machine | None = None) -> Decoding:
    """Decides how many pictures are decoded at once, and how large they may be for that.

    Args:
      max_pixels: the most pixels that a picture may have.
      machine: what may be used; by default what this process may use now.
    """
    machine = machine or this_machine()
    parallel_pixels = picture_bytes(machine) // (2 * machine.cpus) // PIXEL_BYTES
    return Decoding(
        threads=machine.cpus,
        parallel_pixels=min(parallel_pixels, MOST_PIXELS),
        max_pixels=max_pixels,
    )


def picture_bytes(machine: Machine) -> int:
    """Computes how many bytes the pictures decoded side by side may take together."""
    return int(machine.memory_bytes * MEMORY_SHARE)


def threads(machine: Machine | None = None) -> int:
    """Decides how many threads each of TensorFlow's pools gets; 0 leaves it to TensorFlow.

    TensorFlow counts the processors that it may run on, but knows no quota of their time.

    Args:
      machine: what may be used; by default what this process may use now.
    """
    machine = machine or this_machine()
    return machine.cpus if machine.cpus < machine.schedulable_cpus else 0
