"""What a notebook calls: networks as Keras models, and pictures in the form that they take.

Neither Keras nor TensorFlow is imported before a function is called.
"""

import dataclasses
import operator
import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_tf.command_line.keras_backend import check_keras
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.optimizer import is_slot
from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.networks.family import names
from alexnet_tf.training import checkpoint as checkpoints
from alexnet_tf.weights import formats, layouts
from pipelines.config import InputConfig

if TYPE_CHECKING:
    import tensorflow as tf

    from alexnet_tf.networks.model import Network

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
"""What Keras calls them."""
DEFAULT_CLASSES = 1000
"""Of a network whose config names no number: ImageNet's."""
LONGEST = 300
"""Characters of what Keras says that we repeat; it quotes whole models."""


def build(
    config: NetworkConfig | str = "paper",
    num_classes: int | None = None,
    seed: int | None = None,
    precision: str | None = None,
    weights: str | os.PathLike | Mapping[str, np.ndarray] | None = None,
) -> "Network":
    """Builds a network as a plain Keras model, ready for summary, compile, fit and predict.

    Args:
      config: a network of the family by its name, or a NetworkConfig.
      num_classes: K; None takes the config's, else that of the weights, else 1000.
      seed: decides initial weights and dropout, 0 to 2**32 - 1; None draws one, reproducibly
        after `keras.utils.set_random_seed`.
      precision: dtype of the arithmetic: float32, bfloat16 or float16; None takes the policy of
        `keras.config.set_dtype_policy`. Weights and logits are float32 in any case.
      weights: a run directory (its best checkpoint), a directory or a file that
        `alexnet_tf.convert` makes or reads, or arrays by name, such as `conv1/kernel`; None gives
        initial weights.

    Returns:
      a functional model from float32 [N, H, W, 3] (see `preprocess`) to logits float32 [N, K];
      train it with `SparseCategoricalCrossentropy(from_logits=True)`. Its attribute `network` is
      the config.

    Raises:
      UserError: the config cannot be built, or the arguments contradict each other.
    """
    check_keras()
    network = _with_classes(_network(config), num_classes)
    arrays = None
    if weights is not None:
        network, arrays = _arrays(weights, network)
    network = network.with_num_classes(network.num_classes or DEFAULT_CLASSES)
    seed = _whole("seed", random.randrange(2**32) if seed is None else seed, 2**32 - 1)
    return _model(network, seed, _precision(precision), arrays)


def load(run_dir: str | os.PathLike, checkpoint: str = "best") -> "Network":
    """Loads the network of a run as a plain Keras model in float32, with its trained weights.

    Args:
      run_dir: a directory that `alexnet_tf.train` or `alexnet_tf.convert` made.
      checkpoint: best (by validation error) or last.

    Returns:
      the model that `build` returns. Its attribute `classes` has the names of the outputs,
      `network` the config, whose `input` is what `preprocess` takes.

    Raises:
      UserError: there is no such checkpoint.
      RunFailed: it is damaged.
    """
    check_keras()
    if checkpoint not in list(checkpoints.Which):
        raise UserError(expected_one_of("checkpoint", checkpoint, checkpoints.Which))
    stored = checkpoints.load(run_dir, checkpoints.Which(checkpoint))
    model = _model(stored.config.network, 0, "float32", stored.weights())
    model.classes = stored.classes
    return model


def load_model(path: str | os.PathLike) -> "Network":
    """Loads a model that was saved as a `.keras` file (or an `.h5`), with its optimizer.

    Args:
      path: the file.

    Returns:
      the model, with its attributes `network` and `classes`.

    Raises:
      UserError: it is not such a file.
    """
    check_keras()
    if not os.path.isfile(path):
        hint = "; for a run directory call alexnet_tf.load" if os.path.isdir(path) else ""
        raise UserError(f"path={str(path)!r}: expected a .keras file{hint}.")
    import keras  # brings our layers with it (alexnet_tf.registration)

    from alexnet_tf.networks.model import Network

    try:
        # The older .h5 calls a model by the plain name of its class.
        return keras.models.load_model(path, custom_objects={"Network": Network})
    except Exception as error:  # damaged files make Keras raise almost anything
        reason = formats.one_line(error)[:LONGEST]
        raise UserError(
            f"path={str(path)!r} cannot be read ({reason}); expected a .keras file as `save` wrote "
            "it."
        ) from error


def named_arrays(model: "Network") -> dict[str, np.ndarray]:
    """Reads the weights of a model by the names of checkpoints, such as `conv1/kernel`.

    Args:
      model: a model from `build` or `load`.

    Returns:
      float32 arrays; `build(weights=)` and `dense_weights` take them.
    """
    from alexnet_tf.networks.named_weights import named_weights

    return {name: np.asarray(weight) for name, weight in named_weights(model).items()}


