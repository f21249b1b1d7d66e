"""From the way in which another program lays out its arrays to ours, and back.

Ours is a checkpoint's: `conv1/kernel` [h, w, in / groups, out], `fc6/kernel` [in, out] with a
picture's inputs in the order height, width, channel, `conv1/bias` [out].
"""

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.network_config import NetworkConfig
from alexnet_tf.networks.family import NETWORKS
from alexnet_tf.networks.options import layers_of
from alexnet_tf.networks.table import Row, table
from pipelines.config import ChannelOrder

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """How a program lays out its arrays; the defaults are ours."""

    conv: tuple[int, ...] = (0, 1, 2, 3)
    """Its axes of a convolution's kernel, as places in [h, w, in, out]."""
    dense: tuple[int, ...] = (0, 1)
    """Its axes of a fully connected layer's kernel, as places in [in, out]."""
    picture: tuple[int, ...] = (0, 1, 2)
    """The order in which a fully connected layer counts a picture, as places in [h, w, c]."""
    channel_order: ChannelOrder | None = None
    """Of the picture that it sees; None for the network's own."""
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Its names of arrays by ours; empty where they are ours."""


LISTED = 8
"""Names in a message, at most."""
OUTPUTS_FIRST = {"conv": (3, 2, 0, 1), "dense": (1, 0), "picture": (2, 0, 1)}
TORCH_MODULES = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "fc8": "classifier.6",
}
OURS = Layout()
CAFFE = Layout(channel_order=ChannelOrder.BGR, **OUTPUTS_FIRST)
CAFFE_IN_NUMPY = Layout(channel_order=ChannelOrder.BGR)
"""Of bvlc_alexnet.npy, made for TensorFlow."""
TORCHVISION = Layout(
    channel_order=ChannelOrder.RGB,
    names={
        f"{layer}/{ours}": f"{module}.{theirs}"
        for layer, module in TORCH_MODULES.items()
        for ours, theirs in (("kernel", "weight"), ("bias", "bias"))
    },
    **OUTPUTS_FIRST,
)


def to_ours(
    arrays: Arrays, layout: Layout, network: NetworkConfig
) -> tuple[NetworkConfig, dict[str, np.ndarray]]:
    """Fits the weights of a file to a network.

    Args:
      arrays: by the names and in the layout of another program.
      layout: that layout.
      network: where they belong; `num_classes` 0 takes the number from the last layer.

    Returns:
      the network with its number of classes, and float32 arrays by our names.

    Raises:
      UserError: an array is missing, unknown, of another shape or not finite.
    """
    network = _with_classes(arrays, layout, network)
    places = {f"{row.name}/{part}": (row, part) for row in table(network) for part in row.arrays}
    names = {name: layout.names.get(name, name) for name in places}
    missing = [name for name in names.values() if name not in arrays]
    unknown = [name for name in arrays if name not in names.values()]
    if missing or unknown:
        raise UserError(
            f"the weights do not fit network.name={network.name}: missing {_listed(missing)}; "
            f"unknown {_listed(unknown)}. Expected those of the same network; name it with "
            "--network.name."
        )
    ours = {
        name: fitted(arrays[names[name]], names[name], row, part, layout)
        for name, (row, part) in places.items()
    }
    return network, _in_order(ours, layout, network)


def fitted(array: np.ndarray, name: str, row: Row, part: str, layout: Layout) -> np.ndarray:
    """Fits one array to its layer.

    Args:
      array: in the layout of another program.
      name: that it has there.
      row: the layer.
      part: which weight of the layer it is: kernel, bias,...
      layout: of the other program.

    Returns:
      float32, of the shape `row.weights[part]`.

    Raises:
      UserError: it is of another shape or not finite.
    """
    axes = _axes(row, part, layout)
    expected = tuple(row.arrays[part][axis] for axis in axes)
    if array.shape != expected:
        raise UserError(
            f"{row.name}: {name} has shape {array.shape}, expected {expected}. Name the network "
            "that it belongs to with --network.name."
        )
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise UserError(
            f"{row.name}: {name} has values that are not finite numbers; expected weights."
        )
    ours = array.astype(np.float32).transpose(np.argsort(axes))
    if _sees_picture(row, part):
        counted = [row.input_shape[axis] for axis in layout.picture]
        cube = ours.reshape(*counted, -1).transpose(*np.argsort(layout.picture), 3)
        ours = cube.reshape(row.weights[part])
    return np.ascontiguousarray(ours)


def from_ours(arrays: Arrays, layout: Layout, network: NetworkConfig) -> dict[str, np.ndarray]:
    """Lays out the weights of a network as another program does; the inverse of `to_ours`.

    Raises:
      UserError: that program has no place for a layer.
    """
    if layout.names:
        _check_is_torchvisions(network)
    theirs = {}
    ordered = _in_order(arrays, layout, network)
    for row in table(network):
        for part in row.arrays:
            name = f"{row.name}/{part}"
            if layout.names and name not in layout.names:
                raise UserError(
                    f"{name} has no place in torchvision's layout; expected the layers "
                    f"{', '.join(TORCH_MODULES)}. Name an --output that ends in .npz."
                )
            theirs[layout.names.get(name, name)] = _to_theirs(ordered[name], row, part, layout)
    return theirs


def _check_is_torchvisions(network: NetworkConfig) -> None:
    """Refuses weights that torchvision's module would take, and use in another way."""
    other = dataclasses.replace(NETWORKS["torchvision"], num_classes=network.num_classes)
    ours, theirs = (
        [row for row in table(config) if row.layer.kind != "drop"] for config in (network, other)
    )
    shapes = [[row.kernel_shape for row in rows if row.weights] for rows in (ours, theirs)]
    if shapes[0] != shapes[1]:
        return  # it fits no torchvision network of these sizes, and PyTorch says so
    for row, twin in itertools.zip_longest(ours, theirs):
        if row is None or twin is None or _geometry(row) != _geometry(twin):
            raise UserError(
                f"network.name={network.name} fits torchvision's alexnet by its shapes alone: "
                f"{row.name if row else 'its end'} is another layer there. Name an --output that "
                "ends in .npz."
            )


