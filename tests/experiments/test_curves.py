"""Training errors by epoch: windows joined, crossings interpolated."""

import json

import pytest

from alexnet_tf.experiments import curves


def line(step, error, seen):
    return {"step": step, "train/top1_error": error, "train/seen": seen}


def test_lines_at_the_ends_of_epochs_are_joined_to_whole_windows():
    lines = [line(4, 0.9, 40), line(5, 0.8, 10), {"step": 5, "eval/top1_error": 0.1}]
    lines += [line(8, 0.6, 30), line(9, 0.1, 10)]  # a window of four, one of 1 + 3, one cut short
    points = curves.windows(lines, 4, 5.0)
    assert points == [(2 / 5, 0.9), (6 / 5, pytest.approx((0.8 * 10 + 0.6 * 30) / 40))]


def test_a_crossing_is_interpolated_and_ends_the_curve():
    points = [(0.5, 0.6), (1.5, 0.3), (2.5, 0.2), (3.5, 0.1)]
    assert curves.up_to(points, 0.25) == (points[:3], pytest.approx(2.0))
    assert curves.up_to(points, 0.3) == (points[:2], pytest.approx(1.5))
    assert curves.up_to(points, 0.05) == (points, None)
    assert curves.up_to(points, 0.7) == (points[:1], 0.5)
    assert curves.up_to([], 0.25) == ([], None)


def test_half_a_line_is_not_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert curves.read_lines(path) == []
    path.write_text(json.dumps(line(1, 0.5, 8)) + '\n{"step": 2, "tra')
    assert curves.read_lines(path) == [line(1, 0.5, 8)]
