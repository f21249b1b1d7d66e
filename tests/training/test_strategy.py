"""From names of devices to a strategy: which are refused, and what becomes of the others."""

import pytest
import tensorflow as tf

from alexnet_tf import machine
from alexnet_tf.config.run import Config, Precision, RunConfig
from alexnet_tf.errors import UserError
from alexnet_tf.training import strategy


@pytest.mark.parametrize(
    "devices, message",
    [
        (("tpu:0",), "devices='tpu:0': expected names such as cpu:0 or gpu:1, with commas between"),
        (("cpu",), "devices='cpu': expected names such as cpu:0 or gpu:1"),
        (("cpu:first",), "devices='cpu:first': expected names such as cpu:0"),
        (("cpu:0", "CPU:0"), "devices=cpu:0,CPU:0: expected each device once"),
        (("cpu:0", "gpu:0"), "devices=cpu:0,gpu:0: expected devices of one kind, cpu or gpu"),
        (("cpu:64",), "devices=cpu:64: expected indices below 64, the number of CPUs allowed"),
        (
            ("cpu:2",),  # the tests have two
            "devices=cpu:2: expected CPUs that were named before TensorFlow has started in this "
            "process. Start a new process",
        ),
    ],
)
def test_devices_that_cannot_be_used_are_refused(two_devices, devices, message):
    tf.zeros(1).numpy()  # TensorFlow has started
    with pytest.raises(UserError, match=message):
        strategy.make_strategy(RunConfig(devices=devices, strategy="mirrored"))


def test_a_gpu_that_is_not_there_is_refused():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    text = "devices=gpu:0: expected indices below 0, the number of GPUs that TensorFlow sees"
    with pytest.raises(UserError, match=text):
        strategy.make_strategy(RunConfig(devices=("gpu:0",)))


def test_names_are_taken_in_any_case_and_order(two_devices):
    mirrored = strategy.make_strategy(RunConfig(devices=("CPU:1", "cpu:0"), strategy="mirrored"))
    assert strategy.device_names(mirrored) == ["CPU:1", "CPU:0"]
    assert strategy.describe(mirrored).startswith("training on 2 CPU replicas")


def test_one_device_is_described_as_one(two_devices):
    single = strategy.make_strategy(RunConfig(devices=("cpu:1",)))
    assert strategy.device_names(single) == ["CPU:1"]
    assert strategy.describe(single).startswith("training on one CPU")


def test_one_cpu_takes_its_batches_as_they_are_and_two_share_them(two_devices):
    def chain():
        return tf.data.Dataset.range(4).batch(2)

    single = strategy.make_strategy(RunConfig(devices=("cpu:0",)))
    assert [x.numpy().tolist() for x in strategy.distribute(single, chain)] == [[0, 1], [2, 3]]
    both = strategy.make_strategy(RunConfig(devices=("cpu:0", "cpu:1"), strategy="mirrored"))
    (batch,) = strategy.distribute(both, chain)
    parts = both.experimental_local_results(batch)
    assert [part.numpy().tolist() for part in parts] == [[0, 1], [2, 3]]


def test_a_tpu_that_is_not_there_is_one_sentence():
    with pytest.raises(
        UserError, match=r"tpu=local: expected a TPU that can be reached \(TPUs not"
    ):
        strategy.make_strategy(RunConfig(strategy="tpu"))


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"devices": ("cpu:0",)}, "devices=cpu:0 with strategy=tpu: expected none, since all co"),
        ({"precision": "float16"}, "precision=float16 with strategy=tpu: expected bfloat16 or f"),
        ({"precision": "tf32"}, "precision=tf32 with strategy=tpu: expected bfloat16 or f"),
    ],
)
def test_what_a_tpu_has_not_is_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        Config(run=RunConfig(strategy="tpu", **settings))


@pytest.mark.parametrize(
    "text, missing",
    [
        ("flags\t\t: fpu avx2 fma\n", {"bfloat16", "float16"}),
        ("flags\t\t: fpu avx2 avx512_bf16\n", {"float16"}),
        ("flags\t\t: fpu amx_bf16 avx512_fp16\n", set()),
        ("Features\t: fp asimd\n", set()),  # of ARM: not known
        ("", set()),
    ],
)
def test_a_precision_that_the_processor_lacks_is_told(tmp_path, monkeypatch, text, missing):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    single = strategy.make_strategy(RunConfig(devices=("cpu:0",)))
    told = {x: strategy.describe(single, x).partition("\n")[2] for x in Precision}
    assert {x for x, words in told.items() if words} == missing
    if "bfloat16" in missing:
        assert told["bfloat16"] == (
            "precision=bfloat16: this processor has none of avx512_bf16, amx_bf16, so steps take "
            "several times as long as in float32"
        )


def test_a_system_that_lists_no_instructions_is_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert machine.computes_in("bfloat16") and machine.computes_in("float32")


def test_what_decides_on_kernels_is_named(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("model name : x\nflags : fpu amx_fp16 avx2 avx512f\n")
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    assert machine.instructions() == "avx2 avx512f amx_fp16"
