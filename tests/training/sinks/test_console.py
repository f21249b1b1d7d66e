"""The progress bar on a terminal, and plain lines elsewhere."""

import io
import os
import re
import select
import types

import pytest

from alexnet_tf.training.sinks import console
from alexnet_tf.training.sinks.console import Console

TRAINING = {
    "step": 740,
    "epoch": 5.0,
    "train/loss": 1.23451,
    "train/top1_error": 0.4321,
    "train/top5_error": None,
    "train/learning_rate": 0.01,
    "train/seen": 2560,
    "train/skipped": 0,
    "time/seconds": 100.0,
    "time/images_per_second": 36.1,
    "time/data_wait": 0.004,
}
EVALUATION = {"step": 740, "epoch": 5.0, "eval/loss": 0.5, "eval/top1_error": 0.05}
EVALUATION |= {"eval/top5_error": 0.0125, "eval/seen": 500, "eval/skipped": 3}


def test_without_a_terminal_there_are_plain_lines_only():
    stream = io.StringIO()
    console = Console(num_steps=1480, steps_per_epoch=148, stream=stream)
    console.write(TRAINING)
    console.progress(750, 36.0, 1.2)
    console.write(EVALUATION)
    console.close()
    assert stream.getvalue().splitlines() == [
        "step  740  epoch  5.00  train  loss 1.2345  top-1 error 43.21 %  lr 0.01  36.1 images/s"
        "  data wait 0.4 %",
        "step  740  epoch  5.00  eval   loss 0.5000  top-1 error  5.00 %  top-5 error  1.25 %"
        "  skipped 3",
    ]


def test_columns_stay_in_place_from_the_first_to_the_last_step():
    stream = io.StringIO()
    console = Console(num_steps=100_000, steps_per_epoch=1000.5, stream=stream)
    for step in (20, 99_980):
        console.write(TRAINING | {"step": step, "epoch": step / 1000.5})
    first, last = stream.getvalue().splitlines()
    assert first.index("loss") == last.index("loss")


def test_the_console_speaks_on_standard_error(capsys):
    Console(num_steps=10, steps_per_epoch=5).write(EVALUATION)
    out, err = capsys.readouterr()
    assert out == "" and "eval" in err


@pytest.fixture
def terminal(monkeypatch):
    """A pseudo-terminal 80 cells wide: the stream to write to, and a function that reads it."""
    termios = pytest.importorskip("termios")
    monkeypatch.setenv("TERM", "xterm")
    reader, writer = os.openpty()
    termios.tcsetwinsize(writer, (24, 80))

    def read() -> str:
        shown = b""
        while select.select([reader], [], [], 0.2)[0]:
            shown += os.read(reader, 1000)
        return shown.decode()

    with open(writer, "w") as stream:
        yield stream, read
    os.close(reader)


@pytest.fixture
def clock(monkeypatch):
    """The console's clock, a list of one number of seconds to set."""
    seconds = [1000.0]
    fake = types.SimpleNamespace(monotonic=lambda: seconds[0])
    monkeypatch.setattr(console, "time", fake)
    return seconds


def test_a_terminal_shows_one_bar_that_is_drawn_over(terminal, clock):
    stream, read = terminal
    console = Console(num_steps=1480, steps_per_epoch=148, start_step=300, stream=stream)
    for step, seconds in ((370, 1000), (740, 1370), (1480, 2110)):
        clock[0] = seconds
        console.progress(step, 36.14, 1.2345)
    shown = read()
    assert "\n" not in shown
    assert [bar.removesuffix("\x1b[K") for bar in shown.split("\r")[1:]] == [
        "step  300  epoch  2.03  [====                    ]  preparing the first steps",
        "step  370  epoch  2.50  [==         ]  loss 1.2345  36.1 images/s  left -:--:--",
        "step  740  epoch  5.00  [=====      ]  loss 1.2345  36.1 images/s  left 0:12:20",
        "step 1480  epoch 10.00  [===========]  loss 1.2345  36.1 images/s  left 0:00:00",
    ]


def test_the_bar_is_drawn_ten_times_a_second_at_most_and_at_the_end(terminal, clock):
    stream, read = terminal
    console = Console(num_steps=100, steps_per_epoch=10, stream=stream)
    for step in range(1, 101):
        clock[0] += 0.01
        console.progress(step, 36.1, 1.2)
    steps = [int(step) for step in re.findall(r"step +(\d+)", read())]
    assert len(steps) in (11, 12, 13) and steps[:2] == [0, 1] and steps[-1] == 100


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_the_bar_fits_any_terminal(terminal, columns):
    stream, read = terminal
    pytest.importorskip("termios").tcsetwinsize(stream.fileno(), (24, columns))
    Console(num_steps=1480, steps_per_epoch=148, stream=stream).progress(740, 36.1, 1.2)
    _, _, bar = read().removesuffix("\x1b[K").split("\r")
    assert len(bar) < columns  # a full line would wrap
    assert bar.startswith("step  740") and ("[" in bar) == (columns == 200)


def test_a_line_stands_above_the_bar(terminal):
    stream, read = terminal
    console = Console(num_steps=1480, steps_per_epoch=148, stream=stream)
    console.progress(740, 36.1, 1.2)
    _, _, bar = read().removesuffix("\x1b[K").split("\r")
    console.write(EVALUATION)
    console.close()
    cleared, line, after, end = re.split("(step.*%.*)\r\n", read(), maxsplit=1) + [None]
    assert cleared == "\r\x1b[K" and "eval" in line and end is None
    assert after == bar + "\r\n"


def test_a_dumb_terminal_gets_no_bar(terminal, monkeypatch):
    stream, read = terminal
    monkeypatch.setenv("TERM", "dumb")
    console = Console(num_steps=1480, steps_per_epoch=148, stream=stream)
    console.progress(740, 36.1, 1.2)
    console.write(EVALUATION)
    assert read().startswith("step  740")
