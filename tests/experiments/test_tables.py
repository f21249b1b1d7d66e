"""Every named experiment: its rows are networks that can be built, and it says what it costs."""

import re

import pytest

from alexnet_tf import experiment as command
from alexnet_tf.command_line import kinds
from alexnet_tf.config.fields import differences
from alexnet_tf.errors import UserError
from alexnet_tf.experiments import results
from alexnet_tf.experiments.named import EXPERIMENTS
from alexnet_tf.experiments.table import Direction, Measure, Row, Size
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training import selection

CASES = [(name, size) for name in EXPERIMENTS for size in Size]
SOURCES = ("", "records:imagenet")


@pytest.mark.parametrize("name, size", CASES)
@pytest.mark.parametrize("source", SOURCES)
def test_every_row_is_a_network_that_can_be_built_and_differs_from_the_base(name, size, source):
    experiment = EXPERIMENTS[name](size, source)
    assert experiment.name == name
    rows = [part for row in experiment.rows for part in (row.tries or (row,))]
    assert len({row.name for row in rows}) == len(rows)
    configs = [experiment.config(row, 3, "somewhere", 100) for row in rows]
    for row, config in zip(rows, configs, strict=True):
        assert re.fullmatch(r"[a-z0-9_.]+", row.name)
        assert table(config.network.with_num_classes(10))
        selection.check(config)
        assert (config.run.seed, config.run.run_dir, config.num_steps(5)) == (3, "somewhere", 100)
    for config in configs[1:]:
        assert differences(configs[0], config)


def test_figures_of_the_papers_are_differences_in_the_direction_that_they_claim():
    for make in EXPERIMENTS.values():
        for row in make(Size.BENCH, "").rows:
            claim = row.claim
            if claim and claim.published and make.__name__ != "figure1":
                is_higher = claim.published > 0
                assert claim.direction == (Direction.HIGHER if is_higher else Direction.LOWER)


def test_depth_quotes_table_3_of_zeiler_and_fergus():
    claims = {row.name: row.claim for row in EXPERIMENTS["depth"](Size.BENCH, "").rows}
    published = {"without_3_4": (45.4, 41.8), "without_6_7": (44.8, 27.4), "fc_half": (41.7, 40.3)}
    for name, (validation, train) in published.items():
        assert claims[name].published == pytest.approx((validation - 40.5) / 100)
        assert claims[name].published_train == pytest.approx((train - 35.1) / 100)


def test_bench_is_half_the_network_and_full_the_whole():
    bench, full = (EXPERIMENTS["depth"](size, "") for size in Size)
    assert (bench.base.network.width, full.base.network.width) == (0.5, 1.0)
    units = {row.name: row.changes.get("network.fc_width") for row in bench.rows}
    assert (units["fc_half"], units["fc_double"]) == (1024, 4096)
    units = {row.name: row.changes.get("network.fc_width") for row in full.rows}
    assert (units["fc_half"], units["fc_double"]) == (2048, 8192)


def test_on_a_packed_set_the_whole_is_the_paper_itself():
    base = EXPERIMENTS["ablations"](Size.FULL, "records:imagenet").base
    assert (base.recipe, base.run.epochs, base.network.input.scale) == ("paper", 90, 1)
    rows = [row.name for row in EXPERIMENTS["ablations"](Size.FULL, "records:imagenet").rows]
    assert rows[-2:] == ["init_text", "init_he"]


def test_normalization_meets_scaled_inputs_as_the_papers_meets_whole_ones():
    rows = {row.name: row for row in EXPERIMENTS["ablations"](Size.BENCH, "").rows}
    experiment = EXPERIMENTS["ablations"](Size.BENCH, "")
    for row, scale in ((rows["base"], 1 / 64), (rows["init_text"], 1.0)):
        network = experiment.config(row, 0, "").network
        (alpha,) = {layer.alpha for layer in network.layers if layer.kind == "lrn"}
        assert (network.input.scale, alpha) == (scale, pytest.approx(1e-4 / scale**2))


