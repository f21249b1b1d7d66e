"""From --strategy and --devices to a tf.distribute.Strategy; the only file that names devices."""

import contextlib
import os
from collections.abc import Callable

import tensorflow as tf

from alexnet_tf.config.run import Collectives, Precision, RunConfig, StrategyName
from alexnet_tf.errors import UserError
from alexnet_tf.machine import HALVES, computes_in
from alexnet_tf.training.cluster import Cluster
from pipelines import parallelism
from pipelines.machine import this_machine
from pipelines.share import Share

MOST_CPUS = 64
"""Logical CPU devices that we make at most."""


def make_strategy(run: RunConfig, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """Prepares the devices and returns the strategy of a run.

    Call it before anything is placed on a device: logical CPUs can only be made before that.

    Args:
      run: names strategy, devices and arithmetic.
      cluster: the workers of multi_worker, all of which make it at the same time.

    Raises:
      UserError: a device does not exist, or a strategy cannot use it.
    """
    kind, indices = ("cpu", [0]) if run.strategy == StrategyName.TPU else _parse_devices(run)
    _prepare(run, kind, indices)
    _set_threads(this_machine().cpus if cluster else parallelism.threads())
    return BUILDERS[run.strategy](_names(kind, indices), run, cluster)


def _single(names: list[str], run: RunConfig, cluster) -> tf.distribute.Strategy:
    return tf.distribute.OneDeviceStrategy(names[0])


def _mirrored(names: list[str], run: RunConfig, cluster) -> tf.distribute.Strategy:
    is_cpu = names[0].startswith("CPU")
    sums = tf.distribute.ReductionToOneDevice() if is_cpu else None
    return tf.distribute.MirroredStrategy(names, cross_device_ops=sums)


def _multi_worker(names: list[str], run: RunConfig, cluster) -> tf.distribute.Strategy:
    """Joins the workers: TensorFlow's server listens from here on, and watches the others."""
    if cluster is None:
        raise UserError(
            "strategy=multi_worker: expected single or mirrored, since only training has workers. "
            "Use --strategy=single."
        )
    num_gpus = 0 if names[0].startswith("CPU") or run.towers == 2 else len(names)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": num_gpus},
        rpc_layer="grpc",
    )
    kinds = tf.distribute.experimental.CommunicationImplementation
    kind = {Collectives.RING: kinds.RING, Collectives.NCCL: kinds.NCCL}
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=kind.get(run.collectives, kinds.AUTO)
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)


def _tpu(names: list[str], run: RunConfig, cluster) -> tf.distribute.Strategy:
    """Connects to a TPU and starts it. Not run on a TPU."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=run.tpu)
        if run.tpu != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, OSError, ValueError) as error:
        reason = str(error).partition(". ")[0]
        raise UserError(
            f"tpu={run.tpu}: expected a TPU that can be reached ({reason}). Run on a TPU machine "
            "with tensorflow-tpu (BUILD.md, 'TPU'), or use --strategy=single."
        ) from error
    return tf.distribute.TPUStrategy(resolver)


BUILDERS = {
    StrategyName.SINGLE: _single,
    StrategyName.MIRRORED: _mirrored,
    StrategyName.MULTI_WORKER: _multi_worker,
    StrategyName.TPU: _tpu,
}
"""The function that makes each strategy of the names of its devices."""


def share(strategy: tf.distribute.Strategy, rows: int) -> Share | None:
    """Finds which rows of a global batch this worker makes; None where it makes all.

    Args:
      strategy: the distribution strategy.
      rows: of one replica.
    """
    local = len(strategy.extended.worker_devices)
    count = strategy.num_replicas_in_sync // local
    if count == 1:
        return None
    index = strategy.cluster_resolver.task_id
    return Share(index=index, count=count, examples=rows * local)


def over_workers(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that sums a tensor of each worker; all of them call it together."""
    local = len(strategy.extended.worker_devices)

    def of_replica(x):
        context = tf.distribute.get_replica_context()
        is_first = context.replica_id_in_sync_group % local == 0  # the worker's, not each one's
        return context.all_reduce("sum", tf.where(is_first, x, tf.zeros_like(x)))

    @tf.function(autograph=False)
    def summed(x):
        return strategy.experimental_local_results(strategy.run(of_replica, (x,)))[0]

    return summed if strategy.num_replicas_in_sync > local else lambda x: x


def distribute(strategy: tf.distribute.Strategy, chain: Callable[[], tf.data.Dataset]):
    """Distributes the batches of a chain to the replicas, in order.

    On one CPU the chain is used as it is: the strategy's copying would wait for a thread of the
    operations, of which there may be only one (TF 2.21).
    """
    (device, *others) = device_names(strategy)
    if not others and device.startswith("CPU"):
        return chain()
    return strategy.distribute_datasets_from_function(lambda context: chain())


def tower_devices(run: RunConfig) -> list[str]:
    """Lists the devices of the towers, such as CPU:0 and CPU:1."""
    return _names(*_parse_devices(run))


def device_names(strategy: tf.distribute.Strategy) -> list[str]:
    """Lists the devices of the replicas, such as CPU:0 and CPU:1."""
    devices = map(tf.DeviceSpec.from_string, strategy.extended.worker_devices)
    return [f"{device.device_type}:{device.device_index}" for device in devices]


