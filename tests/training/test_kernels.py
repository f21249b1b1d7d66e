"""Every operation that a GPU would be given has a kernel there; found out without a GPU.

TensorFlow moves an operation without one to the host and says nothing (soft placement): its
tensors then cross the bus twice at each step.
"""

import dataclasses

import pytest
import tensorflow as tf
import tiny
from tensorflow.python.framework import kernels

from alexnet_tf.training import device_loop, evaluation
from alexnet_tf.training.state import TrainState
from alexnet_tf.training.task import classification
from pipelines.config import Views
from pipelines.sources import open_source

ON_HOST = {"Timestamp": "the host's clock, read for the time spent waiting for data"}
"""What stays on the host by design, and why."""


def is_for_gpu(node) -> bool:
    """Tells whether the wheel has a GPU kernel for an operation of these types."""

    def types(name: str) -> list[int]:
        value = node.attr[name]
        return [value.type] if value.WhichOneof("value") == "type" else list(value.list.type)

    return any(
        kernel.device_type in ("GPU", "DEFAULT")
        and all(set(types(x.name)) <= set(x.allowed_values.list.type) for x in kernel.constraint)
        for kernel in kernels.get_registered_kernels_for_op(node.op).kernel
    )


def without_kernel(function, *arguments) -> set[str]:
    """Lists the operations of a function, and of those it calls, that a GPU cannot do."""
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    assert len(nodes) > 5
    return {
        f"{node.op}({', '.join(names_of_types(node))})"
        for node in nodes
        if node.op not in ON_HOST and not is_for_gpu(node)
    }


def names_of_types(node) -> list[str]:
    """Lists the types of an operation, such as uint8."""
    values = [value for _, value in sorted(node.attr.items())]
    return [tf.dtypes.as_dtype(value.type).name for value in values if value.type]


@pytest.fixture(autouse=True)
def wheel_with_kernels():
    """Skips where TensorFlow was built without CUDA."""
    if not tf.test.is_built_with_cuda():
        pytest.skip("TensorFlow was built without CUDA: it knows no GPU kernels")


def parts_of(name: str, network: dict, run: dict, pictures, run_dir, two_devices) -> tuple:
    """Everything that a run of a few weights is made of, with all replicas on named devices."""
    config = tiny.config(pictures, run_dir)
    network = dataclasses.replace(config.network, num_classes=3, **network)
    run = dataclasses.replace(config.run, **run)
    config = dataclasses.replace(config, network=network, run=run)
    if name == "mirrored":
        strategy = tf.distribute.MirroredStrategy(two_devices)
    else:
        strategy = tf.distribute.OneDeviceStrategy("CPU:0" if name == "two towers" else "CPU:1")
    with strategy.scope():
        state = TrainState(config, strategy)
    return config, strategy, open_source(config.data, "train", 0), state


RUNS = {
    "float32": ({}, {}),
    "mirrored": ({}, {"strategy": "mirrored", "devices": ("cpu:0", "cpu:1")}),
    "float16": ({}, {"precision": "float16"}),
    "bfloat16": ({}, {"precision": "bfloat16"}),
    "deterministic": ({}, {"deterministic": True}),
    "batch normalization": ({"normalization": "batch"}, {}),
    "two towers": ({}, {"towers": 2, "devices": ("cpu:0", "cpu:1")}),
}
OFTEN = ("float16",)
"""Its step has the operations of float32, and those of its loss scale."""


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=[] if x in OFTEN else pytest.mark.slow) for x in RUNS]
)
@pytest.mark.long
def test_a_gpu_can_do_every_operation_of_training(name, pictures, tmp_path, two_devices):
    parts = parts_of(name, *RUNS[name], pictures, tmp_path, two_devices)
    config, strategy, source, state = parts
    task = classification(config, source)
    launcher = device_loop.Launcher(task, state, config, strategy, source)
    assert without_kernel(launcher._graph) == set()


@pytest.mark.parametrize("views", [pytest.param(Views.CENTER, marks=pytest.mark.slow), Views.TEN])
@pytest.mark.long
def test_a_gpu_can_do_every_operation_of_evaluation(views, pictures, tmp_path, two_devices):
    config, strategy, source, state = parts_of("", {}, {}, pictures, tmp_path, two_devices)
    evaluator = evaluation.Evaluator(state.model, source, config, strategy, views)
    batch = next(iter(evaluator._batches()))
    assert without_kernel(evaluator._sums, batch, tf.zeros([], tf.float64)) == set()


def test_an_operation_without_a_kernel_is_found():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.uint32), tf.TensorSpec([], tf.bool)])
    def function(x, flag):
        return tf.cond(flag, lambda: tf.slice(x, [0], [1]), lambda: x[:1])

    assert without_kernel(function) == {"Slice(int32, uint32)"}
