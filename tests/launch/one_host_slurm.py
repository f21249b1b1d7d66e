"""A SLURM of one node on this machine, of Debian's packages slurm-wlm and munge.

python tests/launch/one_host_slurm.py COMMAND...     runs a command with it: sinfo, sbatch, srun
"""

import contextlib
import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"
MISSING = [
    name
    for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel")
    if shutil.which(name, path=SBIN) is None
]
"""Programs that have to be installed first."""
SETTINGS = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that was queued again waits for as many seconds.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
"""CPUs=2 whatever there are: two tasks fit at a time."""


def free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        open_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        for port in open_ports:
            stack.enter_context(port)
        return [port.getsockname()[1] for port in open_ports]


def ask(*command: str) -> str:
    """Runs a command of SLURM and returns what it prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wait_until(is_true, seconds: float, what: str) -> None:
    """Asks again and again; SLURM tells nobody."""
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, f"after {seconds} s still no {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def one_host_slurm(folder: pathlib.Path) -> Iterator[None]:
    """Starts it, with its files in `folder`, and sets SLURM_CONF; ends it with all its jobs."""
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    settings = SETTINGS.format(
        host=host, ports=free_ports(2), user=getpass.getuser(), folder=folder
    )
    (folder / "slurm.conf").write_text(settings, encoding="utf-8")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    daemons = []

    def start(*command: str) -> None:
        with (folder / f"{command[0]}.out").open("wb") as out:
            path = shutil.which(command[0], path=SBIN)
            daemons.append(subprocess.Popen([path, *command[1:]], stdout=out, stderr=out))

    def is_idle() -> bool:
        return "idle" in subprocess.run(["sinfo", "-h"], capture_output=True, text=True).stdout

    try:
        files = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid"}
        files["seed-file"] = "seed"
        options = [f"--{option}={folder}/munge.{end}" for option, end in files.items()]
        start("munged", "--foreground", "--force", *options)
        wait_until((folder / "munge.socket").exists, 20, "munged")
        start("slurmctld", "-D")
        start("slurmd", "-D", "-N", host)
        wait_until(is_idle, 60, "idle node")
        yield
        subprocess.run(["scancel", "--user", getpass.getuser()])
        wait_until(is_idle, 60, "end of all jobs")
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        del os.environ["SLURM_CONF"]


if __name__ == "__main__":
    if MISSING:
        sys.exit(f"{', '.join(MISSING)} missing: expected Debian's slurm-wlm and munge.")
    with tempfile.TemporaryDirectory() as place, one_host_slurm(pathlib.Path(place)):
        done = subprocess.run(sys.argv[1:])
    sys.exit(done.returncode)
