"""Reports: the same numbers in all files, failed rows, equal bytes, without matplotlib."""

import csv
import dataclasses
import io
import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.experiments import named, report, statistics
from alexnet_tf.experiments.results import Finished, Results, settings_text
from alexnet_tf.experiments.table import GRID_SEED, Size
from alexnet_tf.figures import canvas

NUM = 400
FILES = ("table.md", "table.csv", "table.json", "plot.png")


def experiment(name: str):
    """Takes a real experiment."""
    return named.EXPERIMENTS[name](Size.BENCH, "")


def run(table, row, seed, **values) -> Finished:
    """Makes a run that came out by chance, worse from row to row."""
    place = table.rows.index(row)
    rng = np.random.default_rng([place, seed])
    correct = rng.random(NUM) > 0.2 + 0.05 * place + 0.01 * rng.normal()
    measured = {"correct": correct, "top1_error": float(1 - correct.mean())}
    if table.has_train_error:
        measured["train_error"] = 0.1 + 0.01 * place + 1e-6 * seed
    if table.name == "figure1":
        end = float(place * 27 + 5 + rng.normal() * 0.3)
        curve = ((0.1, 0.9), (end, 0.25))
        measured = {"epochs_to": end, "curve": curve}
    settings = settings_text(table.config(row.with_rate(0.01) if row.rates else row, seed, ""))
    measured |= {"version": "9.9.9", "planned_steps": 7, "settings": settings}
    measured["data"] = {"train_num_examples": 9469 >> place}
    return Finished(row=row.name, seed=seed, **measured | values)


def results(table, seeds=3) -> Results:
    tries = [
        Finished(row=part.name, seed=GRID_SEED, epochs_to=None if part.name == "tanh_0.1" else 6.5)
        for row in table.rows
        for part in row.tries
    ]
    runs = [run(table, row, seed) for seed in range(seeds) for row in table.rows]
    return Results((*tries, *runs))


def without(found: Results, row: str, **values) -> Results:
    """Changes what became of a row with seed 1."""
    is_it = [x.row == row and x.seed == 1 for x in found.finished]
    return Results(
        tuple(
            dataclasses.replace(x, **values) if changes else x
            for x, changes in zip(found.finished, is_it, strict=True)
        )
    )


def rows_of(output) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads((output / "table.json").read_text())["rows"]}


def cells_of(output) -> dict[str, list[str]]:
    """Reads the table in Markdown: cells by the name of the row, the titles under "row"."""
    lines = [line for line in (output / "table.md").read_text().split("\n") if line[:2] == "| "]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(line) for line in cells}) == 1
    return {line[0]: line for line in cells if line[0] != "---"}


@pytest.fixture(autouse=True)
def matplotlib():
    report._say_once.cache_clear()
    return pytest.importorskip("matplotlib", reason="needs the extra lab")


def test_all_files_have_the_same_numbers(tmp_path):
    table = experiment("ablations")
    found = results(table)
    said = report.write(table, found, tmp_path, "python -m it")
    rows, cells = rows_of(tmp_path), cells_of(tmp_path)
    lines = {
        x["name"]: x for x in csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text()))
    }
    assert [*rows] == [*lines] == [*cells][1:] == [row.name for row in table.rows]
    assert said == {name: row["verdict"] for name, row in rows.items() if name != "base"}
    correct = {name: np.stack([x.correct for x in found.of(name)]) for name in rows}
    for name, row in rows.items():
        errors = 1 - correct[name].mean(axis=1)
        np.testing.assert_allclose(row["values"], errors)
        np.testing.assert_allclose(
            [row["mean"], row["spread"]], [errors.mean(), errors.std(ddof=1)]
        )
        _, _, seeds, mean, spread, difference, published, verdict = cells[name]
        assert (seeds, mean, spread) == (
            "0, 1, 2", f"{100 * row['mean']:.2f}", f"{100 * row['spread']:.2f}"
        )  # fmt: skip
        assert [float(x) for x in lines[name]["values"].split("; ")] == row["values"]
        assert verdict == lines[name]["verdict"] == row["verdict"]
        if name == "base":
            assert row["difference"] is None and not difference + verdict + published
            continue
        expected = statistics.difference(correct[name], correct["base"])
        assert [row[x] for x in ("difference", "low", "high")] == [*expected[:3]]
        assert [float(lines[name][x]) for x in ("difference", "low", "high")] == [*expected[:3]]
        half = 100 * (row["high"] - row["difference"])
        assert difference == f"{100 * row['difference']:+.2f} +- {half:.2f}"
    assert (
        cells["no_normalization"][6] == "+1.40" and rows["no_normalization"]["published"] == 0.014
    )
    assert cells["plain_pooling"][1] == "network.pooling: table -> plain"
    assert said["init_program"].startswith("the error is ")
    assert said["no_dropout"].startswith("same direction: the error is ")
    text = (tmp_path / "table.md").read_text()
    for part in (
        "400 validation pictures",
        "alexnet_tf 9.9.9",
        "`python -m it`",
        "7 steps",
        "95 %",
    ):
        assert part in text
    assert "- plain_pooling: Overlapping pooling lowers the error by 0.4 points. (Kri" in text