def describe_devices(run: RunConfig) -> str:
    """Says how many devices of which kind this process uses, such as 2 gpu."""
    kind, indices = _parse_devices(run)
    return f"{len(indices)} {kind}"


def describe(strategy: tf.distribute.Strategy, precision: Precision = Precision.FLOAT32) -> str:
    """Describes strategy and devices in one line, and warns of a precision that slows them down."""
    device = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    kind = (device.device_type or "CPU").upper()
    count, local = strategy.num_replicas_in_sync, len(strategy.extended.worker_devices)
    what = f"one {kind}" if local == 1 else f"{local} {kind} replicas"
    if count > local:
        what = f"{count // local} workers of {what}"
    none = "" if tf.config.list_physical_devices("GPU") else "; TensorFlow sees no GPU here"
    words = f"training on {what}{none}"
    if kind == "CPU" and not computes_in(precision):
        words += (
            f"\nprecision={precision}: this processor has none of {', '.join(HALVES[precision])}, "
            "so steps take several times as long as in float32"
        )
    return words


def _parse_devices(run: RunConfig) -> tuple[str, list[int]]:
    """Finds the kind of device, "cpu" or "gpu", and the indices to use."""
    gpus = tf.config.list_physical_devices("GPU")
    num_gpus = len(gpus)
    if not run.devices:
        visible = [gpus.index(gpu) for gpu in tf.config.get_visible_devices("GPU")]
        if not visible:
            return "cpu", [0]
        return "gpu", visible[:1] if run.strategy == StrategyName.SINGLE else visible
    kinds, indices = set(), []
    for device in run.devices:
        kind, _, index = device.lower().partition(":")
        if kind not in ("cpu", "gpu") or not index.isdecimal():
            raise UserError(
                f"devices={device!r}: expected names such as cpu:0 or gpu:1, with commas between."
            )
        kinds.add(kind)
        indices.append(int(index))
    if len(set(indices)) < len(indices) and len(kinds) == 1:
        raise UserError(f"devices={','.join(run.devices)}: expected each device once.")
    if len(kinds) > 1:
        raise UserError(
            f"devices={','.join(run.devices)}: expected devices of one kind, cpu or gpu."
        )
    kind = kinds.pop()
    most = num_gpus if kind == "gpu" else MOST_CPUS
    if max(indices) >= most:
        raise UserError(
            f"devices={','.join(run.devices)}: expected indices below {most}, the number of "
            f"{kind.upper()}s {'that TensorFlow sees' if kind == 'gpu' else 'allowed'}."
        )
    return kind, indices


def _prepare(run: RunConfig, kind: str, indices: list[int]) -> None:
    """Sets logical CPUs, GPU memory, arithmetic: what must be set before the first operation."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    needed = max(indices) + 1
    if kind == "cpu" and needed > len(tf.config.get_logical_device_configuration(cpu) or [0]):
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(needed)]
        try:
            tf.config.set_logical_device_configuration(cpu, logical)
        except RuntimeError:
            raise UserError(
                f"devices={','.join(run.devices)}: expected CPUs that were named before TensorFlow "
                "has started in this process. Start a new process."
            ) from None
    _open_gpus(indices if kind == "gpu" else [])
    tf.config.experimental.enable_tensor_float_32_execution(run.precision == Precision.TF32)
    if run.deterministic:
        tf.config.experimental.enable_op_determinism()


def _open_gpus(indices: list[int]) -> None:
    """Lets TensorFlow open the GPUs of a run and no others, with memory on demand.

    If TensorFlow has started in this process, the GPUs that it opened are used as they are.

    Raises:
      UserError: a GPU of the run is not one of these.
    """
    gpus = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # TensorFlow has started
        tf.config.set_visible_devices([gpus[index] for index in sorted(indices)], "GPU")
    visible = tf.config.get_visible_devices("GPU")
    for index in indices:
        if gpus[index] not in visible:
            raise UserError(
                f"devices=gpu:{index}: TensorFlow has started in this process without this GPU; "
                "expected it among those that it opened. Start a new process."
            )
    for gpu in visible:
        # A GPU that was used or divided before has its settings.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _names(kind: str, indices: list[int]) -> list[str]:
    """Names devices as TensorFlow does, which counts only the GPUs that it has opened."""
    if kind == "cpu":
        return [f"CPU:{index}" for index in indices]
    gpus, visible = tf.config.list_physical_devices("GPU"), tf.config.get_visible_devices("GPU")
    return [f"GPU:{visible.index(gpus[index])}" for index in indices]


def _set_threads(number: int) -> None:
    """Sets the size of TensorFlow's thread pools, unless the user has set it.

    Args:
      number: of threads; 0 leaves it to TensorFlow. The server of several workers may count
        processors in a thread that is not bound to those of its worker.
    """
    options = tf.config.threading
    for name in ("inter_op", "intra_op"):
        chosen = getattr(options, f"get_{name}_parallelism_threads")()
        by_variable = os.environ.get(f"TF_NUM_{name.replace('_', '').upper()}_THREADS")
        if not number or chosen or by_variable:
            continue
        try:
            getattr(options, f"set_{name}_parallelism_threads")(number)
        except RuntimeError:  # TensorFlow has started in this process: it stays as it is
            return
