"""The settings: their texts, their JSON, what may differ at resume."""

import dataclasses
import json
import math

import pytest

from alexnet_tf.config import json_form
from alexnet_tf.config.fields import DOORS, differences, from_text, settings_of, to_text, value_at
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.optimizer import OptimizerConfig
from alexnet_tf.config.run import Config, RunConfig, StrategyName
from alexnet_tf.errors import UserError
from alexnet_tf.networks.family.names import NETWORKS, network
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.recipes import RECIPES, recipe
from pipelines.config import DataConfig, InputConfig


@pytest.mark.parametrize("setting", settings_of(Config), ids=lambda setting: setting.name)
def test_every_setting_has_a_text_under_it(setting):
    assert setting.help.endswith(".")


def test_the_table_of_layers_is_the_only_setting_that_is_no_flag():
    assert [x.name for x in settings_of(Config) if not x.is_flag] == ["network.layers"]


def test_names_are_those_of_the_command_line():
    names = [setting.name for setting in settings_of(Config)]
    assert {"recipe", "seed", "run_dir", "data.source", "network.input.size"} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", RECIPES)
def test_typed_text_gives_back_every_value_of_a_recipe(name):
    config = recipe(name)
    for setting in settings_of(Config):
        if setting.is_flag:
            value = value_at(config, setting.path)
            assert from_text(setting.name, setting.kind, to_text(value)) == value


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_bears_its_own_name_and_its_command(name):
    assert recipe(name).recipe == name
    assert "python -m alexnet_tf.train" in RECIPES[name].__doc__


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_the_family_bears_its_own_name(name):
    assert network(name).name == name


@pytest.mark.parametrize("name", RECIPES)
def test_settings_survive_json_and_are_written_alike_twice(name):
    config = recipe(name)
    text = json.dumps(json_form.to_json(config))
    read = json_form.from_json(json.loads(text))
    assert read == config
    assert json.dumps(json_form.to_json(read)) == text


def test_a_mean_that_is_measured_and_devices_survive_json():
    config = Config(
        network=NetworkConfig(input=InputConfig(mean="dataset")),
        run=RunConfig(strategy=StrategyName.MIRRORED, devices=("cpu:0", "cpu:1")),
    )
    assert json_form.from_json(json_form.to_json(config)) == config


def test_a_network_alone_survives_json():
    stored = json.loads(json.dumps(json_form.to_dict(network("small"))))
    assert json_form.from_dict(NetworkConfig, stored) == network("small")


def test_settings_of_before_there_was_a_choice_shuffle_fully():
    stored = json_form.to_json(Config())
    del stored["data"]["shuffle"]
    assert json_form.from_json(stored).data.shuffle == "full"


def test_a_missing_field_takes_its_default():
    assert json_form.from_json({"schema_version": 4}) == Config()


WRONG_JSON = [
    ({"schema_version": 7}, "schema_version=7: expected 4"),
    ({"schema_version": None}, "schema_version=None: expected 4"),
    ({"sede": 1}, "settings field=sede: expected one of recipe"),
    ({"data": {"sorce": "shapes"}}, "data.field=sorce: .*Did you mean source?"),
    ({"data": 3}, "data=3: expected an object"),
    ({"run": {"seed": 1.5}}, "^seed=1.5: expected a whole number."),
    ({"run": {"seed": True}}, "^seed=True: expected a whole number."),
    ({"run": {"seed": -1}}, "seed=-1: expected 0 to 4294967295"),
    ({"run": {"devices": "cpu:0"}}, "^devices='cpu:0': expected a list"),
    ({"optimizer": {"schedule": "cosin"}}, "optimizer.schedule=cosin: .*Did you mean cosine?"),
    ({"optimizer": {"momentum": math.nan}}, "optimizer.momentum=nan: expected a number."),
    (
        {"network": {"layers": [{"kind": "cnv"}]}},
        "network.layers.kind=cnv: expected one of .*Did you mean conv?",
    ),
    (
        {"network": {"layers": [{"kind": "pool"}]}},
        "network.layers.name: expected a value, found none",
    ),
    (
        {"network": {"layers": [{"kind": "conv", "name": "x", "pad": [1]}]}},
        "network.layers.filters: expected a value",
    ),
]