def test_training_errors_stand_beside_the_published_differences(tmp_path):
    table = experiment("depth")
    report.write(table, results(table), tmp_path, "it")
    cells = cells_of(tmp_path)
    assert cells["row"][5] == "training error, %"
    assert cells["base"][5] == "10.00"
    assert cells["without_7"][5] == "12.00 (+2.00 +- 0.00; published: -7.70)"
    text = (tmp_path / "table.md").read_text()
    assert "; that of the training error covers the chance of training alone." in text


def test_epochs_are_compared_by_their_ratio_with_the_rates_that_were_tried(tmp_path):
    table = experiment("figure1")
    said = report.write(table, results(table), tmp_path, "it")
    row, cells = rows_of(tmp_path)["tanh"], cells_of(tmp_path)
    values = [rows_of(tmp_path)[name]["values"] for name in ("tanh", "relu")]
    assert row["difference"] == statistics.ratio(*values).value
    assert cells["row"][3:6] == ["epochs to 25 % training error", "spread", "times as many"]
    assert cells["tanh"][5] == f"{row['difference']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    assert said["tanh"].startswith("same direction: ") and "(published: 6" in said["tanh"]
    text = (tmp_path / "table.md").read_text()
    assert (
        "- tanh: 0.01: 6.50 epochs, 0.03: 6.50 epochs, 0.003: 6.50 epochs, 0.1: not within" in text
    )


def test_rates_that_were_not_tried_or_failed_are_not_told_as_slow(tmp_path):
    table = experiment("figure1")
    found = results(table)
    values = {"tanh_0.03": {"failed": "step=7: the loss is not finite"}}
    tries = tuple(
        dataclasses.replace(x, **values.get(x.row, {}))
        for x in found.finished
        if x.row != "tanh_0.003"
    )
    report.write(table, Results(tries), tmp_path, "it")
    text = (tmp_path / "table.md").read_text()
    assert "- tanh: 0.01: 6.50 epochs, 0.03: failed, 0.1: not within" in text
    (line,) = (x for x in (tmp_path / "table.csv").read_text().splitlines() if x[:4] == "tanh")
    assert "0.03: failed, 0.1: not within" in line


@pytest.mark.parametrize("name", ["ablations", "depth", "data", "figure1"])
def test_equal_results_give_equal_bytes_in_any_order_and_at_any_speed(name, tmp_path):
    table = experiment(name)
    found = results(table, seeds=2)
    slower = (dataclasses.replace(x, seconds=9.0, images_per_second=2.0) for x in found.finished)
    others = Results(tuple(slower)[::-1])
    for output, one in ((tmp_path / "a", found), (tmp_path / "b", others)):
        output.mkdir()
        report.write(table, one, output, "it")
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", ["ablations", "depth", "data", "figure1"])
def test_nothing_finished_is_a_report_too(name, tmp_path):
    table = experiment(name)
    said = report.write(table, Results(), tmp_path, "it")
    assert {*said.values()} == {"not measured"}
    assert all((tmp_path / file).stat().st_size for file in FILES)


def test_failed_runs_stand_there_with_their_sentence(tmp_path):
    table = experiment("ablations")
    nothing = {"correct": None, "top1_error": None, "failed": "step=5: the loss is NaN | bad."}
    found = without(results(table, seeds=2), "init_text", **nothing)
    found = Results(tuple(
        dataclasses.replace(x, **nothing) if x.row == "one_group" else x for x in found.finished
    ))  # fmt: skip
    said = report.write(table, found, tmp_path, "it")
    cells, rows = cells_of(tmp_path), rows_of(tmp_path)
    assert rows["init_text"]["seeds"] == [0]
    assert rows["init_text"]["difference"] is not None
    assert rows["init_text"]["low"] is rows["init_text"]["high"] is None  # one may be left of three
    assert said["init_text"].startswith("not resolved: ") and said["init_text"].endswith(
        "points of the runs that ended; 1 of 2 runs of init_text did not: step=5: the loss is NaN "
        "| bad"
    )
    assert cells["init_text"][-1].endswith("Seed 1: step=5: the loss is NaN / bad.")
    assert said["one_group"].startswith("not resolved: 2 of 2 runs of one_group did not: step=5")
    assert rows["one_group"]["mean"] is None
    assert rows["one_group"]["failed"] == [
        f"Seed {n}: step=5: the loss is NaN | bad." for n in (0, 1)
    ]
    assert "+-" in said["no_dropout"]


def test_a_base_that_failed_in_part_is_said_of_every_row(tmp_path):
    table = experiment("lrn_cifar")
    nothing = {"correct": None, "top1_error": None, "failed": "step=5: the loss is NaN"}
    said = report.write(table, without(results(table), "base", **nothing), tmp_path, "it")
    assert said["normalized"].startswith("not resolved: ")
    assert said["normalized"].endswith("1 of 3 runs of base did not: step=5: the loss is NaN")


def test_training_errors_have_no_interval_where_a_run_failed(tmp_path):
    table = experiment("depth")
    nothing = dict.fromkeys(("correct", "top1_error", "train_error")) | {"failed": "step=5: NaN"}
    report.write(table, without(results(table), "without_7", **nothing), tmp_path, "it")
    rows = {x["name"]: x for x in json.loads((tmp_path / "table.json").read_text())["rows"]}
    assert rows["without_7"]["train_difference"] and rows["without_7"]["train_high"] is None
    assert rows["without_7"]["train_low"] is None and rows["without_6_7"]["train_low"] is not None


def test_pictures_that_could_not_be_decoded_are_counted_and_the_precision_stands_there(tmp_path):
    table = experiment("lrn_cifar")
    found = Results(
        tuple(
            dataclasses.replace(x, data=x.data | {"val_num_examples": NUM + 3})
            for x in results(table).finished
        )
    )
    report.write(table, found, tmp_path, "it")
    text = (tmp_path / "table.md").read_text()
    assert "400 validation pictures (3 left out that cannot be decoded); at most 7 steps" in text
    assert "steps a run, in float32; alexnet_tf 9.9.9; `it`" in text


def test_a_bound_that_was_published_is_no_value(tmp_path):
    table = experiment("ablations")
    said = report.write(table, results(table), tmp_path, "it")["no_color_noise"]
    assert "(published: over +1.0)" in said  # found were some 20 points
    assert cells_of(tmp_path)["no_color_noise"][6] == "over +1.00"


@pytest.mark.parametrize(("row", "is_drawn"), [("no_color_noise", False), ("plain_pooling", True)])
def test_the_plot_marks_what_was_published_unless_it_is_a_bound(row, is_drawn, tmp_path):
    pytest.importorskip("matplotlib", reason="draws")
    table = experiment("ablations")
    rows = tuple(x for x in table.rows if x.name in ("base", row))
    table = dataclasses.replace(table, rows=rows)
    report.write(table, results(table), tmp_path, "it")
    drawn = tf.io.decode_png((tmp_path / "plot.png").read_bytes(), channels=3).numpy()
    of_marks = bytes.fromhex(canvas.COLORS[1][1:])
    assert (drawn == tuple(of_marks)).all(axis=2).any() == is_drawn


def test_a_base_that_failed_leaves_nothing_to_compare_with(tmp_path):
    table = experiment("lrn_cifar")
    runs = [run(table, table.rows[1], seed) for seed in range(2)]
    said = report.write(table, Results(tuple(runs)), tmp_path, "it")
    assert said == {"normalized": "not resolved: no run of base has ended"}


def test_runs_that_never_reached_the_error_leave_no_ratio(tmp_path):
    table = experiment("figure1")
    said = report.write(table, without(results(table), "tanh", epochs_to=None), tmp_path, "it")
    assert said["tanh"].startswith(
        "not resolved: 1 of 3 runs of tanh did not: 25 % training error was not reached within "
    )
    row = rows_of(tmp_path)["tanh"]
    assert row["seeds"] == [0, 2] and row["difference"] is None
    (failed,) = row["failed"]
    assert failed.startswith("Seed 1: 25 % training error was not reached within ")


def test_without_matplotlib_the_plot_is_left_out_and_that_is_said_once(
    tmp_path, monkeypatch, capsys
):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    table = experiment("lrn_cifar")
    for _ in range(2):
        report.write(table, results(table), tmp_path, "it")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES[:3])
    said = capsys.readouterr().err
    assert said.count("plot.png is left out.") == 1 and 'pip install "alexnet-tf[lab]"' in said
