"""What a stranger does first, by the commands of the README and with their exit codes."""

import json
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf


def command(name, *flags):
    """Runs `python -m alexnet_tf.<name>` and returns its exit code, JSON line and errors."""
    call = [sys.executable, "-m", f"alexnet_tf.{name}", *map(str, flags)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else None, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_quickstart_tells_nine_of_ten_held_out_forms_apart(tmp_path, seed):
    run_dir, export = tmp_path / "run", tmp_path / "export"
    code, trained, errors = command("train", f"--seed={seed}", f"--run_dir={run_dir}")
    assert code == 0, errors
    assert trained["top1_error"] <= 0.10
    code, evaluated, errors = command("evaluate", f"--run_dir={run_dir}", "--checkpoint=last")
    assert code == 0, errors
    assert evaluated["top1_error"] == pytest.approx(trained["top1_error"], abs=1e-3)
    assert evaluated["seen"] == 1000
    assert command("export", f"--run_dir={run_dir}", f"--output={export}")[0] == 0
    picture = tmp_path / "gray.png"
    picture.write_bytes(tf.io.encode_png(tf.fill([100, 130, 3], tf.constant(90, tf.uint8))).numpy())
    code, predicted, errors = command("predict", f"--model={export}", "--json", picture)
    assert code == 0, errors
    assert len(predicted["images"][0]["top"]) == 5
    assert list(pathlib.Path(run_dir, "events", "train").iterdir())


@pytest.mark.parametrize(
    "flags, text",
    [
        (["--data.source=folder:nowhere"], "nowhere"),
        (["--strategy=mirrored", "--devices=gpu:0,gpu:99"], "devices=gpu:0,gpu:99: expected"),
    ],
)
@pytest.mark.long
def test_a_mistake_of_the_user_is_one_sentence_and_exit_code_2(tmp_path, flags, text):
    code, result, errors = command("train", f"--run_dir={tmp_path / 'run'}", *flags)
    assert code == 2
    assert result is None
    assert text in errors.splitlines()[-1]
    assert "Traceback" not in errors
