"""The command line: precedence and mistakes."""

import dataclasses

import pytest

from alexnet_tf.command_line import flags
from alexnet_tf.command_line.unused import NEEDED
from alexnet_tf.config.optimizer import Schedule
from alexnet_tf.config.run import Config, StrategyName
from alexnet_tf.errors import UserError
from alexnet_tf.networks.family.names import network
from alexnet_tf.recipes import recipe


def train(*argv: str) -> Config:
    return flags.parse_config(argv, "Trains.")


def test_no_flag_gives_the_quickstart():
    assert train() == recipe("quickstart")


def test_a_flag_of_each_type_reaches_its_field():
    config = train(
        "--seed=7",
        "--epochs=2.5",
        "--deterministic",
        "--nodata.mirror",
        "--data.random_crop=false",
        "--data.source=folder:a=b",
        "--optimizer.schedule=plateau",
        "--optimizer.drop_epochs=1,2.5",
        "--network.input.mean=1,2,3",
        "--strategy",
        "mirrored",
        "--devices=cpu:0,cpu:1",
    )
    assert (config.run.seed, config.run.epochs, config.run.deterministic) == (7, 2.5, True)
    assert (config.data.mirror, config.data.random_crop) == (False, False)
    assert config.data.source == "folder:a=b"
    assert config.optimizer.schedule is Schedule.PLATEAU
    assert config.optimizer.drop_epochs == (1.0, 2.5)
    assert config.network.input.mean == (1.0, 2.0, 3.0)
    assert (config.run.strategy, config.run.devices) == (StrategyName.MIRRORED, ("cpu:0", "cpu:1"))


@pytest.mark.parametrize(
    "typed", ["--towers=2", "--network.towers=2", "--towers=2 --network.towers=2"]
)
def test_towers_have_an_older_name(typed):
    config = train(*typed.split(), "--devices=cpu:0,cpu:1", "--network.name=paper")
    assert config.run.towers == 2


def test_a_mean_may_be_measured_and_a_list_may_be_empty():
    config = train("--network.input.mean=dataset", "--optimizer.drop_epochs=")
    assert config.network.input.mean == "dataset"
    assert config.optimizer.drop_epochs == ()


def test_the_last_of_two_equal_flags_wins():
    assert train("--seed=1", "--seed=2").run.seed == 2


def test_precedence_is_recipe_then_network_then_field():
    config = train("--network.width=0.5", "--network.name=paper", "--recipe=quickstart")
    assert config.network == dataclasses.replace(network("paper"), width=0.5)
    assert config.data == recipe("quickstart").data


def test_a_network_by_name_keeps_the_number_of_classes():
    seven = dataclasses.replace(recipe("paper").network, num_classes=7)
    config = dataclasses.replace(recipe("paper"), network=seven)
    config = flags.override(config, {"network.name": "small"})
    assert config.network == dataclasses.replace(network("small"), num_classes=7)


def test_window_and_square_may_be_typed_in_any_order():
    config = train("--network.input.size=300", "--network.input.resize=320")
    assert (config.network.input.size, config.network.input.resize) == (300, 320)


def test_steps_and_epochs_take_each_others_place():
    assert (train("--steps=9").run.steps, train("--steps=9").run.epochs) == (9, 0)
    by_steps = train("--steps=9")
    assert flags.override(by_steps, {"epochs": 2.0}).run.steps == 0


