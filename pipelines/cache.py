"""Squares kept as the settings say: each picture of a source is decoded once, then copied."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from pipelines.config import Cache, DataConfig, InputConfig
from pipelines.decode import MAX_PIXELS
from pipelines.disk import check_space, on_disk
from pipelines.kept import ALIGNED_BYTES, GatheredSquares, blocks, lent
from pipelines.machine import Machine, this_machine
from pipelines.parallelism import picture_bytes
from pipelines.source import Source
from pipelines.sources.apart import check_cache_apart


def kept(sources: Sequence[Source], data: DataConfig, inputs: InputConfig) -> tuple[Source, ...]:
    """Keeps the squares of some sources where `data.cache` says; none leaves them as they are.

    Args:
      sources: of one run, which uses them at the same time.
      data: where, and how large a picture may be.
      inputs: side and rule of the squares.

    Raises:
      ValueError: they do not fit there, or cannot be written.
      OSError: a picture could not be read, though nothing is wrong with it.
    """
    match data.cache:
        case Cache.MEMORY:
            check_memory(sources, inputs)
            return tuple(in_memory(source, inputs, data.max_pixels) for source in sources)
        case Cache.DISK:
            check_cache_apart(data.cache_dir, data.source)
            args = (inputs, data.max_pixels, data.cache_dir)
            check_space(sources, *args)
            return tuple(on_disk(source, *args) for source in sources)
    return tuple(sources)


@dataclasses.dataclass(frozen=True)
class MemorySource(GatheredSquares):
    """Squares in memory. Made by `in_memory`; used like the source itself."""

    called: ClassVar[str] = "squares in memory"


def in_memory(source: Source, inputs: InputConfig, max_pixels: int = MAX_PIXELS) -> MemorySource:
    """Decodes a whole source, in parallel, into num_examples * resize * resize * 3 bytes.

    Args:
      source: numbered examples.
      inputs: side and rule of the squares.
      max_pixels: that a picture may have.

    Raises:
      ValueError: this process may not use so much memory.
    """
    check_memory([source], inputs)
    num, side = source.num_examples, inputs.resize
    num_bytes = _square_bytes(source, inputs)
    memory = np.empty(num_bytes + ALIGNED_BYTES, np.uint8)
    start = -memory.ctypes.data % ALIGNED_BYTES
    images = memory[start : start + num_bytes].reshape(num, side, side, 3)
    labels, good = np.empty(num, np.int32), np.empty(num, bool)
    for which, *columns in blocks(source, inputs, max_pixels):
        images[which], labels[which], good[which] = columns
    return MemorySource(source, inputs, *lent(images, labels, good))


def check_memory(
    sources: Sequence[Source], inputs: InputConfig, machine: Machine | None = None
) -> None:
    """Refuses sources whose squares would not fit together, before the first is decoded.

    Args:
      sources: that will be kept at the same time.
      inputs: side of the squares.
      machine: by default this one, as it is now.

    Raises:
      ValueError: this process may not use so much memory.
    """
    machine = machine or this_machine()
    num_bytes = sum(_square_bytes(source, inputs) for source in sources)
    left_bytes = machine.memory_bytes - picture_bytes(machine)
    if num_bytes > left_bytes:
        num_examples = " + ".join(f"{source.num_examples:,}" for source in sources)
        raise ValueError(
            f"data.cache=memory needs {num_bytes / 1e9:.1f} GB for the decoded pictures "
            f"({num_examples}); {machine.memory_limit} {machine.memory_bytes / 1e9:.1f} GB, of "
            f"which decoding may take {picture_bytes(machine) / 1e9:.1f}. Keep them on disk "
            "(--data.cache=disk --data.cache_dir=DIR), or use --data.cache=none."
        )


def _square_bytes(source: Source, inputs: InputConfig) -> int:
    return source.num_examples * inputs.resize**2 * 3
