"""Every shell script by shellcheck; what those say and do that need no cluster to run."""

import os
import pathlib
import re
import subprocess
import sysconfig

import pytest

ROOT = pathlib.Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
SHEBANG = b"#!/usr/bin/env bash\n"
SCRIPTS = sorted(
    path
    for folder in (ROOT / ".ci", LAUNCH, ROOT / "tests")
    for path in folder.rglob("*")
    if path.is_file() and path.read_bytes().startswith(SHEBANG)
)
SLURM = (LAUNCH / "slurm.sbatch").read_text(encoding="utf-8")
DOCKERFILE = (LAUNCH / "docker" / "Dockerfile").read_text(encoding="utf-8")


def names(paths) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_no_script_is_missed():
    ends = {".sh", ".sbatch"}
    assert {path for path in LAUNCH.rglob("*") if path.suffix in ends} <= {*SCRIPTS}
    assert ROOT / ".ci" / "run" in SCRIPTS


@pytest.mark.parametrize("path", SCRIPTS, ids=names(SCRIPTS))
def test_shellcheck_finds_nothing(path):
    shellcheck = pathlib.Path(sysconfig.get_path("scripts")) / "shellcheck"
    done = subprocess.run([shellcheck, path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", SCRIPTS, ids=names(SCRIPTS))
def test_a_script_can_be_run_and_stops_at_what_it_did_not_expect(path):
    assert path.stat().st_mode & 0o111
    assert b"\nset -euo pipefail\n" in path.read_bytes()


class Programs:
    """A folder of programs that note how they were called and end as they are told."""

    def __init__(self, folder: pathlib.Path):
        self.folder, self.log = folder, folder / "calls"

    def add(self, name: str, body: str) -> str:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.log}\n{body}\n', encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def calls(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def run(self, script: str, *words, **variables) -> subprocess.CompletedProcess:
        path = f"{self.folder}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **variables}
        command = ["bash", LAUNCH / script, *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def programs(tmp_path):
    return Programs(tmp_path)


@pytest.mark.parametrize(
    "code, again", [(0, False), (1, True), (2, False), (130, False), (137, True), (143, True)]
)
def test_slurm_queues_a_job_again_by_its_exit_code(programs, code, again):
    programs.add("srun", f"exit {code}")
    programs.add("scontrol", "")
    done = programs.run("slurm.sbatch", "--seed=1", SLURM_JOB_ID="7", SLURM_CPUS_PER_TASK="4")
    assert done.returncode == code
    call, *rest = programs.calls()
    assert call.endswith("python -m alexnet_tf.train --strategy=multi_worker --seed=1")
    assert "--cpus-per-task=4 " in call
    assert rest == (["scontrol requeue 7"] if again else [])
    says = f"slurm.sbatch: exit_code={code} after 0 restarts: queued again.\n"
    assert done.stderr == (says if again else "")


def test_slurm_gives_up_in_the_end(programs):
    programs.add("srun", "exit 1")
    programs.add("scontrol", "")
    variables = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "3", "MAX_RESTARTS": "3"}
    done = programs.run("slurm.sbatch", **variables)
    assert done.returncode == 1
    assert len(programs.calls()) == 1
    assert done.stderr == (
        "slurm.sbatch: exit_code=1 after 3 restarts, MAX_RESTARTS of them. Mend what fails and "
        "type the same command again: training goes on.\n"
    )


def test_slurm_is_asked_for_a_signal_ahead_of_the_limit_and_for_requeues():
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(\S*)$", SLURM, re.MULTILINE))
    assert options["signal"] == "TERM@120"  # not B:, which would tell the script alone
    assert options["requeue"] == ""
    assert options["open-mode"] == "append"  # a restart does not wipe what was said before


def test_slurm_waits_longer_for_the_last_task_than_workers_wait_for_a_late_one():
    assert int(re.search(r"--wait=(\d+)", SLURM)[1]) > 600
    assert "--worker_wait_seconds (600)" in SLURM


def test_a_tpu_vm_gets_the_lines_of_build_md_and_then_trains(programs):
    variables = {"PYTHON": "python_of_tpu", "LIBTPU_INDEX": "page.html"}
    programs.add("python_of_tpu", 'case "$3" in show) exit 1 ;; esac')
    assert programs.run("tpu_vm.sh", "--seed=1", **variables).returncode == 0
    calls = [call.removeprefix("python_of_tpu -m ") for call in programs.calls()]
    assert calls[0] == "pip show --quiet tensorflow-tpu"
    assert calls[1].startswith("pip install ")
    assert pathlib.Path(calls[1].split()[-1]).resolve() == ROOT
    assert calls[2] == "pip uninstall --yes tensorflow"
    assert calls[3] == "pip install --find-links=page.html tensorflow-tpu==2.20.0"
    assert calls[4] == "alexnet_tf.train --strategy=tpu --tpu=local --seed=1"
    build = (ROOT / "BUILD.md").read_text(encoding="utf-8")
    assert "pip uninstall --yes tensorflow\n" in build
    assert "pip install tensorflow-tpu==2.20.0 " in build


def test_a_tpu_vm_that_is_set_up_trains_at_once(programs):
    programs.add("python_of_tpu", "")
    programs.run("tpu_vm.sh", PYTHON="python_of_tpu", LIBTPU_INDEX="")
    assert [call.split()[2] for call in programs.calls()] == ["pip", "alexnet_tf.train"]


def test_a_tpu_vm_needs_to_know_where_libtpu_is(programs):
    programs.add("python_of_tpu", "exit 1")
    done = programs.run("tpu_vm.sh", PYTHON="python_of_tpu", LIBTPU_INDEX="")
    assert done.returncode == 2
    assert done.stderr == (
        "tpu_vm.sh: LIBTPU_INDEX='': expected the address of the index of libtpu wheels, which "
        "TensorFlow's page on installing it names. Type LIBTPU_INDEX=ADDRESS launch/tpu_vm.sh ...\n"
    )
    assert len(programs.calls()) == 1


@pytest.mark.parametrize(
    "name, words",
    [
        ("launch/tpu_vm.sh", "Not run on a TPU."),
        ("launch/docker/Dockerfile", "Not built here: there was no Docker."),
    ],
)
def test_what_could_not_be_run_says_so(name, words):
    assert words in " ".join((ROOT / name).read_text(encoding="utf-8").split())


def test_the_image_is_made_of_files_that_there_are_and_holds_what_setup_needs():
    sources = [
        name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.M) for name in line.split()
    ]
    for name in sources:
        assert (ROOT / name).exists(), name
    assert {"alexnet_tf", "pipelines", "setup.py", "pyproject.toml"} <= {*sources}
    assert {"README.md", "LICENSE", "NOTICE"} <= {*sources}  # setup.py reads them