MISTAKES = [
    ("--stepz=3", "--stepz=3: .* Did you mean --steps?"),
    ("--learning_rate=1", "Did you mean --optimizer.learning_rate?"),
    ("--batch_size=1", "Did you mean --global_batch_size?"),
    ("--lr=1", "--lr=1: .* Did you mean --optimizer.learning_rate?"),
    ("--gpu=0", "--gpu=0: .* Did you mean --devices?"),
    ("--xyzzy", "--xyzzy: .*--help lists all"),
    ("--layers=3", "--layers=3: expected one of"),
    ("--undefok=stepz --stepz=3", "--undefok=stepz: expected one of"),
    ("--flagfile=x", "--flagfile=x: expected one of"),
    ("--recipe=papr", "recipe=papr: expected one of .* Did you mean paper?"),
    ("--network.name=smal", "network.name=smal: .* Did you mean small?"),
    ("--optimizer.schedule=cosin", "optimizer.schedule=cosin: .* Did you mean cosine?"),
    ("--steps=3.5", "steps=3.5: expected a whole number."),
    ("--steps", "--steps. Write --name=value."),
    ("--run_dir --steps=3", "run_dir=--steps=3: expected a value before --steps=3."),
    ("--run_dir --steps", "run_dir=--steps: expected a value before --steps."),
    ("--optimizer.learning_rate=fast", "optimizer.learning_rate=fast: expected a number."),
    ("--optimizer.learning_rate=nan", "optimizer.learning_rate=nan: expected a number."),
    ("--optimizer.drop_epochs=1,b", "optimizer.drop_epochs=b: expected a number."),
    ("--epochs=1e306", "epochs=1e.306: expected a number, at most 1e.30 in size."),
    ("--network.width=1e308", "network.width=1e.308: expected a number, at most"),
    ("--network.width=1e5", "network.width=100000.0: expected at most 1,000."),
    ("--steps=9999999999999999999", "steps=9{19}: expected a whole number, at most"),
    ("--steps=1" + "0" * 400, "steps=10{400}: expected a whole number."),
    ("--global_batch_size=100000000", "global_batch_size=1.*: expected at most 16,777,216."),
    ("--network.input.resize=100000", "network.input.resize=100000: expected at most 65,536."),
    ("--deterministic=perhaps", "deterministic=perhaps: expected true or false."),
    ("--nodeterministic=true", "does not take an argument"),
    ("--deterministic true", "true: expected nothing but flags."),
    ("steps=3", "steps=3: expected nothing but flags. Write --steps=3."),
    ("--seed=-1", "seed=-1: expected 0 to 4294967295."),
    ("--steps=3 --epochs=2", "steps=3, epochs=2: expected one of the two"),
    ("--network.input.size=300", "network.input.resize=104: expected at least"),
    ("--towers=1 --network.towers=2", "towers=1, network.towers=2: expected one of the two"),
    ("--network.towers=x", "network.towers=x: expected a whole number."),
    ("--devices=cpu:0,cpu:1", "To train on several use --strategy=mirrored."),
]


@pytest.mark.parametrize("typed, message", MISTAKES)
def test_a_mistake_is_one_sentence_with_the_way_out(typed, message):
    with pytest.raises(UserError, match=message) as caught:
        train(*typed.split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "typed, unused",
    [
        ("--recipe=imagenette --optimizer.drop_epochs=8,12", ["optimizer.drop_epochs=8,12"]),
        ("--optimizer.schedule=step --optimizer.drop_epochs=8,12", []),
        ("--optimizer.schedule=range --optimizer.drop_factor=100", []),
        ("--optimizer.schedule=plateau --optimizer.max_drops=2", []),
        ("--optimizer.schedule=step --optimizer.max_drops=2", ["optimizer.max_drops=2"]),
        ("--optimizer.second_momentum=0.9", ["optimizer.second_momentum=0.9"]),
        ("--optimizer.rule=lamb --optimizer.second_momentum=0.9", []),
        ("--data.rand_strength=5", ["data.rand_strength=5"]),
        ("--data.rand_strength=5 --data.rand_augment=1", []),
        ("--data.color_noise=0 --nodata.color_rescale", ["data.color_rescale=false"]),
        ("--network.dropout=none --network.dropout_rate=0.9", ["network.dropout_rate=0.9"]),
        ("--network.dropout_rate=0.9", []),
        ("--batch_norm_of_parts", ["batch_norm_of_parts=true"]),
        ("--tpu=local --collectives=ring", ["tpu=local", "collectives=ring"]),
        ("--strategy=multi_worker --collectives=ring --worker_index=0", []),
    ],
)
def test_what_changes_nothing_is_said(typed, unused, capsys):
    train(*typed.split())
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" changes nothing here; expected ")[0] for line in lines] == unused
    assert all(line.endswith(" with it. Set that, or leave it out.") for line in lines)


def test_each_setting_that_needs_another_exists():
    assert NEEDED.keys() <= flags.CONFIG_FLAGS.keys()