@pytest.mark.parametrize("stored, message", WRONG_JSON)
def test_wrong_json_is_refused_by_the_name_of_the_field(stored, message):
    with pytest.raises(UserError, match=message):
        json_form.from_json({"schema_version": 4, **stored})


@pytest.mark.parametrize("network", [3, [1], {"layers": 3}, {"layers": [3]}, {"pooling": []}])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_settings_of_before_in_any_shape_are_no_traceback(version, network):
    with pytest.raises(UserError):
        json_form.from_json({"schema_version": version, "network": network})


@pytest.mark.parametrize("version", [1, 2])
def test_settings_of_before_that_cannot_be_renewed_are_named_by_their_version(version):
    text = f"schema_version={version}: expected settings as they were written, found TypeError"
    rows = {"pooling": "plain", "layers": 3}
    with pytest.raises(UserError, match=text):
        json_form.from_json({"schema_version": version, "network": rows})


def test_pooling_that_left_the_paddings_is_read_as_it_was_built():
    config = Config(network=dataclasses.replace(network("pool22"), num_classes=10))
    stored = json_form.to_json(config)
    stored["network"]["pooling"] = "overlapping"
    before = json_form.from_json(stored | {"schema_version": 2}).network
    now = json_form.from_json(stored).network
    assert [row.kernel_shape for row in table(before) if row.name == "fc6"] == [(5 * 5 * 256, 4096)]
    assert [row.kernel_shape for row in table(now) if row.name == "fc6"] == [(6 * 6 * 256, 4096)]


@pytest.mark.parametrize("pooling", ["table", "plain", "overlapping"])
def test_settings_of_schema_2_stay_the_same_where_they_mean_the_same(pooling):
    config = Config(network=NetworkConfig(pooling=pooling))
    stored = json_form.to_json(config) | {"schema_version": 2}
    assert json_form.from_json(stored) == config


def test_towers_of_schema_3_were_the_networks():
    run = {"seed": 1, "devices": ["cpu:0", "cpu:1"]}
    stored = {"schema_version": 3, "network": {"groups": 2, "towers": 2}, "run": run}
    devices = ("cpu:0", "cpu:1")
    assert json_form.from_json(stored) == Config(
        run=RunConfig(seed=1, devices=devices, towers=2),
    )
    assert json_form.network_from_json(stored["network"], 3) == NetworkConfig()
    with pytest.raises(UserError, match="network.field=towers: expected one of"):
        json_form.from_json(stored | {"schema_version": 4})


def test_equal_settings_have_no_differences():
    assert differences(recipe("paper"), recipe("paper")) == []


def test_a_difference_names_the_flag_and_both_values():
    old = Config()
    new = dataclasses.replace(
        old,
        data=DataConfig(mirror=False, shuffle="blocks"),
        optimizer=OptimizerConfig(drop_epochs=(30.0, 60.0)),
        run=RunConfig(seed=1, global_batch_size=64),
    )
    assert differences(old, new) == [
        "data.shuffle: full -> blocks",
        "data.mirror: true -> false",
        "optimizer.drop_epochs: 25,50,80 -> 30,60",
        "global_batch_size: 128 -> 64",
        "seed: 0 -> 1",
    ]


def test_free_settings_and_names_of_recipes_may_differ():
    old = Config(recipe="paper")
    run = RunConfig(run_dir="elsewhere", epochs=5, steps_per_launch=7, tensorboard=False)
    run = dataclasses.replace(run, towers=2, devices=("cpu:0", "cpu:1"))
    named = dataclasses.replace(old.network, name="other")
    new = dataclasses.replace(old, recipe="other", run=run, network=named)
    assert differences(old, new) == []
    assert set(DOORS) <= {setting.name for setting in settings_of(Config)}


def test_only_the_rows_of_layers_that_differ_are_named():
    old = NetworkConfig()
    rows = (dataclasses.replace(old.layers[0], stride=2), *old.layers[1:])
    (line,) = differences(Config(), Config(network=dataclasses.replace(old, layers=rows)))
    assert line.startswith("network.layers: Conv(name='conv1'") and "stride=2" in line
    assert "conv2" not in line