@pytest.mark.parametrize(
    "device, code, call", [("cpu", 0, "."), ("gpu", 0, ".[gpu]"), ("tpu", 2, None)]
)
def test_the_image_is_for_the_device_that_is_asked_for(programs, device, code, call):
    run = re.search(r"^RUN (case .*?) \\\n    && rm ", DOCKERFILE, re.M | re.S)[1]
    programs.add("pip", "")
    path = f"{programs.folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", run.replace("\\\n", "")],
        capture_output=True,
        text=True,
        env={"PATH": path, "DEVICE": device},
    )
    assert done.returncode == code
    if call:
        assert programs.calls() == [f"pip install --no-cache-dir {call}"]
    else:
        assert done.stderr == "DEVICE=tpu: expected cpu or gpu. Type --build-arg DEVICE=gpu.\n"


def test_a_signal_reaches_training_in_the_image():
    assert 'ENTRYPOINT ["tini", "--"]' in DOCKERFILE
    assert 'CMD ["python", "-m", "alexnet_tf.train"]' in DOCKERFILE


def test_slurms_script_says_where_it_has_no_job(programs):
    done = programs.run("slurm.sbatch", "--recipe=paper")
    assert (done.returncode, programs.calls()) == (2, [])
    assert done.stderr.startswith(
        "slurm.sbatch: SLURM_JOB_ID is not set; expected a job of SLURM's"
    )


@pytest.mark.parametrize("name", ["local.sh", "tpu_vm.sh"])
def test_help_is_what_stands_at_the_top(programs, name):
    done = programs.run(name, "--help")
    assert done.returncode == 0 and not done.stderr and not programs.calls()
    lines = (LAUNCH / name).read_text(encoding="utf-8").splitlines()
    top = [line[2:] for line in lines[1 : lines.index("set -euo pipefail")]]
    assert done.stdout.splitlines() == top
