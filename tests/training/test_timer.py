"""Speeds that the lines of a run tell."""

import time

import pytest

from alexnet_tf.training.timer import Timer


def test_examples_of_before_a_stop_are_in_no_speed(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    timer = Timer()
    timer.start(seen=90)  # of the window that a process before began
    timer.add(1, 2.0, 0.0)
    now[0] += 2.0
    assert timer.lap(100)["time/images_per_second"] == pytest.approx(5)
    timer.add(1, 2.0, 0.0)
    now[0] += 2.0
    assert timer.lap(100)["time/images_per_second"] == pytest.approx(50)
