"""TensorFlow's own lines on standard error: hidden while it is imported, and nothing else is."""

import logging
import os
import pathlib
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from alexnet_tf.command_line.quiet import hide_retracing, is_noise

ROOT = pathlib.Path(__file__).parents[2]
NOISE = [
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    b"I0000 00:00:1795593567.615510    5952 port.cc:153] oneDNN custom operations are on.\n",
    b"I0000 00:00:1795593567.616100    5952 cudart_stub.cc:31] Could not find cuda drivers.\n",
    b"2026-11-25 08:00:00.000001: I tensorflow/core/util/port.cc:153] oneDNN is on.\n",
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.\n",
]
WARNING = b"W0000 00:00:1795593567.615510    5952 dso_loader.cc:64] Could not load libcudart.\n"
ERRORS = [
    b"E0000 00:00:1795593567.615510    5952 cuda_fft.cc:467] Unable to register cuFFT factory\n",
    b"2026-11-25 08:00:00.000001: E external/local_xla/xla/cuda_dnn.cc:10] Unable to register\n",
]
WORDS = [
    b"F0000 00:00:1795593567.615510    5952 tensor.cc:10] Check failed: 1 == 2\n",
    b"E0000 00:00:1795593567.615510    5952 pool.cc:10] Failed to allocate 10 bytes\n",
    b"2026-11-25 08:00:00.000001: F tensorflow/core/tensor.cc:10] out of memory\n",
    b"I1125 08:00:00.000001 140000 mine.py:10] of Python's logging\n",
    b"WARNING: something else\n",
    b"Fatal Python error: Segmentation fault\n",
    b"ordinary words\n",
    b"\n",
]

PROGRAM = """
import faulthandler, importlib.util, os, signal, subprocess, sys, time
from alexnet_tf.command_line import quiet
say = lambda text: os.write(2, text.encode())
say("before\\n")
quiet.watch_import()
assert importlib.util.find_spec("tensorflow")  # as libraries look for it
try:
    import tensorflow
except KeyboardInterrupt:
    print("Interrupted.", file=sys.stderr)
else:
    print(os.isatty(2), type(tensorflow.__spec__.loader).__name__)
say("after\\n")
"""


