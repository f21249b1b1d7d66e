"""launch/slurm.sbatch in a SLURM of one node: two tasks, requeues, a kill, a signal.

The workers are those of told_workers.py; they find nothing but SLURM's variables.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import one_host_slurm
import pytest

HERE = pathlib.Path(__file__).parent
SCRIPT = HERE.parents[1] / "launch" / "slurm.sbatch"
ONE_NODE = ("--nodes=1", "--ntasks-per-node=2", "--gpus-per-task=0", "--cpus-per-task=1")
SAVES = """
signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
(notes / f"ready_{index}").touch()
if attempt == 0:
    time.sleep(300)
"""
LOSES_ITS_PEER = """
while attempt == 0:
    time.sleep(0.1)
    if (notes / "killed").exists():
        sys.exit(1)
"""
IS_KILLED = """
if attempt == 0:
    (notes / "killed").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
WAITS_FOR_A_PEER = "time.sleep(2); sys.exit(1)"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(one_host_slurm.MISSING),
        reason=f"no {', '.join(one_host_slurm.MISSING)}: Debian's slurm-wlm and munge have them",
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with one_host_slurm.one_host_slurm(tmp_path_factory.mktemp("slurm")):
        yield


class Job:
    """A job that was submitted.

    Args:
      folder: where it runs and notes are left.
      options: of sbatch.
      flags: of training.
      variables: the programs of its workers, and more.
    """

    def __init__(self, folder: pathlib.Path, *options, flags=("--seed=1",), **variables):
        self.folder = folder
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/told_workers.py "$@"\n')
        python.chmod(0o755)
        environment = {**os.environ, "PYTHON": str(python), "NOTES": str(folder), **variables}
        done = subprocess.run(
            ["sbatch", "--parsable", *ONE_NODE, *options, SCRIPT, *flags],
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        self.number = done.stdout.strip()

    def told(self) -> dict[str, str]:
        """What SLURM says of it."""
        words = one_host_slurm.ask("scontrol", "--oneliner", "show", "job", self.number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def end(self, seconds: float = 120) -> tuple[str, str, str]:
        """Waits for the end and returns the state, the exit code and the number of restarts."""
        states = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
        one_host_slurm.wait_until(lambda: self.told()["JobState"] in states, seconds, "end")
        told = self.told()
        return told["JobState"], told["ExitCode"].partition(":")[0], told["Restarts"]

    def output(self) -> str:
        return (self.folder / f"slurm-{self.number}.out").read_text(encoding="utf-8")

    def wait_for(self, *names: str) -> None:
        def are_there() -> bool:
            return all((self.folder / name).exists() for name in names)

        one_host_slurm.wait_until(are_there, 60, " ".join(names))


def test_two_tasks_find_their_places_in_slurms_variables(slurm, tmp_path):
    job = Job(tmp_path, DOES_0="print('{}')")
    assert job.end() == ("COMPLETED", "0", "0")
    assert "0: {}\n" in job.output()
    workers = [json.loads((tmp_path / f"worker_{i}.json").read_text()) for i in range(2)]
    for index, worker in enumerate(workers):
        flags = ["-m", "alexnet_tf.train", "--strategy=multi_worker", "--seed=1"]
        assert worker["argv"] == flags
        assert worker["variables"]["SLURM_PROCID"] == str(index)
        assert worker["variables"]["SLURM_STEP_TASKS_PER_NODE"] == "2"
        assert worker["variables"]["SLURM_JOB_ID"] == job.number
        assert worker["variables"]["SLURM_STEP_NODELIST"]


def test_a_job_that_lost_a_worker_is_queued_again_and_done(slurm, tmp_path):
    job = Job(tmp_path, DOES_0=LOSES_ITS_PEER, DOES_1=IS_KILLED)
    assert job.end() == ("COMPLETED", "0", "1")
    assert "exit_code=137 after 0 restarts: queued again." in job.output()


def test_a_job_that_failed_is_queued_again_and_done(slurm, tmp_path):
    job = Job(tmp_path, DOES="sys.exit(attempt == 0)")
    assert job.end() == ("COMPLETED", "0", "1")
    assert "exit_code=1 after 0 restarts: queued again." in job.output()


def test_a_job_gives_up_after_the_restarts_that_it_may_have(slurm, tmp_path):
    job = Job(tmp_path, DOES="sys.exit(1)", MAX_RESTARTS="1")
    assert job.end() == ("FAILED", "1", "1")


def test_a_mistake_is_not_queued_again_though_others_fail_by_it_later(slurm, tmp_path):
    job = Job(tmp_path, DOES_0=WAITS_FOR_A_PEER, DOES_1="sys.exit(2)")
    assert job.end() == ("FAILED", "2", "0")


def test_a_job_that_is_canceled_stays_so(slurm, tmp_path):
    job = Job(tmp_path, DOES=SAVES)
    job.wait_for("ready_0", "ready_1")
    one_host_slurm.ask("scancel", job.number)
    assert job.end()[0::2] == ("CANCELLED", "0")


def test_a_job_at_its_limit_is_told_before_and_goes_on_in_another(slurm, tmp_path):
    job = Job(tmp_path, "--time=1", "--signal=TERM@50", DOES=SAVES)
    assert job.end(seconds=240) == ("COMPLETED", "0", "1")
    assert "exit_code=143 after 0 restarts: queued again." in job.output()


def test_two_workers_train(slurm, tmp_path):
    flags = ("--steps=20", f"--run_dir={tmp_path / 'run'}")
    job = Job(tmp_path, flags=flags, PYTHON=sys.executable, PYTHONPATH=str(HERE.parents[1]))
    assert job.end(seconds=240) == ("COMPLETED", "0", "0"), job.output()
    (line,) = re.findall(r"^0: (\{.*\})$", job.output(), re.MULTILINE)
    assert json.loads(line)["step"] == 20
    assert "training on 2 workers" in job.output()
