"""metrics.jsonl."""

import json
import os

import numpy as np
import pytest

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training.sinks.metrics_file import MetricsFile

LINE = {"step": 740, "epoch": 5.0, "train/loss": 1.23451, "train/top5_error": None}


def test_a_line_is_one_json_object_with_every_digit(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl", 0)
    line = {"step": 1, "train/loss": 0.1 + 0.2, "train/top5_error": None}
    metrics.write(line)
    metrics.write({"step": 2, "train/loss": np.float32(0.1)})
    metrics.close()
    lines = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [line, {"step": 2, "train/loss": float(np.float32(0.1))}]


def test_what_json_cannot_hold_becomes_null(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl", 0)
    metrics.write({"step": 1, "train/loss": float("nan"), "train/x": np.float32("inf")})
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == '{"step": 1, "train/loss": null, "train/x": null}\n'
    metrics.close()


def test_a_line_can_be_read_at_once(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl", 0)
    metrics.write(LINE)
    assert (tmp_path / "metrics.jsonl").read_text().endswith("\n")
    metrics.close()


@pytest.mark.parametrize("lost_bytes", range(0, 25, 3))
def test_a_resumed_file_equals_an_undisturbed_one(tmp_path, lost_bytes):
    def write(metrics, steps):
        for step in steps:
            metrics.write({"step": step, "train/loss": 1 / step})

    whole = MetricsFile(tmp_path / "whole", 0)
    write(whole, range(1, 10))
    whole.close()
    killed = MetricsFile(tmp_path / "killed", 0)
    write(killed, range(1, 5))
    saved_bytes = killed.flush()
    write(killed, range(5, 8))
    killed.close()
    size = (tmp_path / "killed").stat().st_size
    os.truncate(tmp_path / "killed", size - lost_bytes)  # a kill tears the last line anywhere
    resumed = MetricsFile(tmp_path / "killed", saved_bytes)
    write(resumed, range(5, 10))
    assert resumed.flush() == (tmp_path / "whole").stat().st_size
    resumed.close()
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_new_run_forgets_what_was_there(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("old\n")
    MetricsFile(tmp_path / "metrics.jsonl", 0).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_a_file_shorter_than_the_checkpoint_knows_is_refused(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("old\n")
    with pytest.raises(UserError, match=r"has 4 bytes, expected keep_bytes=5 or more"):
        MetricsFile(tmp_path / "metrics.jsonl", 5)
    assert (tmp_path / "metrics.jsonl").read_text() == "old\n"


def test_a_full_disk_is_one_sentence(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl", 0)
    metrics._file.close()
    metrics._file = open("/dev/full", "ab")
    with pytest.raises(RunFailed, match="could not be written: No space left on device. Make room"):
        metrics.write(LINE)
    with pytest.raises(RunFailed, match="No space left"):
        metrics.close()