def run(folder, module: str, level="3", before=(), **options) -> subprocess.CompletedProcess:
    """Runs a command, `before` it, whose TensorFlow is `module`, which writes all noise first."""
    package = folder / "tensorflow"
    package.mkdir(exist_ok=True)
    head = f"import faulthandler, os, signal, subprocess, sys\nos.write(2, {b''.join(NOISE)!r})\n"
    (package / "__init__.py").write_text(head + textwrap.dedent(module))
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": level}
    options = {"stderr": subprocess.PIPE} | options
    return subprocess.run(
        [*before, sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        env=environment,
        timeout=60,
        check=False,
        **options,
    )


def test_lines_of_tensorflow_are_told_from_others():
    for level, hidden in enumerate([[], NOISE, [*NOISE, WARNING], [*NOISE, WARNING, *ERRORS]]):
        for line in (*NOISE, WARNING, *ERRORS, *WORDS):
            assert is_noise(line, level) == (line in hidden), (level, line)


def test_only_other_lines_pass_and_in_their_order(tmp_path):
    done = run(tmp_path, f"os.write(2, {b''.join(WORDS)!r}); print('p', file=sys.stderr)")
    assert done.stderr == b"before\n" + b"".join(WORDS) + b"p\nafter\n"
    assert done.stdout == b"False SourceFileLoader\n"


@pytest.mark.parametrize("level, is_shown", [("0", True), ("", True), ("1", False), ("2", False)])
def test_lines_appear_where_they_are_asked_for(tmp_path, level, is_shown):
    done = run(tmp_path, "", level)
    assert done.stderr == b"before\n" + b"".join(NOISE) * is_shown + b"after\n"


@pytest.mark.parametrize(
    "end, last, code",
    [
        ("os.write(2, b'last words'); os.abort()", b"last words", -signal.SIGABRT),
        ("os.write(2, b'x' * 10**6 + b'end'); os.abort()", b"xend", -signal.SIGABRT),
        ("os.write(2, b'dying\\n'); os.kill(os.getpid(), 9)", b"dying\n", -signal.SIGKILL),
        ("faulthandler.enable(); faulthandler._sigsegv()", b"<module>\n", -signal.SIGSEGV),
        ("raise ImportError('no such wheel')", b"ImportError: no such wheel\n", 1),
        ("sys.exit('cannot be')", b"cannot be\n", 1),
        ("os.write(2, b'gone'); os._exit(7)", b"gone", 7),
    ],
)
def test_last_words_pass_whatever_ends_the_import(tmp_path, end, last, code):
    done = run(tmp_path, end)
    assert done.returncode == code
    assert done.stderr.startswith(b"before\n")
    assert last in done.stderr.partition(b"\n\nExtension modules")[0][-4000:]
    assert not [line for line in NOISE if line in done.stderr]
    if code == -signal.SIGSEGV:
        assert b"Fatal Python error: Segmentation fault" in done.stderr


def test_ctrl_c_during_the_import_ends_neither_the_filter_nor_its_lines(tmp_path):
    # It sleeps, since the signal may come to a thread that has to wake the main one.
    code = "signal.signal(2, signal.default_int_handler); import time; os.write(2, b'busy\\n')"
    code += "; os.killpg(0, signal.SIGINT); time.sleep(9)"  # a shell's & makes us ignore it
    done = run(tmp_path, code, start_new_session=True)
    assert done.stderr == b"before\nbusy\nInterrupted.\nafter\n"


def test_children_of_the_import_speak_too(tmp_path):
    child = ["sh", "-c", "sleep 0.2; echo late >&2"]
    done = run(tmp_path, f"subprocess.Popen({child!r})")
    assert done.stderr == b"before\nlate\nafter\n"


def test_a_program_that_takes_over_is_filtered_on(tmp_path):
    done = run(tmp_path, "os.execvp('sh', ['sh', '-c', 'echo other >&2; exit 3'])")
    assert (done.returncode, done.stderr) == (3, b"before\nother\n")


def test_a_terminal_is_a_terminal_again(tmp_path):
    reader, writer = os.openpty()
    done = run(tmp_path, "os.write(2, b'bar\\r'); print(os.isatty(2))", stderr=writer)
    os.close(writer)
    shown = b""
    while select.select([reader], [], [], 0.2)[0]:
        try:
            shown += os.read(reader, 1000)
        except OSError:  # all writers are gone
            break
    os.close(reader)
    assert done.stdout == b"False\nTrue SourceFileLoader\n"
    assert shown == b"before\r\nbar\rafter\r\n"


def test_a_command_without_standard_error_goes_on(tmp_path):
    closed = PROGRAM.replace('say("before\\n")', "os.close(2); say = lambda text: None")
    (tmp_path / "tensorflow.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", closed],
        capture_output=True,
        env=os.environ
        | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.stdout == b"False SourceFileLoader\n"


@pytest.mark.parametrize("level", [None, "0"])
@pytest.mark.long
def test_a_command_prints_none_of_the_real_lines_unless_asked(tmp_path, level):
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    environment = {name: x for name, x in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "alexnet_tf.predict", f"--model={tmp_path}", __file__],
        capture_output=True,
        text=True,
        env=environment | ({"TF_CPP_MIN_LOG_LEVEL": level} if level else {}),
        check=False,
    )
    assert done.returncode == 1 and "cannot be read" in done.stderr
    assert (done.stderr.count("\n") == 1) == (level is None), done.stderr
    assert ("oneDNN" in done.stderr) == (level == "0")


def as_process_1(folder, module: str):
    """Runs such a command as the first process of a namespace of its own, as in a container."""
    alone = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces of processes are permitted here")
    return run(folder, module, before=alone)


@pytest.mark.parametrize(
    "end, last, code",
    [
        ("assert os.getppid() == 1", b"after\n", 0),
        ("os.write(2, b'x' * 10**6 + b'end'); os.abort()", b"xend", 134),
        ("os.kill(1, signal.SIGTERM); time.sleep(9)", b"before\n", 143),
        (
            "signal.signal(2, signal.default_int_handler); os.kill(1, 2); time.sleep(9)",
            b"Interrupted.\nafter\n",
            0,
        ),
    ],
)
def test_process_1_is_filtered_too_and_hands_signals_on(tmp_path, end, last, code):
    done = as_process_1(tmp_path, f"import time; {end}")
    assert done.stderr.endswith(last) and done.stderr.startswith(b"before\n")
    assert done.returncode == code
    assert not [line for line in NOISE if line in done.stderr]


def test_advice_on_retracing_is_hidden_and_nothing_else(caplog):
    log = logging.getLogger("tensorflow")
    before = [*log.filters]
    try:
        hide_retracing()
        log.warning("5 out of the last 5 calls to %s triggered tf.function retracing.", "f")
        log.warning("another warning")
    finally:
        log.filters[:] = before
    assert caplog.messages == ["another warning"]
