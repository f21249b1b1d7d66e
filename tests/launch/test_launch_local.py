"""launch/local.sh with workers that print, fail, hang and hear signals."""

import os
import re
import shutil
import signal
import time

import pytest
from started_local import LOCAL, Local

HANGS = "time.sleep(100)"
IGNORES = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {HANGS}"
SAVES = """
heard = []
def save(number, frame):
    heard.append(number)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, save)
(notes / f"ready_{index}").touch()
while not heard:
    time.sleep(0.01)
time.sleep(0.5)  # a second one would come now
print(f"heard {len(heard)}", flush=True)
sys.exit({15: 143, 2: 130}[heard[0]])
"""


@pytest.fixture
def local(tmp_path):
    return Local(tmp_path)


def test_without_a_number_one_process_takes_the_place_of_the_script(local):
    process = local.start("evaluate", "--views=ten", DOES="print('{}'); sys.exit(3)")
    out, err = process.communicate(timeout=60)
    (worker,) = local.workers()
    assert (process.returncode, out, err) == (3, "{}\n", "")
    assert worker["argv"] == ["-m", "alexnet_tf.evaluate", "--views=ten"]
    assert worker["process"] == process.pid


def test_each_worker_gets_its_place_in_one_list_of_free_ports(local):
    code, _, _ = local.run("3", "train", "--run_dir=a b", "--steps=2")
    assert code == 0
    workers = local.workers()
    assert [worker["flags"]["worker_index"] for worker in workers] == ["0", "1", "2"]
    (addresses,) = {worker["flags"]["workers"] for worker in workers}
    ports = re.fullmatch(r"127\.0\.0\.1:(\d+),127\.0\.0\.1:(\d+),127\.0\.0\.1:(\d+)", addresses)
    assert len({*ports.groups()}) == 3
    for worker in workers:
        assert worker["argv"][:4] == ["-m", "alexnet_tf.train", "--run_dir=a b", "--steps=2"]
        assert worker["flags"]["strategy"] == "multi_worker"


@pytest.mark.parametrize("typed", [("1",), ("--steps=2",), ("1", "--steps=2")])
def test_the_command_is_train_unless_it_is_said(local, typed):
    assert local.run(*typed)[0] == 0
    (worker,) = local.workers()
    assert worker["argv"][1] == "alexnet_tf.train"
    assert ("--steps=2" in worker["argv"]) == ("--steps=2" in typed)


def test_only_training_has_workers(local):
    code, _, error = local.run("2", "evaluate")
    said = (
        "local.sh: command=evaluate: expected train, which alone has workers. Leave the number out."
    )
    assert (code, error) == (2, [said])


def test_lines_are_marked_and_the_last_one_is_the_result_of_worker_0(local):
    code, out, err = local.run(
        "2",
        DOES_0='print("late", file=sys.stderr); time.sleep(0.5); print(\'{"steps": 3}\', end="")',
        DOES_1='print("one\\ntwo"); print("[0] not me", file=sys.stderr)',
    )
    assert (code, out) == (0, ["[1] one", "[1] two", '[0] {"steps": 3}'])
    assert sorted(err) == ["[0] late", "[1] [0] not me"]


@pytest.mark.parametrize("first, then", [(2, 1), (1, 2), (143, 1)])
def test_the_exit_code_is_that_of_the_first_that_fails(local, first, then):
    ends = {"DOES_0": f"time.sleep(1.5); sys.exit({then})", "DOES_1": f"sys.exit({first})"}
    code, _, err = local.run("3", **ends, GRACE_SECONDS="60")
    assert code == first
    assert len(err) == 1
    assert re.fullmatch(
        rf"local.sh: worker=1 ended with exit code {first}; the others have 60 s to end by "
        "themselves.",
        err[0],
    )


def test_a_worker_that_was_killed_has_failed(local):
    code, _, err = local.run(
        "2", DOES_0="time.sleep(1)", DOES_1="os.kill(os.getpid(), 9)", GRACE_SECONDS="60"
    )
    assert code == 137
    assert [line.partition(";")[0] for line in err] == [
        "local.sh: worker=1 ended with exit code 137"
    ]


def test_a_mistake_counts_before_the_loss_that_followed_it(local):
    lost = "while not (notes / 'ready').exists(): time.sleep(0.01)\nsys.exit(1)"
    mistake = "(notes / 'ready').touch(); sys.exit(2)"
    code, _, _ = local.run("3", DOES_0=lost, DOES_1=mistake, DOES_2=lost)
    assert code == 2


