"""Transfer with training: from a file of some layers, with a loss that runs away, killed."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
import tiny_run

from alexnet_tf.command_line import flags
from alexnet_tf.experiments.transfer import transfer
from alexnet_tf.experiments.transfer_settings import Arguments
from alexnet_tf.training import checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run that was never trained, all but its output as a file, and pictures."""
    path = tmp_path_factory.mktemp("place")
    tiny_run.write_checkpoint(path / "run")
    arrays = checkpoint.load(path / "run").weights()
    np.savez(path / "some.npz", **{x: y for x, y in arrays.items() if not x.startswith("fc8")})
    tiny.write_pictures(path / "pictures", train=12, val=0)
    return path


def arguments(output, **changes) -> Arguments:
    values = {"layers": ("pool5",), "per_class": (5, 8), "folds": 2, "epochs": 8}
    return Arguments(output=str(output), **(values | changes))


def override(place, **more):
    typed = {"data.source": f"folder:{place}/pictures/train", "global_batch_size": 8} | more
    return lambda config: flags.override(config, typed)


NETWORK = {f"network.{name}": getattr(tiny_run.NETWORK, name) for name in ("width", "fc_width")}
NETWORK |= {"network.input.size": 64, "network.input.resize": 72, "network.input.scale": 1 / 64}
NETWORK |= {"network.dropout": "inverted", "network.init": "he"}


def test_a_file_without_an_output_layer_is_probed_and_tuned(place, tmp_path, capsys):
    asked = arguments(tmp_path, start_from=str(place / "some.npz"), epochs=40)
    code, result = transfer(asked, override(place, **NETWORK), "it")
    assert code == 0
    rows = {(row["name"], row["per_class"]): row for row in result["rows"]}
    trained = [(name, n) for name in ("from scratch", "fine-tuned") for n in (5, 8)]
    assert list(rows) == [("pool5", 5), ("pool5", 8), *trained]
    assert rows["pool5", 8]["mean"] == 1
    for name in ("from scratch", "fine-tuned"):  # three colors: learned in a few steps
        assert len(rows[name, 8]["folds"]) == 1 and rows[name, 8]["mean"] > 0.6
        assert (rows[name, 8]["trained"], rows[name, 8]["tested"]) == (24, 12)
    said = capsys.readouterr().err
    assert "anew: fc8" in said and "starting from" in said
    assert not [x for x in tmp_path.iterdir() if x.is_dir()]  # runs and links are removed
    assert "(one fold)" in (tmp_path / "transfer.md").read_text()


def test_a_loss_that_runs_away_stands_in_the_table(place, tmp_path):
    def wild(config):
        config = override(place)(config)
        optimizer = dataclasses.replace(config.optimizer, learning_rate=1e30)
        return dataclasses.replace(config, optimizer=optimizer)

    asked = arguments(tmp_path, run_dir=str(place / "run"))
    code, result = transfer(asked, wild, "it")
    assert code == 1
    assert {row["name"]: row["mean"] for row in result["rows"]} == {
        "pool5": 1,
        "from scratch": None,
        "fine-tuned": None,
    }
    assert "| from scratch | failed | failed |" in (tmp_path / "transfer.md").read_text()
    assert transfer(asked, wild, "it") == (code, result)


def test_what_a_kill_left_of_a_stored_training_is_removed_and_not_trained(place, tmp_path):
    asked = arguments(tmp_path, run_dir=str(place / "run"), per_class=(5,), epochs=1)
    code, result = transfer(asked, override(place), "it")
    left = tmp_path / "from-scratch-5-0" / "run" / "checkpoints" / "step-000000003"
    left.mkdir(parents=True)  # killed while it was removed
    assert transfer(asked, override(place), "it") == (code, result)
    assert not left.parents[2].exists()


def test_killed_and_started_again_it_ends_the_same(place, tmp_path):
    words = [f"--run_dir={place}/run", f"--data.source=folder:{place}/pictures/train"]
    words += ["--layers=pool5", "--per_class=5,8", "--folds=2", "--epochs=8"]

    def started(output):
        command = [sys.executable, "-m", "alexnet_tf.experiment", "transfer"]
        command += [f"--output={output}", *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    assert started(tmp_path / "whole").wait() == 0
    files = [tmp_path / "killed/parts.json", tmp_path / "killed/from-scratch-8-0/run/config.json"]
    for path in files:
        process, until = started(tmp_path / "killed"), time.monotonic() + 300
        while not path.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert started(tmp_path / "killed").wait() == 0
    for name in ("parts.json", "transfer.json", "transfer.md", "transfer.csv"):
        one, other = (tmp_path / x / name for x in ("whole", "killed"))
        assert one.read_bytes() == other.read_bytes()
    assert json.loads((tmp_path / "killed/transfer.json").read_text())["rows"]
    shutil.rmtree(tmp_path / "killed")