def _geometry(row: Row) -> tuple:
    """What decides how a layer uses its weights."""
    return row.layer.kind, row.output_shape, getattr(row.layer, "pad", None)


def _listed(names: list[str]) -> str:
    """The first names of a list that may be long."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(str, names[:LISTED])) + more or "nothing"


def _with_classes(arrays: Arrays, layout: Layout, network: NetworkConfig) -> NetworkConfig:
    """Takes the number of classes from the last layer, where the network leaves it open."""
    last = layers_of(network)[-1]
    name = f"{last.name}/kernel"
    kernel = arrays.get(layout.names.get(name, name))
    if network.num_classes or last.kind != "dense" or kernel is None or kernel.ndim != 2:
        return network
    return dataclasses.replace(network, num_classes=kernel.shape[layout.dense.index(1)])


def _axes(row: Row, part: str, layout: Layout) -> tuple[int, ...]:
    """Their axes of an array as places in ours; of what only we know, its own."""
    if part == "kernel" and row.layer.kind in ("conv", "dense"):
        return layout.conv if row.layer.kind == "conv" else layout.dense
    return tuple(range(len(row.arrays[part])))


def _sees_picture(row: Row, part: str) -> bool:
    return part == "kernel" and row.layer.kind == "dense" and len(row.input_shape) == 3


def _to_theirs(array: np.ndarray, row: Row, part: str, layout: Layout) -> np.ndarray:
    if _sees_picture(row, part):
        cube = array.reshape(*row.input_shape, -1).transpose(*layout.picture, 3)
        array = cube.reshape(array.shape)
    return np.ascontiguousarray(array.transpose(_axes(row, part, layout)))


def _in_order(arrays: Arrays, layout: Layout, network: NetworkConfig) -> dict[str, np.ndarray]:
    """Turns the first layer's channels around where one is for RGB and the other for BGR."""
    orders = {layout.channel_order or network.input.channel_order, network.input.channel_order}
    first = next(f"{row.name}/kernel" for row in table(network) if "kernel" in row.weights)
    if orders != {ChannelOrder.RGB, ChannelOrder.BGR}:
        return dict(arrays)
    return {**arrays, first: np.ascontiguousarray(arrays[first][:, :, ::-1])}
