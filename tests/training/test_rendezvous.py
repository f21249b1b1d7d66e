"""Workers meet over real sockets: late, with other settings, twice, or not at all."""

import concurrent.futures
import socket
import subprocess
import sys
import time

import pytest
from worker_processes import free_ports

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import rendezvous
from alexnet_tf.training.cluster import Cluster
from alexnet_tf.training.rendezvous import meet, unreachable

FACTS = {"alexnet_tf": "0", "steps": "20"}


@pytest.fixture
def addresses():
    return tuple(f"127.0.0.1:{port}" for port in free_ports(3))


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        yield pool


def test_all_go_on_once_the_last_has_come(addresses, pool):
    early = [pool.submit(meet, Cluster(addresses, i), FACTS, 20) for i in (2, 0)]
    time.sleep(0.5)
    assert not any(one.done() for one in early)
    meet(Cluster(addresses, 1), FACTS, 20)
    assert [one.result(5) for one in early] == [None, None]
    with socket.create_server(("", Cluster(addresses, 0).place(0)[1])):  # TensorFlow's turn
        pass


def test_a_chief_that_is_late_is_waited_for(addresses, pool):
    others = [pool.submit(meet, Cluster(addresses, i), FACTS, 20) for i in (1, 2)]
    time.sleep(0.5)
    meet(Cluster(addresses, 0), FACTS, 20)
    assert [one.result(5) for one in others] == [None, None]


def test_who_waits_says_for_whom_and_not_for_ever(addresses, pool, monkeypatch, capsys):
    monkeypatch.setattr(rendezvous, "FIRST_WORD_SECONDS", 0.3)
    other = pool.submit(meet, Cluster(addresses, 2), FACTS, 20)
    with pytest.raises(
        RunFailed, match=r"worker_wait_seconds=2: worker 1 \(.*\) did not come in t"
    ):
        meet(Cluster(addresses, 0), FACTS, 2)
    said = capsys.readouterr().err
    assert f"waiting for worker 1 ({addresses[1]})" in said  # says the chief
    assert f"worker 0 ({addresses[0]}) or those that it waits for, 20 s more" in said
    for index in (0, 1):  # the one that came goes back to waiting, and meets the next
        pool.submit(meet, Cluster(addresses, index), FACTS, 20)
    assert other.result(10) is None


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"steps": "21"}, "steps: 20 -> 21"),
        ({"alexnet_tf": "1"}, "alexnet_tf: 0 -> 1"),
        ({"towers": "2"}, "towers: none -> 2"),
    ],
)
def test_a_worker_that_differs_is_refused_by_the_chief(addresses, pool, changes, text):
    ends = [
        pool.submit(meet, Cluster(addresses, i), FACTS | (changes if i == 2 else {}), 1.5)
        for i in range(3)
    ]
    expected = rf"worker 2 \(.*\) was refused by the chief, since it differs: {text}\. Expected the"
    for index in (0, 2):
        with pytest.raises(UserError, match=expected):
            ends[index].result(10)
    # Worker 1 has come before and is told, or finds no chief.
    with pytest.raises((UserError, RunFailed)):
        ends[1].result(10)


def test_a_worker_of_version_0_2_0_is_refused_by_its_version(addresses, pool):
    chief = pool.submit(meet, Cluster(addresses, 0), FACTS, 20)
    time.sleep(0.3)
    with socket.create_connection(Cluster(addresses, 0).place(0)) as connection:
        rendezvous._write(connection, FACTS | {"alexnet_tf": "0.1", "worker_index": 2})
        assert "alexnet_tf: 0 -> 0.1" in rendezvous._read(connection)["refused"]
    with pytest.raises(UserError, match="since it differs: alexnet_tf: 0 -> 0.1"):
        chief.result(10)


def test_two_workers_of_one_index_are_refused(addresses, pool):
    ends = [pool.submit(meet, Cluster(addresses, i), FACTS, 10) for i in (0, 1, 1)]
    for end in ends:
        with pytest.raises(
            UserError, match="worker_index=1: two workers came with it; expected ea"
        ):
            end.result(10)


def test_a_worker_that_ends_while_it_waits_is_waited_for_again(addresses, pool):
    chief = pool.submit(meet, Cluster(addresses, 0), FACTS, 20)
    place = Cluster(addresses, 0).place(0)
    time.sleep(0.3)
    with socket.create_connection(place) as connection:
        rendezvous._write(connection, {"worker_index": 1, "facts": FACTS, "trouble": ""})
        time.sleep(0.5)
    with socket.create_connection(place) as stranger:  # not one of ours
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with socket.create_connection(place) as stranger:
        stranger.sendall(b"[1]\n")
    pool.submit(meet, Cluster(addresses, 2), FACTS, 20)
    time.sleep(0.7)
    assert not chief.done()
    meet(Cluster(addresses, 1), FACTS, 20)
    assert chief.result(5) is None


@pytest.mark.parametrize("index", [0, 1])
def test_a_port_that_is_taken_is_named_by_all_who_came(addresses, pool, index):
    with socket.create_server(("", Cluster(addresses, index).place(index)[1])):
        ends = [pool.submit(meet, Cluster(addresses, i), FACTS, 1) for i in (0, 2, 1)]
        expected = rf"workers=.*: worker {index} \(.*\) cannot listen at its port"
        others = "|worker 0 .*did not come in time"  # a chief without its port can tell nobody
        for i, end in zip((0, 2, 1), ends, strict=True):
            with pytest.raises(RunFailed, match=expected + others * (i != index)):
                end.result(10)


def test_a_worker_without_its_port_says_so_before_the_chief_comes(addresses, capsys):
    with socket.create_server(("", Cluster(addresses, 1).place(1)[1])):
        with pytest.raises(RunFailed, match="worker 0 .* did not come in time"):
            meet(Cluster(addresses, 1), FACTS, 0.5)
    assert "worker 1 (" in (said := capsys.readouterr().err) and "cannot listen" in said


@pytest.mark.parametrize("call", ["time.sleep(30)", "ctypes.PyDLL(None).sleep(30)"])
def test_a_deadline_ends_a_process_that_holds_pythons_lock_too(addresses, call):
    program = (
        "import ctypes, time; from alexnet_tf.training.cluster import Cluster; "
        "from alexnet_tf.training.rendezvous import Deadline\n"
        f"with Deadline(Cluster({addresses!r}, 1), 0.2): {call}"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and time.monotonic() - began < 20
    names = f"worker 0 ({addresses[0]}), worker 2 ({addresses[2]})"
    assert done.stderr.startswith(f"{names} did not answer for 0 s, although all workers had met.")
    assert done.stderr.count("\n") == 1


def test_a_deadline_that_is_met_says_nothing(addresses, capfd):
    with rendezvous.Deadline(Cluster(addresses, 1), 0.5):
        pass
    time.sleep(0.7)
    assert capfd.readouterr() == ("", "")


def test_who_does_not_listen_is_unreachable(addresses):
    with socket.create_server(("127.0.0.1", Cluster(addresses, 1).place(1)[1])):
        assert unreachable(Cluster(addresses, 2)) == [0]
