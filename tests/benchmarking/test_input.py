"""The benchmark of the input: its table, and contenders that do the same work."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from alexnet_tf import benchmark
from alexnet_tf.benchmarking import report, rounds
from alexnet_tf.benchmarking.contenders import table, torch_input
from alexnet_tf.benchmarking.contenders.contender import Contender
from alexnet_tf.benchmarking.spec import Sample, Spec, What
from alexnet_tf.benchmarking.text import text
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError
from pipelines import prepare
from pipelines.config import InputConfig
from pipelines.decode import to_square

INPUTS = InputConfig(size=67, resize=72)
MACHINE = {"cores": 2, "processor": "P", "accelerator": None, "system": "S"}
MACHINE |= {"versions": {"TensorFlow": "2"}, "load_before": 0.5, "date": "2026-01-01"}
STAGES = ["alexnet_tf", "floats", "not_augmented", "squares", "packed"]
STAGES += ["checked", "decoded", "read"]


@pytest.fixture
def pictures(tmp_path):
    """A folder of eight pictures, each of one color."""
    for i in range(8):
        path = tmp_path / "train" / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (90 + i, 80), (20 * i, 100, 100)).save(path, quality=95)
    return f"folder:{tmp_path}"


def spec(pictures: str) -> Spec:
    network = NetworkConfig(num_classes=5, width=1 / 16, fc_width=16, input=INPUTS)
    config = Config(network=network, run=RunConfig(global_batch_size=4))
    return Spec(what=What.INPUT, config=config, pictures=pictures, round_seconds=0.01)


def samples(*rates: float) -> list[Sample]:
    return [Sample(rate, 1.0, rate * 0.002) for rate in rates]


def test_the_table_has_ratios_and_shares_of_the_limit(pictures):
    found = {"alexnet_tf": samples(80, 90, 40), "squares": samples(100, 100, 50)}
    found["pytorch"] = samples(40, 60, 20)
    measured = rounds.Measured(found, left_out={"dali": "it is not there"})
    result = report.result(spec(pictures), 3, measured, MACHINE, "the command")
    ours, limit, other = result["contenders"]
    assert (ours["share_of_limit"], limit["share_of_limit"]) == (pytest.approx(0.8), 1)
    assert (ours["ours_times"], other["ours_times"]) == (None, 2)  # of 2, 1.5, 2
    said = text(result)
    row = next(line for line in said.splitlines() if line.startswith("| PyTorch"))
    assert "2.00 x as fast" in row and "40 %" in row and "2.000" in row
    assert "NVIDIA DALI: left out, it is not there" in said
    assert f"pictures: {pictures}" in said


@pytest.mark.slow
def test_all_stages_are_measured_and_one_json_object_ends_the_output(pictures, capsys):
    typed = f"input --json --data.source={pictures} --beside=dali --global_batch_size=4"
    typed += " --rounds=1 --round_seconds=0.01 --network.input.size=67 --network.input.resize=72"
    assert benchmark.main(typed.split()) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["name"] for one in found["contenders"]][: len(STAGES)] == STAGES
    assert all(one["cpu_seconds_per_image"] > 0 for one in found["contenders"])
    assert found["pictures"] == pictures


@pytest.mark.parametrize("source", ["noise", "shapes"])
def test_files_or_squares_are_needed(source):
    with pytest.raises(UserError, match=f"data.source={source}: expected folder:DIR, or records:"):
        benchmark.main(["input"] + [f"--data.source={source}"] * (source != "noise"))


@pytest.mark.slow
def test_of_packed_squares_only_what_decodes_nothing_is_measured(pictures, tmp_path, capsys):
    packed = str(tmp_path / "packed")
    argv = [f"--input={tmp_path}", f"--output={packed}", "--format=raw", "--size=72"]
    assert prepare.main(argv) == 0
    typed = f"input --json --data.source=records:{packed} --global_batch_size=4 --rounds=1"
    typed += " --round_seconds=0.01 --network.input.size=67 --network.input.resize=72"
    assert benchmark.main(typed.split()) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    names = [one["name"] for one in found["contenders"]]
    assert names[:4] == ["alexnet_tf", "floats", "not_augmented", "squares"]
    assert set(names[4:]) <= {"pytorch"}


@pytest.mark.long
def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(UserError, match="folder"):
        benchmark.main(["input", "--data.source=folder:/nowhere"])


def test_a_package_inside_another_is_missed_without_an_error():
    one = Contender(
        key="n", label="N", module="", function="", environment={}, needs="nobody.has", package="p"
    )
    assert one.absence() == "p is not installed; pip install p"


def test_the_dataloader_makes_windows_of_the_same_pictures(pictures):
    torch = pytest.importorskip("torch")
    pytest.importorskip("PIL")
    torch_input.transforms()
    files = [f"{pictures.removeprefix('folder:')}/train/{'ab'[i % 2]}/{i}.jpg" for i in range(8)]
    windows = torch_input.Windows(files, size=67, resize=72, length=100)
    window, label = windows[11]
    assert (window.dtype, tuple(window.shape), label) == (torch.uint8, (3, 67, 67), 3)
    color = np.asarray(window).mean(axis=(1, 2))
    np.testing.assert_allclose(color, [60, 100, 100], atol=3)  # JPEG


def test_the_bicubic_dataloader_enlarges_as_this_project_does(tmp_path):
    pytest.importorskip("torch")
    torch_input.transforms()
    levels = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    args = [str(tmp_path / "a.png")], 72, 72, 1  # the window is the square
    ours = to_square(tf.constant(levels), 72, InputConfig().resize_rule).numpy().astype(int)
    found = {}
    for name in ("bilinear", "bicubic"):
        window, _ = torch_input.Windows(*args, name)[0]
        window = np.asarray(window).transpose(1, 2, 0).astype(int)
        found[name] = min(np.abs(x - ours).mean() for x in (window, window[:, ::-1]))
    assert found["bicubic"] < 1 < found["bilinear"]


@pytest.mark.slow
def test_the_dataloader_takes_part_and_its_workers_time_counts(pictures):
    pytest.importorskip("torch")
    loader = table.contender(What.INPUT, "pytorch")
    measured = rounds.measure([loader], spec(pictures), 2, lambda line: None)
    assert measured.left_out == {}
    assert all(sample.units >= 16 for sample in measured.samples["pytorch"])
    assert "torchvision" in measured.versions
