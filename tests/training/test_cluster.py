"""Who the workers are: from the command line, TF_CONFIG and SLURM's variables."""

import json
import os
import subprocess
import sys

import pytest

from alexnet_tf.config.run import RunConfig
from alexnet_tf.errors import UserError
from alexnet_tf.training.cluster import Cluster, cores_of, find
from pipelines.machine import Machine
from pipelines.parallelism import decoding, threads

RUN = RunConfig(strategy="multi_worker")
TWO = ("one:1000", "two:1000")


def of_tf_config(cluster, task):
    return find(RUN, {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})})


def of_slurm(**changes):
    variables = {
        "SLURM_JOB_ID": "7",
        "SLURM_PROCID": "3",
        "SLURM_STEP_NODELIST": "gpu[01-02,07],login",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2),1(x2)",
    }
    return find(RUN, {k: v for k, v in (variables | changes).items() if v is not None})


def test_typed_workers_come_before_the_environment():
    run = RunConfig(strategy="multi_worker", workers=TWO, worker_index=1)
    assert find(run, {"TF_CONFIG": "nonsense", "SLURM_PROCID": "0"}) == Cluster(TWO, 1)


def test_a_chief_of_tf_config_is_worker_0():
    jobs = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}
    assert of_tf_config(jobs, {"type": "worker", "index": 1}) == Cluster(("c:1", "a:1", "b:1"), 2)
    assert of_tf_config(jobs, {"type": "chief", "index": 0}).is_chief
    assert of_tf_config({"worker": TWO}, {"type": "worker", "index": 0}).is_chief
    with pytest.raises(UserError, match="TF_CONFIG: expected workers alone, found evaluator too"):
        of_tf_config(jobs | {"evaluator": ["e:1"]}, {"type": "worker", "index": 0})
    for text in ("{", "[]", '{"cluster": {"worker": ["a:1"]}}', '{"cluster": 1, "task": 2}'):
        with pytest.raises(UserError, match="TF_CONFIG=.*: expected"):
            find(RUN, {"TF_CONFIG": text})
    with pytest.raises(UserError, match="TF_CONFIG=.*KeyError: 'ps'"):
        of_tf_config(jobs, {"type": "ps", "index": 0})


def test_slurms_hosts_are_ranked_as_slurm_lists_them():
    port = 20_000 + 7 * 16
    names = [f"{host}:{port + i}" for host, i in (("gpu01", 0), ("gpu01", 1), ("gpu02", 0))]
    names += [f"gpu02:{port + 1}", f"gpu07:{port}", f"login:{port}"]
    assert of_slurm() == Cluster(tuple(names), 3)
    racks = of_slurm(SLURM_STEP_NODELIST="z[9-10]n[1-2]", SLURM_STEP_TASKS_PER_NODE="1(x4)")
    assert [racks.place(i)[0] for i in range(4)] == ["z9n1", "z9n2", "z10n1", "z10n2"]
    job = {"SLURM_STEP_NODELIST": None, "SLURM_STEP_TASKS_PER_NODE": None}
    job |= {"SLURM_JOB_NODELIST": "b,a", "SLURM_TASKS_PER_NODE": "2,2"}
    assert of_slurm(**job).addresses == (f"b:{port}", f"b:{port + 1}", f"a:{port}", f"a:{port + 1}")
    assert of_slurm(SLURMD_NODENAME="gpu02").index == 3
    with pytest.raises(UserError, match="SLURM_PROCID=3 runs on gpu01, expected gpu02, by the ord"):
        of_slurm(SLURMD_NODENAME="gpu01")  # srun --distribution=cyclic
    for changes in ({"SLURM_JOB_ID": None}, {"SLURM_STEP_TASKS_PER_NODE": "1"}):
        with pytest.raises(UserError, match="SLURM: expected SLURM_JOB_ID, SLURM_PROCID, SLURM_ST"):
            of_slurm(**changes)


def test_what_is_no_cluster_is_refused():
    with pytest.raises(UserError, match="strategy=multi_worker: expected to find the workers in -"):
        find(RUN, {})
    for address in ("one", "one:", ":1000", "one:0", "one:99999", "one:x"):
        with pytest.raises(UserError, match=r"workers=.*: expected host:port for each worker, fou"):
            Cluster((address,), 0)
    with pytest.raises(UserError, match="workers=.*: expected each address once. Give workers on"):
        Cluster(("one:1", "one:1"), 0)
    with pytest.raises(UserError, match="worker_index=2: expected 0 to 1, since there are 2 worke"):
        Cluster(TWO, 2)
    with pytest.raises(ValueError, match="worker_wait_seconds=0.0: expected more than 0"):
        RunConfig(worker_wait_seconds=0.0)


def test_neighbors_are_on_the_same_machine():
    cluster = Cluster(("a:1", "b:1", "a:2", "[::1]:1"), 2)
    assert cluster.neighbors() == [0, 2]
    assert cluster.place(3) == ("::1", 1)


@pytest.mark.parametrize(
    "num_cores, workers, expected",
    [
        (2, 2, [[0], [1]]),
        (8, 3, [[0, 1], [2, 3, 4], [5, 6, 7]]),
        (2, 3, [[0], [1], [0]]),
        (64, 8, [list(range(8 * i, 8 * i + 8)) for i in range(8)]),
    ],
)
def test_workers_of_a_machine_divide_its_processors(num_cores, workers, expected):
    cores = list(range(num_cores))
    assert [list(cores_of(cores, i, range(workers))) for i in range(workers)] == expected


PROGRAM = """
import os, sys
from alexnet_tf.training.cluster import Cluster, take_cores
from pipelines.parallelism import decoding, threads
if sys.argv[2:]:
    os.sched_setaffinity(0, {int(sys.argv[2])})
take_cores(Cluster(("here:1", "there:1", "here:2"), int(sys.argv[1])))
print(sorted(os.sched_getaffinity(0)), decoding(1).threads, threads())
"""


def places(*arguments):
    """What a process of its own may use once it has taken its cores."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor cannot be divided")
def test_workers_of_this_machine_decode_on_their_own_processors():
    cores = sorted(os.sched_getaffinity(0))  # all that are there, or those of a container
    half = len(cores) // 2
    first, second = cores[:half], cores[half:]
    assert places("0").startswith(f"{first} ") and places("2").startswith(f"{second} ")
    assert places("1").startswith(f"{cores} ")  # alone on its machine
    # Who bound them, such as SLURM, has divided them: they stay, and so does the number of threads.
    assert places("0", str(cores[1])) == f"[{cores[1]}] 1 0"


def test_one_host_of_eight_replicas_decodes_on_all_its_processors():
    host = Machine(cpus=64, schedulable_cpus=64, memory_bytes=512 * 10**9)
    assert decoding(50_000_000, host).threads == 64  # one chain feeds all replicas
    assert threads(host) == 0  # TensorFlow's own choice: as many
    part = Machine(cpus=8, schedulable_cpus=64, memory_bytes=512 * 10**9)  # a container's quota
    assert decoding(50_000_000, part).threads == threads(part) == 8
