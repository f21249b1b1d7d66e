"""What `summary` says: numbers, text and mistakes."""

import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys

import pytest

from alexnet_tf import summary
from alexnet_tf.errors import UserError
from alexnet_tf.networks.family.names import FAMILY

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))


def told(capsys, *argv: str) -> tuple[dict, list[str]]:
    """Runs the command; returns the JSON object and the lines of text before it."""
    assert summary.main([*argv, "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    return json.loads(last), lines


def test_the_papers_numbers_stand_under_their_keys(capsys):
    result, lines = told(capsys)
    assert result["totals"]["parameters"] == 60_965_224
    assert result["totals"]["multiply_adds"] == 724_406_816
    assert result["totals"]["neurons"] == 659_272
    assert result["totals"]["weight_bytes"] == 4 * 60_965_224
    conv2 = next(layer for layer in result["layers"] if layer["name"] == "conv2")
    assert conv2["output_shape"] == [27, 27, 256]
    assert conv2["kernel_shape"] == [5, 5, 48, 256]
    assert (conv2["groups"], conv2["receptive_field"], conv2["jump"]) == (2, 51, 8)
    assert conv2["activation_bytes"] == 27 * 27 * 256 * 128 * 4
    assert any("60,965,224  724,406,816" in line for line in lines)


def test_keys_are_those_of_the_contract(capsys):
    result, _ = told(capsys, "--network.name=lenet5")
    assert list(result) == [
        *("network", "source", "published", "note", "changed", "settings", "global_batch_size"),
        *("totals", "layers"),
    ]
    assert result["published"][0]["top1_error"] == 0.0095
    assert result["changed"] == []


def test_memory_is_of_the_batch_that_was_asked_for(capsys):
    one, _ = told(capsys, "--global_batch_size=1")
    many, _ = told(capsys, "--global_batch_size=32")
    assert many["totals"]["activation_bytes"] == 32 * one["totals"]["activation_bytes"]


@pytest.mark.parametrize("name", FAMILY)
def test_every_network_fits_into_eighty_plain_columns(capsys, name):
    _, lines = told(capsys, f"--network.name={name}")
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith(f"{name}: ")
    assert any("none published" in x for x in lines) != bool(FAMILY[name].published)


def test_options_are_counted_and_told_apart_from_what_was_published(capsys):
    result, lines = told(capsys, "--network.without=conv3,conv4", "--network.activation=tanh")
    assert [x["setting"] for x in result["changed"]] == ["network.activation", "network.without"]
    assert "conv3" not in [layer["name"] for layer in result["layers"]]
    assert result["layers"][0]["details"]["activation"] == "tanh"
    assert "what was published is not of this network" in " ".join(" ".join(lines).split())


def test_networks_stand_side_by_side_with_what_differs_from_the_first(capsys):
    result, lines = told(capsys, "--compare", "paper", "run2012", "caffe", "torchvision")
    assert [one["network"] for one in result["networks"]] == lines[0].split() + ["torchvision"]
    run2012, caffe, torchvision = result["differences"]
    assert run2012["layers"]["only_other"] == ["relu1", "rnorm2", "relu5"]
    assert {"layer": "norm1", "what": "alpha", "first": 1e-4, "other": 2e-5} in (
        run2012["layers"]["changed"]
    )
    assert {"setting": "network.input.size", "first": 224, "other": 227} in caffe["settings"]
    assert torchvision["totals"]["parameters"] == 61_100_840 - 60_965_224
    assert torchvision["layers"]["only_first"] == ["norm1", "norm2"]
    assert torchvision["layers"]["is_reordered"]  # dropout before fc6 and fc7
    assert max(map(len, lines)) <= 80


def test_layers_that_are_alike_are_marked_as_such(capsys):
    _, lines = told(capsys, "--compare", "paper", "caffe")
    cells = {line.split()[0]: line.split()[-1] for line in lines[1:19] if line}
    assert (cells["drop6"], cells["conv1"]) == ("=", "~")


def test_options_hold_for_all_that_are_compared(capsys):
    result, _ = told(capsys, "--compare", "paper", "no_lrn", "--network.normalization=none")
    assert result["differences"][0]["layers"]["only_first"] == []


def test_the_readme_has_the_table_of_the_family(capsys):
    assert summary.main(["--family"]) == 0
    table = capsys.readouterr().out
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start, end = (
        "<!-- family: python -m alexnet_tf.summary --family -->\n",
        "<!-- end of family -->",
    )
    assert readme.partition(start)[2].partition(end)[0] == table
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == list(FAMILY)


@pytest.mark.parametrize(
    "argv, text",
    [
        (["--network.name=zfnett"], "network.name=zfnett: .* Did you mean zfnet?"),
        (["--compare", "paper", "cafe"], "Did you mean caffe?"),
        (["--compare", "paper"], "compare=paper: expected two networks or more"),
        (["--compare", "paper", "paper", "caffe"], "expected each name once"),
        (["paper"], "paper: expected names with --compare alone"),
        (["--compare", "paper", "caffe", "--network.name=small"], "expected no name with --com"),
        (["--network.input.size=30"], "network.input.size=30: pool"),
        (["--global_batch_size=0"], "global_batch_size=0: expected at least 1"),
    ],
)
def test_mistakes_are_one_sentence(argv, text):
    with pytest.raises(UserError, match=text):
        summary.main(argv)


def processor_seconds(*words: str, code: int = 0) -> float:
    """Runs Python and measures what it takes of the processor, which others change little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], capture_output=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == code, done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_command_answers_at_once_and_refuses_with_2():
    command, times = ["-m", "alexnet_tf.summary"], []
    for name, code in (("paper", 0), ("paqer", 2), ("zfnet", 0)):
        times.append(processor_seconds(*command, f"--network.name={name}", code=code))
    bare = min(processor_seconds("-c", "pass") for _ in range(3))
    assert min(times) < max(0.5, 20 * bare)  # half a second, or what it is on a slower machine


def test_the_command_starts_nothing_large():
    command = [sys.executable, "-X", "importtime", "-m", "alexnet_tf.summary"]
    said = subprocess.run(command, capture_output=True, cwd=ROOT).stderr
    assert b"import time:" in said
    assert not re.search(rb"\| +(tensorflow|keras|numpy)$", said, re.MULTILINE)