def test_rows_of_fewer_pictures_make_as_many_steps_and_warm_up_as_long():
    experiment = EXPERIMENTS["data"](Size.BENCH, "")
    for row, part in zip(experiment.rows, (1, 2, 4, 8, 16), strict=True):
        config = experiment.config(row, 0, "", experiment.num_steps(9469))
        assert (config.data.train_part, config.optimizer.warmup_epochs) == (1 / part, part)
        assert config.num_steps(9469 // part) == 4439


def test_the_whole_network_is_evaluated_as_often_in_all_rows_of_fewer_pictures():
    every = []
    for size, source in ((Size.FULL, ""), (Size.FULL, "records:imagenet"), (Size.BENCH, "")):
        experiment = EXPERIMENTS["data"](size, source)
        configs = [experiment.config(row, 0, "") for row in experiment.rows]
        every.append([config.run.evaluate_every_epochs for config in configs])
    assert every == [[1, 2, 4, 8, 16], [1, 2, 4, 8, 16], [1_000_000] * 5]


def test_notes_say_what_is_so_in_the_papers_own_experiment():
    for name in ("ablations", "depth", "data"):
        ours, papers = (
            EXPERIMENTS[name](Size.FULL, source).note for source in ("", "records:imagenet")
        )
        assert "The input is divided by 64, as" in ours and "as the initialization" not in papers


def test_epochs_move_the_drops_of_the_rate_with_them(capsys, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(command.plan_text, "plan_text", lambda found, *_: seen.append(found) or "")
    for words in (["lrn_cifar", "--epochs=300"], ["depth", "--epochs=15"], ["lrn_cifar"]):
        command.main([*words, "--dry_run", f"--output={tmp_path}"])
    assert [x.base.optimizer.drop_epochs for x in seen] == [(260, 280), (25, 50, 80), (26, 28)]


def test_the_command_is_written_without_what_says_where_and_how_much(monkeypatch):
    words = "depth --output=x --seeds=2 --rows=base --epochs=3 --data.source=folder:a|b"
    called = kinds.parse(
        words.split(),
        "name",
        {name: kind.arguments for name, kind in command.KINDS.items()},
        {name: kind.shared for name, kind in command.KINDS.items()},
        "",
        {},
    )
    assert command._command(*called) == (
        "python -m alexnet_tf.experiment depth --epochs=3 --size=bench '--data.source=folder:a|b'"
    )


def test_the_tries_of_a_row_have_one_rate_each():
    row = Row(name="tanh", changes={"network.activation": "tanh"}, rates=(0.1, 0.003))
    rates = {part.name: part.changes["optimizer.learning_rate"] for part in row.tries}
    assert rates == {"tanh_0.1": 0.1, "tanh_0.003": 0.003}
    assert all(part.changes["network.activation"] == "tanh" for part in row.tries)
    figure1 = EXPERIMENTS["figure1"](Size.BENCH, "")
    assert figure1.measure == Measure.EPOCHS_TO
    base = figure1.base
    assert (base.optimizer.weight_decay, base.data.mirror, base.data.random_crop) == (0, False, 0)


def test_the_list_has_every_experiment_with_rows_claims_and_cost(capsys):
    assert command.main(["--list"]) == 0
    said = capsys.readouterr().out
    assert set(command.KINDS) <= {line.partition(":")[0] for line in said.splitlines()}
    assert "9 rows, 3 seeds, 27 runs of about 11 minutes at --size=bench on 2 cores: 5.0" in said
    assert "plain_pooling: Overlapping pooling lowers the error by 0.4 points." in said


def test_a_dry_run_says_what_differs_and_how_long_it_takes(capsys, tmp_path):
    words = ["depth", "--dry_run", f"--output={tmp_path}", "--seeds=2", "--epochs=15"]
    assert command.main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("8 rows, 2 seeds, 15 epochs of folder:imagenette-224 in float32")
    assert said[said.index("without_7") + 1] == "  network.without: none -> fc7"
    place = said.index("wide_convolutions")
    assert said[place + 2] == "  conv4.filters: 384 -> 1024"
    assert said[-2:] == [
        "16 runs, of which 0 are finished.",
        "About 1.6 hours: 6.0 minutes a run, as stated for folder:imagenette-224 on 2 cores in "
        "float32.",
    ]
    assert not list(tmp_path.iterdir())


def write_one_row(place, seconds):
    """Writes a table in which the base of `depth` is finished with the first seed."""
    experiment = EXPERIMENTS["depth"](Size.BENCH, "")
    config = experiment.config(experiment.rows[0], 0, "")
    row = results.Finished(
        row="base",
        seed=0,
        settings=results.settings_text(config),
        data={"train_num_examples": 9469},
        planned_steps=4439,
        seconds=seconds,
    )
    results.write(place, "depth", results.Results((row,)))


def test_a_dry_run_warns_of_rows_that_a_run_would_refuse(capsys, tmp_path):
    write_one_row(tmp_path, 600)
    for words, is_refused in (([], False), (["--epochs=5"], True), (["--precision=float16"], True)):
        assert command.main(["depth", "--dry_run", f"--output={tmp_path}", *words]) == 0
        said = capsys.readouterr().out
        assert ("base with seed 0 was trained with other settings there" in said) == is_refused
        assert "24 runs, of which 1 are finished." in said and "10.0 minutes a run, the m" in said


def test_a_dry_run_of_what_is_nearly_or_wholly_finished(capsys, tmp_path):
    write_one_row(tmp_path, 60)
    words = ["depth", "--dry_run", "--rows=base", f"--output={tmp_path}"]
    command.main([*words, "--seeds=2"])
    assert "About a minute: 1.0 minutes a run" in capsys.readouterr().out
    command.main([*words, "--seeds=1"])
    assert capsys.readouterr().out.endswith("1 runs, of which 1 are finished.\n")


def test_a_dry_run_of_the_whole_network_knows_no_cost(capsys, tmp_path):
    command.main(["data", "--dry_run", "--size=full", f"--output={tmp_path}"])
    assert "was not measured at this size." in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, text",
    [
        (["ablation"], "name=ablation: expected one of ablations, depth, lrn_cifar, data, figure1"),
        ([], "name=: expected one of ablations"),
        (["depth", "--rows=fc"], "rows=fc: expected one of base, without_3_4"),
        (["depth", "--seeds=0"], "seeds=0: expected 1 to 1000 runs of each row."),
        (["depth", "--seeds=1001", "--dry_run"], "seeds=1001: expected 1 to 1000 runs"),
        (["depth", "--epochs=-1"], "epochs=-1: expected a positive number, or 0 for the experi"),
        (["depth", "--network.width=2"], "--network.width=2: expected one of this command's flags"),
        (["figure1", "--size=full"], "--size=full: expected one of this command's flags."),
        (
            ["learning_rate", "--lowest=1", "--highest=0.1"],
            "lowest=1, highest=0.1: expected two positive rates, the lower one first",
        ),
        (["learning_rate", "--steps=3"], "steps=3: expected at least 20, to see a curve."),
    ],
)
def test_mistakes_are_named(words, text):
    with pytest.raises(UserError, match=re.escape(text)):
        command.main(words)


def test_help_of_a_kind_has_the_flags_that_it_inherits(capsys):
    with pytest.raises(SystemExit):
        command.main(["depth", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--size=bench|full bench: a smaller network" in said
    assert "--seeds=INTEGER Runs of each row, with the seeds 0, 1, and so on." in said
    assert command.main(["--help"]) == 0
    assert "NAME --help" in capsys.readouterr().out


def test_a_dry_run_of_a_range_test_trains_nothing(capsys, tmp_path):
    words = ["--dry_run", f"--output={tmp_path / 'out'}", "--steps=40", "--recipe=imagenette"]
    assert command.main(["learning_rate", *words]) == 0
    said = capsys.readouterr().out
    assert "learning_rate: 40 steps of 64 pictures of folder:" in said
    assert "It trains on 2,560 pictures." in said and not (tmp_path / "out").exists()
