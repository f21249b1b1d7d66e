"""The table of transfer: its rows, its differences with intervals, and its verdict."""

import json
import math

import numpy as np
import pytest

from alexnet_tf.experiments import transfer_table
from alexnet_tf.experiments.transfer_table import difference, part_name, rows_of, verdict

ABOUT = {"pictures": 900, "classes": 10, "undecoded": 0, "source": "folder:x", "weights": "w"}
ABOUT |= {"epochs": 8, "seed": 0, "version": "9.9.9", "command": "it"}


def parts(**rows) -> dict:
    """Makes what was measured, with 300 pictures to train on and 500 to test."""
    found = {}
    for name, values in rows.items():
        for number, x in enumerate(values):
            value = {"trained": 300, "tested": 500} | ({"failed": "..."} if x is None else {})
            value |= {} if x is None else {"accuracy": x}
            found[
                part_name(
                    {"scratch": "from scratch", "tuned": "fine-tuned"}.get(name, name), 30, number
                )
            ] = value
    return found


LAYERS = {"pool1": 1, "pool5": 5, "fc7": 7}
MEASURED = parts(
    pool1=[0.40, 0.42, 0.41, 0.43, 0.39],
    pool5=[0.80, 0.81, 0.82, 0.83, 0.79],
    fc7=[0.81, 0.80, 0.83, 0.82, 0.79],
    scratch=[0.3],
)


def test_rows_have_mean_and_spread_beside_what_was_published():
    rows = {row["name"]: row for row in rows_of(LAYERS, MEASURED, (15, 30), 5)}
    assert list(rows) == ["pool1", "pool5", "fc7", "from scratch"]
    assert rows["pool5"]["mean"] == pytest.approx(0.81)
    assert rows["pool5"]["stdev"] == pytest.approx(np.std([80, 81, 82, 83, 79], ddof=1) / 100)
    assert rows["pool5"]["published"] == "SVM 86.2 +- 0.8, softmax 82.9 +- 0.4"
    assert (rows["from scratch"]["stdev"], rows["from scratch"]["layer"]) == (None, None)


def test_intervals_know_that_folds_share_pictures():
    draw, held = np.random.default_rng(0), 0
    for _ in range(400):
        common = draw.normal(scale=0.01)  # what five tests on the same pictures have in common
        folds = common + draw.normal(scale=0.01, size=5)
        one = {"folds": 0.8 + folds, "trained": 300, "tested": 500}
        points, half, _ = difference(one, {"folds": np.full(5, 0.8)})
        held += abs(points) <= half
    assert held >= 0.93 * 400


def test_one_fold_has_the_chance_of_its_test():
    one = {"folds": [0.8], "trained": 300, "tested": 500}
    points, half, pairs = difference(one, {"folds": [0.3, None]})
    assert pairs == 1
    assert points == pytest.approx(50)
    assert half == pytest.approx(196 * math.sqrt((0.8 * 0.2 + 0.3 * 0.7) / 500))
    assert difference(one, {"folds": [None]}).pairs == 0


def test_one_fold_that_ended_resolves_nothing():
    rows = [
        {"name": name, "layer": layer, "per_class": 30, "mean": 0.8, "trained": 300, "tested": 500}
        for name, layer in (("pool5", 5), ("from scratch", 0))
    ]
    rows[0]["folds"], rows[1]["folds"] = [0.8, 0.81], [0.3, None]
    said = verdict(rows)
    assert "+- 5.3 points" in said
    assert said.count("not resolved: one fold tells nothing about the chance of training") == 1


def test_the_verdict_says_what_is_resolved():
    said = verdict(rows_of(LAYERS, MEASURED, (30,), 5))
    assert "best frozen layer is pool5, with 81.0 %" in said or "is fc7, with 81.0 %" in said
    assert (
        "pool5 less pool1: +40.0 +- 2.7 points (published with 30: +41.4), same direction" in said
    )
    assert "fc7 less pool5: +0.0" in said and "(published with 30: -0.7), not resolved" in said
    assert "less from scratch: +51.0" in said or "less from scratch: +50.0" in said
    assert said.count("not resolved: one fold tells nothing about the chance of training") == 1
    falling = parts(pool1=[0.8, 0.79, 0.81], pool5=[0.3, 0.31, 0.32])
    assert "(published with 30: +41.4), opposite" in verdict(rows_of(LAYERS, falling, (30,), 5))
    one = parts(pool1=[0.4], pool5=[0.8])
    said = verdict(rows_of(LAYERS, one, (30,), 1))
    assert "not resolved: one fold tells nothing about the choice of training pictures" in said


def test_what_failed_stands_in_the_table(tmp_path):
    failed = MEASURED | parts(scratch=[None], tuned=[0.7])
    code, result = transfer_table.write(tmp_path, ABOUT, LAYERS, failed, (30,), 5)
    assert code == 1
    page = (tmp_path / "transfer.md").read_text()
    assert "| from scratch | failed | 46.5 +- 1.7 |" in page
    assert "| fine-tuned | 70.0 (one fold) |  |" in page
    assert json.loads((tmp_path / "transfer.json").read_text()) == result
    lines = (tmp_path / "transfer.csv").read_text().splitlines()
    assert lines[0] == "name,layer,per_class,mean,stdev,trained,tested,published"
    assert len(lines) == 6 and lines[4] == "from scratch,,30,,,300,500,46.5 +- 1.7"
    assert transfer_table.write(tmp_path, ABOUT, LAYERS, MEASURED, (30,), 5)[0] == 0
