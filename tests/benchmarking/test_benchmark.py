"""The benchmark: its arithmetic, its text, and contenders that do the same work."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf import benchmark
from alexnet_tf.benchmarking import report, rounds, timing
from alexnet_tf.benchmarking.contenders import plain_keras, pytorch, table
from alexnet_tf.benchmarking.contenders.contender import Contender
from alexnet_tf.benchmarking.sources import Noise, Some
from alexnet_tf.benchmarking.spec import Sample, Spec, What
from alexnet_tf.benchmarking.text import aligned, text
from alexnet_tf.command_line import environment
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.layers.response_norm import LocalResponseNorm
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.resolved import table as rows
from pipelines.config import InputConfig
from pipelines.preprocess import preprocess

TINY = NetworkConfig(
    name="tiny",
    num_classes=7,
    input=InputConfig(size=67, resize=72, scale=1 / 64),
    width=1 / 8,
    fc_width=16,
    init="he",
    dropout="inverted",
)
FLAGS = (
    "--network.width=0.0625 --network.fc_width=16 --network.input.size=67 "
    "--network.num_classes=5 --global_batch_size=2 --rounds=2 --round_seconds=0.01"
).split()
FORMS = [
    f"pytorch_{how}_channels_{place}"
    for how, place in itertools.product(["eager", "compiled"], ["first", "last"])
] + [f"pytorch_compiled_channels_{place}_lrn_rewritten" for place in ("first", "last")]
MACHINE = {"cores": 2, "processor": "P", "accelerator": None, "system": "S"}
MACHINE |= {"versions": {"TensorFlow": "2"}, "load_before": 0.5, "date": "2026-01-01"}


def spec(what=What.STEP) -> Spec:
    config = Config(network=TINY, run=RunConfig(global_batch_size=2))
    return Spec(what=what, config=config, round_seconds=0.01)


def samples(*rates: float, cpu_seconds: float = 0.0) -> list[Sample]:
    return [Sample(rate, 1.0, rate * cpu_seconds) for rate in rates]


def rivals() -> dict:
    flop = report.flop_per_image(TINY, What.STEP)
    found = {"alexnet_tf": samples(40, 20, 36), "plain_keras": samples(5, 5, 6)}
    found["pytorch_eager_channels_last"] = samples(10, 5, 12)
    found["pytorch_compiled_channels_last"] = samples(20, 8, 24)
    found["pytorch_compiled_channels_first_lrn_rewritten"] = samples(25, 16, 24)
    found["matrix_product"] = samples(50 * flop, 50 * flop, 60 * flop)
    absent = {"pytorch_compiled_channels_first": "there is no compiler"}
    measured = rounds.Measured(found, left_out=absent)
    return report.result(spec(), 3, measured, MACHINE, "python -m alexnet_tf.benchmark step")


def test_the_papers_network_takes_4_14_gflop_to_train_and_1_45_to_ask():
    paper = NetworkConfig(num_classes=1000)
    conv1 = 55 * 55 * 96 * 11 * 11 * 3
    assert report.flop_per_image(paper, What.STEP) == 6 * 724_406_816 - 2 * conv1
    assert report.flop_per_image(paper, What.INFERENCE) == 2 * 724_406_816


def test_ratios_are_medians_over_the_rounds_and_not_ratios_of_medians():
    ours, keras, *_, peak = rivals()["contenders"]
    assert [one["images_per_second"] for one in (ours, keras, peak)] == [36, 5, 50]
    assert (ours["lowest"], ours["highest"], ours["by_round"]) == (20, 40, [40, 20, 36])
    assert keras["ours_times"] == pytest.approx(6)  # of 8, 4, 6
    assert ours["share_of_peak"] == pytest.approx(0.6)  # of .8, .4, .6
    assert ours["ours_times"] is peak["ours_times"] is None
    assert peak["share_of_peak"] == 1


def test_the_loop_loses_against_the_step_and_what_the_decoder_leaves_of_it():
    found = {
        "step": samples(40, 40),
        "loop_in_memory": samples(39, 38),
        "loop_encoded": samples(36, 30),
        "decoder": samples(500, 400, cpu_seconds=0.004),
    }
    measured = rounds.Measured(found)
    entries = report.result(spec(What.LOOP), 2, measured, MACHINE, "")["contenders"]
    _, memory, encoded, decoder = entries
    assert memory["loss_percent"] == pytest.approx(100 * (1 - 38.5 / 40))
    assert encoded["allowed_images_per_second"] == pytest.approx(1 / (1 / 40 + 0.004 / 2))
    assert encoded["loss_percent"] == pytest.approx(100 * (1 - 33 * (1 / 40 + 0.004 / 2)))
    assert decoder["cpu_seconds_per_image"] == pytest.approx(0.004)
    assert decoder["loss_percent"] is None


def test_a_device_of_its_own_is_not_slowed_by_the_decoder_until_that_is_slower():
    assert report.allowed_speed(40, 0.004, 2, shares_cores=False) == 40
    assert report.allowed_speed(1000, 0.004, 2, shares_cores=False) == 500


def test_the_table_names_everyone_and_says_who_was_left_out():
    said = text(rivals())
    row = next(line for line in said.splitlines() if "plain Keras" in line)
    assert "6.00 x as fast" in row and "5.0 - 6.0" in row
    assert "PyTorch compiled, channels first: left out, there is no compiler" in said
    assert "2 cores, P, S; TensorFlow 2; load 0.5 before; 2026-01-01" in said
    assert said.endswith("python -m alexnet_tf.benchmark step")


def test_the_best_form_of_pytorch_is_quoted_and_all_are_shown():
    found = rivals()
    name = "pytorch_compiled_channels_last"
    assert found["best_pytorch"] == {"name": name, "ours_times": 2}  # of 2, 2.5, 1.5
    name = "pytorch_compiled_channels_first_lrn_rewritten"
    assert found["best_pytorch_lrn_rewritten"] == {"name": name, "ours_times": 1.5}  # 1.6 1.25 1.5
    said = text(found)
    assert (
        "2.00 x the best PyTorch as its users tune it: compiled, channels last; "
        "1.50 x the best with local response normalization rewritten: compiled, channels first"
    ) in said
    assert "| PyTorch eager, channels last " in said
    assert "| PyTorch compiled, channels first, LRN rewritten " in said
    assert report.best_pytorch(found["contenders"][:2], What.STEP) is None


def test_a_network_without_lrn_has_none_to_rewrite():
    network = dataclasses.replace(TINY, normalization="none")
    of_network = Spec(what=What.STEP, config=Config(network=network))
    keys = [one.key for one in table.contenders_of(of_network, ["pytorch"])]
    assert keys[1:-1] == FORMS[:4]


def test_beside_names_one_form_of_pytorch_or_all():
    def keys(*beside):
        return [one.key for one in table.contenders_of(spec(), beside)][1:-1]

    assert keys("pytorch") == FORMS
    assert keys(FORMS[3], "plain_keras") == ["plain_keras", FORMS[3]]
    variables = [one.environment for one in table.CONTENDERS[What.STEP] if one.key in FORMS]
    assert all(one.items() >= environment.FAST.items() for one in variables)


@pytest.mark.slow
def test_where_nothing_can_be_compiled_pytorch_takes_part_uncompiled(tmp_path):
    pytest.importorskip("torch")
    no_compiler = {"CXX": str(tmp_path / "none"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    compiled = table.contender(What.INFERENCE, "pytorch_compiled_channels_last")
    compiled = dataclasses.replace(compiled, environment=compiled.environment | no_compiler)
    eager = table.contender(What.INFERENCE, "pytorch_eager_channels_last")
    measured = rounds.measure([compiled, eager], spec(What.INFERENCE), 1, lambda line: None)
    assert list(measured.samples) == [eager.key]
    assert "torch.compile needs a C++ compiler" in measured.left_out[compiled.key]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_form_of_pytorch_trains(precision, capsys):
    pytest.importorskip("torch")
    typed = ["step", "--json", "--beside=pytorch", f"--precision={precision}", *FLAGS]
    assert benchmark.main(typed) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["left_out"] == []
    assert len(found["contenders"]) == 2 + len(FORMS)


def test_the_columns_of_a_table_stand_under_each_other():
    lines = aligned([["", "images/s"], ["long name", "1.0"]])
    assert lines == [
        "|           | images/s |",
        "| --------- | -------: |",
        "| long name |      1.0 |",
    ]


def test_rounds_go_forth_and_back():
    assert [rounds.in_turn(["a", "b"], i) for i in (0, 1)] == [["a", "b"], ["b", "a"]]


@pytest.mark.parametrize("least, part, steps", [(1, 4, 12), (50, 50, 50)])
def test_a_round_has_as_many_steps_as_fill_its_time(least, part, steps):
    now = 0.0

    def run(num_steps: int) -> None:
        nonlocal now
        now += 0.1 * num_steps

    one = timing.Work(run=run, units_per_step=8, least_steps=least)
    assert timing.steps_for(one, 0.25, lambda: now) == part
    sample = timing.timed(one, part, 1.0, lambda: now)
    assert (sample.units, sample.rate) == (8 * steps, pytest.approx(80))


def test_plain_keras_computes_our_network():
    model, plain = alexnet(TINY, seed=1), plain_keras.network(TINY)
    assign(named_weights(plain), {name: x.numpy() for name, x in named_weights(model).items()})
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (2, 67, 67, 3), np.uint8))
    np.testing.assert_allclose(plain(images), model(preprocess(images, TINY.input)), atol=1e-5)


@pytest.mark.parametrize("is_rewritten", [False, True])
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
def test_pytorch_computes_our_network(layout, is_rewritten):
    torch = pytest.importorskip("torch")
    model, other = alexnet(TINY, seed=1), pytorch.network(TINY, is_rewritten).eval()
    ours = [x.numpy() for x in model.trainable_variables]
    flat = model.get_layer("pool5").output.shape[1:]
    ours[10] = ours[10].reshape(*flat, -1).transpose(2, 0, 1, 3).reshape(ours[10].shape)
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    with torch.no_grad():
        for theirs, array in zip(other.parameters(), ours, strict=True):
            theirs.copy_(torch.from_numpy(array.transpose(order[array.ndim]).copy()))
        images = np.random.default_rng(0).integers(0, 256, (2, 67, 67, 3), np.uint8)
        channels_first = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        form = {"memory_format": getattr(torch, layout)}
        logits = other.to(**form)(channels_first.contiguous(**form)).numpy()
    np.testing.assert_allclose(logits, model(preprocess(images, TINY.input)), atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_pytorch_normalizes_as_the_paper_in_both_forms(groups):
    torch = pytest.importorskip("torch")
    row = next(row for row in rows(TINY) if row.layer.kind == "lrn")
    layer = dataclasses.replace(row.layer, alpha=0.05)  # the paper's hardly moves anything
    row = dataclasses.replace(row, layer=layer, groups=groups)
    x = np.random.default_rng(0).normal(size=(2, *row.input_shape)).astype(np.float32) * 3
    y = LocalResponseNorm(layer.radius, layer.bias, layer.alpha, layer.beta, groups)(x)
    for make in (pytorch._lrn, pytorch._rewritten_lrn):
        theirs = make(row)(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        np.testing.assert_allclose(theirs, y, atol=1e-5)


@pytest.mark.long
def test_some_pictures_come_from_all_over_a_source():
    noise = Noise(num_examples=10)
    some = Some(noise, 3)
    assert [some.name(i) for i in range(3)] == ["noise/00000", "noise/00003", "noise/00006"]
    assert some.read(tf.constant(2, tf.int64))[0] == noise.read(tf.constant(6, tf.int64))[0]


@pytest.mark.parametrize(
    "typed, message",
    [
        ("", "what: expected at least one"),
        (
            "steps",
            "what=steps: expected one of step, inference, loop, input, .* Did you mean step?",
        ),
        ("step loop", "step loop: expected one of step, inference, loop, input, .* at a time."),
        (
            "step --devices=cpu:0,cpu:1",
            "devices=cpu:0,cpu:1 with strategy=single: expected one device.",
        ),
        ("step --rounds=0", "rounds=0: expected at least 1."),
        ("step --beside=torch", "beside=torch: expected one of .* Did you mean pytorch?"),
        ("step --round_seconds=0", "round_seconds=0.0: expected more than 0."),
        ("loop --beside=pytorch", "beside=pytorch: loop always measures the same. Leave it out."),
        ("step --network.input.size=20", "network.input.size=20"),
        ("step --network.input.mean=dataset", "there is no data set"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(typed, message):
    with pytest.raises(UserError, match=message):
        benchmark.main(typed.split())


def test_a_contender_that_dies_is_left_out_where_it_can_be_missed():
    one = Contender(
        key="nobody", label="N", module="none", function="f", environment={}, can_be_missed=True
    )
    measured = rounds.measure([one], spec(), 1, lambda line: None)
    assert measured.left_out == {"nobody": "its process ended with code 1 (StopIteration)"}
    with pytest.raises(RunFailed, match="N cannot be measured: its process ended with code 1"):
        needed = dataclasses.replace(one, can_be_missed=False)
        rounds.measure([needed], spec(), 1, lambda line: None)


@pytest.mark.slow
def test_the_command_prints_its_table_and_one_json_object_at_the_end(monkeypatch, capsys):
    ours, *_, peak = table.CONTENDERS[What.STEP]
    absent = dataclasses.replace(peak, key="paper", needs="no_such_package")
    monkeypatch.setitem(table.CONTENDERS, What.STEP, (ours, absent, peak))
    assert benchmark.main(["step", "--json", *FLAGS]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    assert [one["name"] for one in found["contenders"]] == ["alexnet_tf", "matrix_product"]
    assert all(len(one["by_round"]) == 2 for one in found["contenders"])
    assert found["left_out"][0]["reason"].startswith("no_such_package is not installed")
    assert lines[0] == "Training steps on a batch that is on the device"
