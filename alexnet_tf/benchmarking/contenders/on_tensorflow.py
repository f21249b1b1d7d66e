"""What every TensorFlow contender needs: a device, a batch on it, and a way to wait for it."""

from collections.abc import Callable

import keras
import tensorflow as tf

from alexnet_tf.benchmarking.timing import Work, synthetic
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError


def device_of(strategy: tf.distribute.Strategy) -> str:
    """Names the one device of a strategy."""
    return strategy.extended.worker_devices[0]


def devices_of(count: int) -> tuple[str, ...]:
    """Names all GPUs, or two logical CPUs where there is none, as in --devices.

    Raises:
      UserError: there are fewer than `count` GPUs, but some.
    """
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    if 0 < num_gpus < count:
        raise UserError(f"TensorFlow sees {num_gpus} of the {count} GPUs that are needed")
    return tuple(f"gpu:{i}" for i in range(num_gpus)) or ("cpu:0", "cpu:1")


def batch_on(device: str, config: Config) -> tuple[tf.Tensor, tf.Tensor]:
    """Copies the batch that all contenders use to a device: uint8 [N, H, W, 3] and int32 [N]."""
    images, labels = synthetic(config)
    with tf.device(device):
        return tf.constant(images), tf.constant(labels)


def work(
    device: str,
    units: float,
    run: Callable[[int], None],
    least_steps: int = 1,
    wait: Callable[[], object] = tf.test.experimental.sync_devices,
) -> Work:
    """Makes Work of steps that may return before the device is done.

    Args:
      device: the device that does them.
      units: units of work in one step.
      run: does a number of steps.
      least_steps: the least number of steps in a round.
      wait: waits for the device.
    """

    def run_to_the_end(num_steps: int) -> None:
        run(num_steps)
        wait()

    return Work(
        run=run_to_the_end,
        units_per_step=units,
        least_steps=least_steps,
        versions={"TensorFlow": tf.__version__, "Keras": keras.__version__},
        accelerator=_model_of(device),
    )


def repeated(device: str, units: float, do: Callable[[], object], least_steps: int = 1) -> Work:
    """Makes Work of a step that is called over and over; see `work`."""

    def run(num_steps: int) -> None:
        for _ in range(num_steps):
            do()

    return work(device, units, run, least_steps)


def _model_of(device: str) -> str | None:
    """Names the model of a GPU; None for a CPU."""
    place = tf.DeviceSpec.from_string(device)
    gpus = tf.config.get_visible_devices("GPU")
    if place.device_type != "GPU" or not gpus:
        return None
    return tf.config.experimental.get_device_details(gpus[place.device_index]).get("device_name")
