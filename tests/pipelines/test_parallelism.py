"""Which processors and how much memory a process may use, and what is chosen from that."""

import os
import pathlib
import resource
import subprocess
import sys

import pytest

from pipelines.machine import Machine, this_machine
from pipelines.parallelism import PIXEL_BYTES, decoding, picture_bytes, threads

ROOT = pathlib.Path(__file__).parents[2]
GB = 10**9
V2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
V1 = """32 31 0:29 {top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 {top} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Asks about a machine of 16 processors and 64 GB, given its files below /."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 1000}.get(name, 64_000_000))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)

    def ask(files: dict[str, str]) -> tuple[int, float]:
        for name, contents in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(contents)
        machine = this_machine(tmp_path)
        return machine.cpus, machine.memory_bytes / GB

    return ask


def v2(path: str, files: dict[str, str]) -> dict[str, str]:
    """Writes the files of a system with version 2, this process in the group `path`."""
    files = {f"sys/fs/cgroup/{name}": contents for name, contents in files.items()}
    return {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": V2} | files


def v1(path: str, files: dict[str, str], top: str = "/") -> dict[str, str]:
    """Writes the files of a system with version 1, and an empty version 2."""
    groups = f"9:name=systemd:/\n4:memory:{path}\n2:cpu,cpuacct:{path}\n0::/\n"
    files = {f"sys/fs/cgroup/{name}": contents for name, contents in files.items()}
    mounts = {"proc/self/mountinfo": V1.format(top=top)}
    return {"proc/self/cgroup": groups} | mounts | files


def quota_v1(group: str, microseconds: int) -> dict[str, str]:
    group = f"cpu,cpuacct{group}"
    return {f"{group}/cpu.cfs_quota_us": f"{microseconds}\n", f"{group}/cpu.cfs_period_us": "1000"}


LITTLE = {"memory/memory.limit_in_bytes": "7000000000\n"}
HUGE = {"memory/memory.limit_in_bytes": "9223372036854771712\n"}
SYSTEMS = {
    "no cgroups": ({}, 16, 64),
    "no limit, 2": (v2("/", {"cpu.max": "max 100000\n", "memory.max": "max\n"}), 16, 64),
    "limits, 2": (v2("/", {"cpu.max": "200000 100000\n", "memory.max": "8000000000\n"}), 2, 8),
    "a part counts as one": (v2("/", {"cpu.max": "150000 100000\n"}), 2, 64),
    "half a processor": (v2("/", {"cpu.max": "50000 100000\n"}), 1, 64),
    "more than there are": (v2("/", {"cpu.max": "9900000 100000\n"}), 16, 64),
    "in a group": (v2("/a/b", {"a/b/cpu.max": "3000 1000", "a/b/memory.max": "9000000000"}), 3, 9),
    "around a group": (v2("/a/b", {"a/cpu.max": "3000 1000", "a/memory.max": "9000000000"}), 3, 9),
    "the narrowest": (v2("/a/b", {"a/cpu.max": "3000 1000", "a/b/cpu.max": "4000 1000"}), 3, 64),
    "beside our group": (v2("/a", {"b/cpu.max": "100000 100000", "b/memory.max": "1"}), 16, 64),
    "outside of the mount": (v2("/../c", {"cpu.max": "4000 1000"}), 4, 64),
    "no limit, 1": (v1("/", quota_v1("", -1) | HUGE), 16, 64),
    "limits, 1": (v1("/", quota_v1("", 2500) | LITTLE), 3, 7),
    "in a group, 1": (v1("/job", quota_v1("/job", 5000)), 5, 64),
    "a container, 1": (v1("/docker/1f", quota_v1("", 6000), top="/docker/1f"), 6, 64),
    "unreadable": (v2("/", {"cpu.max": "plenty\n", "memory.max": ""}), 16, 64),
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_cgroups_allow_is_found(ask, name):
    files, cpus, gigabytes = SYSTEMS[name]
    assert ask(files) == (cpus, gigabytes)


def test_affinity_and_the_limit_of_the_process_count(ask, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (5 * GB, 5 * GB))
    assert ask(v2("/", {"cpu.max": "400000 100000"})) == (1, 5)


def machine(cpus: int, gigabytes: int, schedulable: int = 0) -> Machine:
    schedulable = schedulable or cpus
    return Machine(cpus=cpus, schedulable_cpus=schedulable, memory_bytes=gigabytes * GB)


@pytest.mark.parametrize("cpus", [1, 2, 16, 96])
def test_every_processor_decodes_and_tensorflow_counts_for_itself(cpus):
    here = machine(cpus, 4 * cpus)
    assert decoding(100_000_000, here).threads == cpus
    assert threads(here) == 0


@pytest.mark.parametrize("cpus", [1, 2, 16, 95])
def test_tensorflow_hears_of_a_quota(cpus):
    assert threads(machine(cpus, 4 * cpus, schedulable=96)) == cpus


@pytest.mark.parametrize("cpus", [1, 2, 16, 96])
@pytest.mark.parametrize("gigabytes", [1, 4, 64, 1000])
def test_pictures_decoded_side_by_side_have_a_part_of_the_memory(cpus, gigabytes):
    here = machine(cpus, gigabytes)
    how = decoding(100_000_000, here)
    assert 2 * how.threads * how.parallel_pixels * PIXEL_BYTES <= picture_bytes(here)
    assert picture_bytes(here) == here.memory_bytes / 8
    assert how.max_pixels == 100_000_000


USERS_VALUES = """
import os
import tensorflow as tf
from alexnet_tf.training import strategy
pools = tf.config.threading
found = []
for quota, variable, chosen in ((0, "", 0), (7, "", 0), (7, "3", 0), (7, "", 5)):
    for name in ("inter_op", "intra_op"):
        os.environ[f"TF_NUM_{name.replace('_', '').upper()}_THREADS"] = variable
        getattr(pools, f"set_{name}_parallelism_threads")(chosen)
    strategy._set_threads(quota)
    found += [pools.get_inter_op_parallelism_threads(), pools.get_intra_op_parallelism_threads()]
print(found)
"""


@pytest.mark.long
def test_a_quota_goes_over_no_users_value():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", USERS_VALUES], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[0] == "[0, 0, 7, 7, 0, 0, 5, 5]"