def preprocess(images: Any, config: InputConfig) -> "tf.Tensor":
    """Turns pictures into what a network expects.

    Args:
      images: uint8 [N, H, W, 3], RGB, levels 0 to 255, of the size that the network expects; or a
        list of pictures, of PIL too; or one picture, which becomes a batch of one. A tensor keeps
        its rank, so this can be used in `Dataset.map`.
      config: the network's input settings: `model.network.input`.

    Returns:
      float32 [N, H, W, C]: mean subtracted and scaled, in the channel order of the network.

    Raises:
      UserError: these are not such pictures, or their levels are from 0 to 1.
    """
    import tensorflow as tf

    from pipelines import preprocess as on_device

    if not isinstance(config, InputConfig):
        raise UserError(
            f"config={type(config).__name__}: expected an InputConfig, such as model.network.input."
        )
    if not tf.is_tensor(images):
        images = _stacked(images)
    if images.shape[-1] not in (1, 3, None):
        raise UserError(
            f"images of shape {tuple(images.shape)}: expected [N, H, W, 3], red, green and blue "
            "(or 1 for gray). PIL's convert('RGB') makes three channels of any picture."
        )
    _check_levels(images)
    return on_device.preprocess(images, config)


def _network(config: NetworkConfig | str) -> NetworkConfig:
    """Looks up a network by its name; returns a NetworkConfig as it is."""
    if isinstance(config, str):
        return names.network(config)
    if not isinstance(config, NetworkConfig):
        raise UserError(
            f"config={type(config).__name__}: expected a NetworkConfig or the name of a network, "
            "such as 'paper'."
        )
    return config


def _with_classes(network: NetworkConfig, num_classes: int | None) -> NetworkConfig:
    """Sets the number of classes; refuses one that differs from the network's own."""
    if num_classes is None:
        return network
    num_classes = _whole("num_classes", num_classes)
    if not num_classes or network.num_classes not in (0, num_classes):
        expected = network.num_classes or "at least 1"
        raise UserError(
            f"num_classes={num_classes}: expected {expected}"
            + (", the number of the config. Leave it out." if network.num_classes else ".")
        )
    return network.with_num_classes(num_classes)


def _whole(name: str, value, most: int = 2**31) -> int:
    """Checks a whole number, from Python or NumPy, and its range."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= most or isinstance(value, bool):
        raise UserError(f"{name}={value}: expected a whole number from 0 to {most}.")
    return number


def _precision(precision: str | None) -> str:
    """Finds the dtype of the arithmetic: as given, or by Keras' policy of this process.

    A policy equal to `floatx` comes from keras.json, which must not change a network.
    """
    if precision is not None:
        return str(precision).removeprefix("mixed_")
    import keras

    policy = keras.config.dtype_policy().name
    if policy == keras.config.floatx():
        return "float32"
    if policy not in POLICIES:
        raise UserError(expected_one_of("keras.config.dtype_policy", policy, POLICIES))
    return policy.removeprefix("mixed_")


def _arrays(weights, network: NetworkConfig) -> tuple[NetworkConfig, dict[str, np.ndarray]]:
    """Reads weights and fits them to the network, whose number of classes they may decide."""
    layout, place = layouts.OURS, "weights"
    if isinstance(weights, Mapping):
        arrays = weights
    elif not isinstance(weights, str | os.PathLike):
        raise UserError(
            f"weights={type(weights).__name__}: expected a run directory, a file or arrays by "
            "name, such as alexnet_tf.named_arrays(model)."
        )
    elif os.path.isdir(weights):
        stored, place = checkpoints.load(weights), f"weights={os.fspath(weights)!r}"
        arrays, order = stored.weights(), stored.config.network.input.channel_order
        layout = dataclasses.replace(layout, channel_order=order)
    else:
        try:
            return formats.load(os.fspath(weights), network)
        except UserError as error:
            raise UserError(str(error).replace("from=", "weights=", 1)) from error
    try:
        arrays = {name: np.asarray(x) for name, x in arrays.items() if not is_slot(name)}
        return layouts.to_ours(arrays, layout, network)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _model(network: NetworkConfig, seed: int, precision: str, arrays: dict | None):
    """Builds a network, and sets its weights if there are any."""
    from alexnet_tf.networks.alexnet import alexnet  # Keras and TensorFlow start here
    from alexnet_tf.networks.named_weights import assign, named_weights

    model = alexnet(network, seed, precision)
    if arrays is not None:
        assign(named_weights(model), arrays)
    return model


def _stacked(images) -> np.ndarray:
    """Stacks pictures of any kind to one array [N, H, W, C]."""
    try:
        is_list = isinstance(images, list | tuple)
        array = np.stack([np.asarray(x) for x in images]) if is_list else np.asarray(images)
    except ValueError as error:
        raise UserError(
            f"images: expected pictures of one size, uint8 [N, H, W, 3] ({error})."
        ) from error
    if array.dtype.kind not in "uif" or array.ndim not in (3, 4):
        raise UserError(
            f"images of type {array.dtype} and shape {array.shape}: expected uint8 [N, H, W, 3]."
        )
    return array if array.ndim == 4 else array[np.newaxis]


def _check_levels(images) -> None:
    """Refuses levels that were scaled already: training would be slow, without any error."""
    import tensorflow as tf

    has_values = not tf.is_tensor(images) or hasattr(images, "numpy")  # not inside of a graph
    if not tf.as_dtype(images.dtype).is_floating or not has_values or not np.size(images):
        return
    low, high = float(np.min(images)), float(np.max(images))
    if -1 <= low < high <= 1:
        raise UserError(
            f"images have levels from {low:.3g} to {high:.3g}: expected 0 to 255. Leave out the "
            "division; preprocess scales as the network expects."
        )
