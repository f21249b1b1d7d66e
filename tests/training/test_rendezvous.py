"""Workers meet over real sockets: late, with other settings, twice, or not at all."""

import concurrent.futures
import socket
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
    assert f"waiting for worker 1 ({addresses[1]})" in capsys.readouterr().err
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
        rendezvous._write(connection, FACTS | {"worker_index": 1})
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


def test_a_port_that_is_taken_is_named(addresses):
    port = Cluster(addresses, 0).place(0)[1]
    with socket.create_server(("", port)):
        with pytest.raises(
            RunFailed, match=f"workers=.*: this worker cannot listen at port {port}"
        ):
            meet(Cluster(addresses, 0), FACTS, 5)


def test_a_deadline_ends_the_process(addresses):
    import subprocess
    import sys

    program = (
        "import time; from alexnet_tf.training.cluster import Cluster; "
        "from alexnet_tf.training.rendezvous import Deadline\n"
        f"with Deadline(Cluster({addresses!r}, 1), 0.2): time.sleep(30)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and time.monotonic() - began < 20
    assert f"worker 0 ({addresses[0]}), worker 2 ({addresses[2]}) did not answer" in done.stderr


def test_who_does_not_listen_is_unreachable(addresses):
    with socket.create_server(("127.0.0.1", Cluster(addresses, 1).place(1)[1])):
        assert unreachable(Cluster(addresses, 2)) == [0]
