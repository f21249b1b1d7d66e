"""Who the workers of a run are, and which of them this process is. Imports no TensorFlow.

They are named on the command line, in the variable TF_CONFIG as TensorFlow's programs read it, or
by SLURM. TensorFlow's own reader of SLURM's variables needs nvidia-smi, and numbers hosts by name
instead of by rank (TF 2.21).
"""

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from alexnet_tf.config.run import RunConfig
from alexnet_tf.errors import UserError

FIRST_PORT, NUM_PORTS = 20_000, 10_000
"""Ports for the workers of SLURM's jobs: below those that Linux gives to clients."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, as one of them sees them."""

    addresses: tuple[str, ...]
    """host:port of each worker; the first is the chief."""
    index: int
    """Which of them this process is."""

    def __post_init__(self):
        """Refuses what is no cluster.

        Raises:
          UserError: an address has another form or comes twice, or there is no such worker.
        """
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise UserError(
                    f"workers={','.join(self.addresses)}: expected host:port for each worker, "
                    f"found {address!r}. The first is the chief."
                )
        if len(set(self.addresses)) < len(self.addresses):
            raise UserError(
                f"workers={','.join(self.addresses)}: expected each address once. Give workers on "
                "one machine different ports."
            )
        if not 0 <= self.index < len(self.addresses):
            raise UserError(
                f"worker_index={self.index}: expected 0 to {len(self.addresses) - 1}, since there "
                f"are {len(self.addresses)} workers. Name a worker by its place in the list."
            )

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process is worker 0, the only one that writes."""
        return self.index == 0

    def place(self, index: int) -> tuple[str, int]:
        """Takes a worker's address apart: host and port."""
        host, _, port = self.addresses[index].rpartition(":")
        return host.strip("[]"), int(port)

    def name(self, index: int) -> str:
        """Names a worker for messages."""
        return f"worker {index} ({self.addresses[index]})"

    def neighbors(self) -> list[int]:
        """Lists the workers on this one's machine, itself among them."""
        hosts = [self.place(index)[0] for index in range(self.count)]
        return [index for index, host in enumerate(hosts) if host == hosts[self.index]]


def find(run: RunConfig, environment: Mapping[str, str] = os.environ) -> Cluster:
    """Finds the workers: on the command line, else in TF_CONFIG, else in SLURM's variables.

    Args:
      run: the run's settings.
      environment: variables of this process.

    Raises:
      UserError: they are nowhere, or make no sense.
    """
    if run.workers:
        return Cluster(run.workers, run.worker_index)
    if environment.get("TF_CONFIG"):
        return _of_tf_config(environment["TF_CONFIG"])
    if "SLURM_PROCID" in environment:
        return _of_slurm(environment)
    raise UserError(
        "strategy=multi_worker: expected to find the workers in --workers=HOST:PORT,... with "
        "--worker_index=N, in TF_CONFIG or in SLURM's variables. Name them, or start all of them "
        "on this machine with launch/local.sh."
    )


def take_cores(cluster: Cluster) -> None:
    """Leaves each of several workers on one machine its own processors.

    Every pool of threads, of decoding and of the network, then has the size of this part. Who has
    bound this process to other processors than its parent, such as SLURM, has divided them.
    """
    neighbors = cluster.neighbors()
    if len(neighbors) == 1 or not hasattr(os, "sched_setaffinity"):
        return
    try:
        free, of_parent = os.sched_getaffinity(0), os.sched_getaffinity(os.getppid())
    except OSError:  # the parent is not to be seen: a container of its own, but for its address
        return
    if free == of_parent:
        os.sched_setaffinity(0, cores_of(sorted(free), neighbors.index(cluster.index), neighbors))


def cores_of(cores: Sequence[int], place: int, neighbors: Sequence[int]) -> Sequence[int]:
    """Divides processors among the workers of a machine, as evenly as it goes.

    Args:
      cores: numbers of all of them.
      place: of this worker among its neighbors.
      neighbors: the workers there.

    Returns:
      Those of this worker, next to each other; where there are fewer than workers, one of them.
    """
    count = len(neighbors)
    if len(cores) < count:
        return [cores[place % len(cores)]]
    return cores[place * len(cores) // count : (place + 1) * len(cores) // count]


def _of_tf_config(text: str) -> Cluster:
    """Reads TF_CONFIG; where it knows a chief besides workers, that is worker 0."""
    try:
        settings = json.loads(text)
        jobs, task = settings["cluster"], settings["task"]
        chiefs, workers = list(jobs.get("chief", [])), list(jobs.get("worker", []))
        kind, index = task["type"], int(task["index"])
        others = set(jobs) - {"chief", "worker"}
        index += {"chief": 0, "worker": len(chiefs)}[kind]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"TF_CONFIG={text}: expected "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": N}} '
            f"({type(error).__name__}: {error}). Mend it, or name the workers with --workers."
        ) from error
    if others:
        raise UserError(
            f"TF_CONFIG: expected workers alone, found {', '.join(sorted(others))} too. Every "
            "worker evaluates its share, and there are no parameter servers: leave them out."
        )
    return Cluster(tuple(map(str, chiefs + workers)), index)


def _of_slurm(environment: Mapping[str, str]) -> Cluster:
    """Makes addresses of the hosts and task counts of a job step."""
    try:
        nodes = environment.get("SLURM_STEP_NODELIST") or environment["SLURM_JOB_NODELIST"]
        counts = environment.get("SLURM_STEP_TASKS_PER_NODE")
        counts = counts or environment["SLURM_TASKS_PER_NODE"]
        job, index = int(environment["SLURM_JOB_ID"]), int(environment["SLURM_PROCID"])
        tasks = [
            int(match["tasks"])
            for match in re.finditer(r"(?P<tasks>\d+)(\(x(?P<nodes>\d+)\))?", counts)
            for _ in range(int(match["nodes"] or 1))
        ]
        hosts = list(_hosts(nodes))
        places = [(host, i) for host, n in zip(hosts, tasks, strict=True) for i in range(n)]
    except (KeyError, ValueError) as error:
        raise UserError(
            f"SLURM: expected SLURM_JOB_ID, SLURM_PROCID, SLURM_STEP_NODELIST and "
            f"SLURM_STEP_TASKS_PER_NODE as srun sets them ({type(error).__name__}: {error}). Start "
            "workers with srun, or name them with --workers."
        ) from error
    here = environment.get("SLURMD_NODENAME")
    if 0 <= index < len(places) and here not in (None, places[index][0]):
        raise UserError(
            f"SLURM_PROCID={index} runs on {here}, expected {places[index][0]}, by the order of "
            "hosts. Start workers with srun --distribution=block."
        )
    # Steps of jobs that share a machine rarely meet: each job has ports of its own.
    first = FIRST_PORT + job * 16 % NUM_PORTS
    return Cluster(tuple(f"{host}:{first + i}" for host, i in places), index)


def _hosts(text: str) -> Iterator[str]:
    """Expands SLURM's lists of hosts, such as gpu[01-03,7],login or rack[1-2]n[1-2]."""
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        yield from _expanded(part)


def _expanded(part: str) -> Iterator[str]:
    before, bracket, rest = part.partition("[")
    if not bracket:
        yield part
        return
    inside, _, after = rest.partition("]")
    for numbers in inside.split(","):
        first, _, last = numbers.partition("-")
        for number in range(int(first), int(last or first) + 1):
            for end in _expanded(after):
                yield f"{before}{number:0{len(first)}}{end}"
