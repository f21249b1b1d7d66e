"""What this process may use of the machine: processors and memory. Imports no TensorFlow.

The host may have more. Linux lets a process run on some processors only (its affinity: `taskset`,
SLURM, static CPU policies) and limits groups of processes (cgroups: containers, batch systems) to a
part of the processors' time and of the memory. Groups lie in groups, and each may be limited.
"""

import dataclasses
import math
import os
import pathlib
from collections.abc import Iterator

ROOT = pathlib.Path("/")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """The part of the machine that this process may use, at one moment."""

    cpus: int
    """Processors that can work for this process at once; a quota of 1.5 of them counts as 2."""
    schedulable_cpus: int
    """Processors that it may run on, for whatever part of their time; TensorFlow counts these."""
    memory_bytes: int
    memory_limit: str = "this machine has"
    """What sets `memory_bytes`, as the beginning of a sentence."""


def this_machine(root: pathlib.Path = ROOT) -> Machine:
    """Asks the system what this process may use now.

    Args:
      root: the directory that has /proc and /sys.
    """
    if hasattr(os, "sched_getaffinity"):
        schedulable = len(os.sched_getaffinity(0))
    else:
        schedulable = os.cpu_count() or 1
    quota = min(map(_quota, _groups(root, "cpu")), default=math.inf)
    cpus = min(schedulable, math.ceil(quota)) if quota < math.inf else schedulable
    memory_bytes, memory_limit = min(_memory_limits(root))
    return Machine(
        cpus=max(1, cpus),
        schedulable_cpus=schedulable,
        memory_bytes=memory_bytes,
        memory_limit=memory_limit,
    )


def _memory_limits(root: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Yields every limit of the memory: bytes, and who sets it."""
    yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "this machine has"
    for group in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):  # cgroups 2 and 1
            limit = _numbers(group / name)
            if limit:
                yield int(limit[0]), "the control group (cgroup) of this process allows"
    try:
        import resource
    except ImportError:  # not a Unix
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit, "the limit of this process (ulimit -v) allows"


def _quota(group: pathlib.Path) -> float:
    """Reads the number of processors whose time a group may use; infinite without a limit."""
    numbers = _numbers(group / "cpu.max")  # cgroups 2: quota and period in one file
    if not numbers:
        numbers = _numbers(group / "cpu.cfs_quota_us") + _numbers(group / "cpu.cfs_period_us")
    if len(numbers) != 2 or min(numbers) <= 0:  # -1: no limit
        return math.inf
    return numbers[0] / numbers[1]


def _groups(root: pathlib.Path, controller: str) -> Iterator[pathlib.Path]:
    """Yields the folders of the groups that this process is in, from the inside out.

    Both versions may be mounted, each with controllers of its own.
    """
    paths = {}
    for line in _lines(root / "proc/self/cgroup"):  # 4:cpu,cpuacct:/a/b and 0::/a/b
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, system = line.partition(" - ")
        top, place = (field.replace("\\040", " ") for field in mount.split()[3:5])
        kind, _, options = system.split(" ", 2)
        if kind == "cgroup2" and "" in paths:
            path = paths[""]
        elif kind == "cgroup" and controller in options.split(",") and controller in paths:
            path = paths[controller]
        else:
            continue
        folder = pathlib.PurePosixPath(path)
        # A container may see its own group alone, mounted as the top, under a path of the host.
        inside = folder.relative_to(top) if folder.is_relative_to(top) else ""
        inside = pathlib.PurePosixPath("" if ".." in folder.parts else inside)
        for group in (inside, *inside.parents):
            yield root / place.lstrip("/") / group


def _numbers(path: pathlib.Path) -> list[float]:
    """Reads the numbers in a small file; an empty list where it says max, or is not there."""
    try:
        return [float(word) for line in _lines(path) for word in line.split()]
    except ValueError:
        return []


def _lines(path: pathlib.Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