def test_who_outlives_a_lost_peer_is_ended_at_last(local):
    begin = time.monotonic()
    code, _, err = local.run("3", DOES_0=HANGS, DOES_1="sys.exit(1)", DOES_2=IGNORES)
    assert code == 1
    assert 1 < time.monotonic() - begin < 10
    assert err[1:] == [
        "local.sh: workers=0 2 are still running after 1 s: SIGTERM.",
        "local.sh: workers=2 are still running after 1 s: SIGKILL.",
    ]


def test_what_a_worker_has_started_ends_with_it(local):
    code, _, _ = local.run("2", DOES="subprocess.Popen(['sleep', '100'])")
    assert code == 0


def test_the_script_may_be_replaced_while_it_runs(local, tmp_path):
    local.script = tmp_path / "local.sh"
    shutil.copy(LOCAL, local.script)
    process = local.start("2", DOES="(notes / f'ready_{index}').touch(); time.sleep(1)")
    local.wait_for("ready_0", "ready_1")
    local.script.write_text("exit 7\n" * 1000, encoding="utf-8")
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_passed_to_all_workers_once(local, number, code):
    process = local.start("2", DOES=SAVES, GRACE_SECONDS="60")
    local.wait_for("ready_0", "ready_1")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert sorted(out.splitlines()) == ["[0] heard 1", "[1] heard 1"]
    assert local.left() == []


def test_ctrl_c_in_a_terminal_reaches_a_worker_once(local):
    process = local.start("2", DOES=SAVES, GRACE_SECONDS="60")
    local.wait_for("ready_0", "ready_1")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the whole group
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert sorted(out.splitlines()) == ["[0] heard 1", "[1] heard 1"]


def test_a_worker_that_does_not_hear_a_signal_is_ended(local):
    process = local.start("2", DOES=f"(notes / f'ready_{{index}}').touch(); {IGNORES}")
    local.wait_for("ready_0", "ready_1")
    time.sleep(0.5)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 137
    assert local.left() == []


@pytest.mark.parametrize("given, seen", [("4,7", ["4", "7"]), ("", ["", ""]), (None, [None] * 2)])
def test_each_worker_sees_the_gpu_of_its_place(local, given, seen):
    assert local.run("2", CUDA_VISIBLE_DEVICES=given)[0] == 0
    assert [x["variables"].get("CUDA_VISIBLE_DEVICES") for x in local.workers()] == seen


@pytest.mark.parametrize(
    "words, variables, message",
    [
        (["0"], {}, "workers=0: expected 1 to 99999. Type launch/local.sh 2 train ..."),
        (["2x"], {}, "workers=2x: expected 1 to 99999. Type launch/local.sh 2 train ..."),
        (
            ["evalate", "--views=ten"],
            {},
            "command=evalate: expected a number of workers, or one of benchmark convert evaluate "
            "experiment export features predict summary train visualize. See --help.",
        ),
        (
            ["2", "train", "--worker-index=1"],
            {},
            "--worker-index=1: expected no flags about workers, which this script sets. Leave it "
            "out.",
        ),
        (
            ["2"],
            {"PYTHON": "nopython"},
            "PYTHON=nopython: no such program; expected a Python that has alexnet_tf. Name one.",
        ),
        (["123456"], {}, "workers=123456: expected 1 to 99999. Type launch/local.sh 2 train ..."),
        (
            ["2"],
            {"GRACE_SECONDS": "1m"},
            "GRACE_SECONDS=1m: expected whole seconds from 1. Leave it unset for 60.",
        ),
        (
            ["2"],
            {"CUDA_VISIBLE_DEVICES": "0"},
            "CUDA_VISIBLE_DEVICES=0: expected 2 GPUs, one for each worker. Name as many, or none "
            "to train on the CPU.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(local, words, variables, message):
    assert local.run(*words, **variables) == (2, [], [f"local.sh: {message}"])
    assert local.workers() == []


def test_the_strategy_may_be_said_as_well(local):
    assert local.run("2", "train", "--strategy=multi_worker")[0] == 0
    assert len(local.workers()) == 2


def test_its_commands_are_those_that_there_are():
    (listed,) = re.findall(r'^commands=" (.*) "$', LOCAL.read_text(), re.MULTILINE)
    package = LOCAL.parents[1] / "alexnet_tf"
    commands = [x.stem for x in package.glob("*.py") if "run_command(main)" in x.read_text()]
    assert listed.split() == sorted(commands)


def test_more_workers_than_memory_holds_are_refused(local):
    code, out, (line,) = local.run("99999", "train")
    assert (code, out, local.workers()) == (2, [], [])
    words = (
        "local.sh: workers=99999: expected at most \\d+, since a worker takes 500 MB of memory or"
    )
    assert re.match(words, line)
