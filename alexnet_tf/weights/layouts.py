"""Converts arrays from the layout of another program to ours, and back.

Ours is a checkpoint's: `conv1/kernel` [h, w, in / groups, out], `fc6/kernel` [in, out] with a
picture's inputs in the order height, width, channel, `conv1/bias` [out].
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from alexnet_tf.config.layer_rows import Dense, Drop, LayerRow
from alexnet_tf.config.network import DropoutMode, NetworkConfig
from alexnet_tf.errors import UserError
from alexnet_tf.networks.family.names import NETWORKS
from alexnet_tf.networks.tables.options import layers_of
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.weights import names
from alexnet_tf.weights.stored import NUMBERS, Stored
from pipelines.config import ChannelOrder

Arrays = Mapping[str, Stored | np.ndarray]
"""By name; what a file holds is not read before its shape is known to be right."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The layout of a program's arrays; the defaults are ours."""

    conv: tuple[int, ...] = (0, 1, 2, 3)
    """Axes of a convolution's kernel, as places in [h, w, in, out]."""
    dense: tuple[int, ...] = (0, 1)
    """Axes of a fully connected layer's kernel, as places in [in, out]."""
    picture: tuple[int, ...] = (0, 1, 2)
    """Order of a picture's inputs to a fully connected layer, as places in [h, w, c]."""
    channel_order: ChannelOrder | None = None
    """Channel order of its pictures; None for the network's own."""
    modules: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Its names of layers by ours; empty where they are ours."""

    def name_of(self, name: str) -> str:
        """Returns its name of an array by ours; ours if it has none."""
        layer, _, part = name.partition("/")
        if layer not in self.modules or part not in TORCH_PARTS:
            return name
        return f"{self.modules[layer]}.{TORCH_PARTS[part]}"


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
TORCH_PARTS = {"kernel": "weight", "bias": "bias"}
OURS = Layout()
CAFFE = Layout(channel_order=ChannelOrder.BGR, **OUTPUTS_FIRST)
CAFFE_IN_NUMPY = Layout(channel_order=ChannelOrder.BGR)
"""Of bvlc_alexnet.npy, made for TensorFlow."""
TORCHVISION = Layout(channel_order=ChannelOrder.RGB, modules=TORCH_MODULES, **OUTPUTS_FIRST)


def to_ours(
    arrays: Arrays, layout: Layout, network: NetworkConfig, rename: Sequence[str] = ()
) -> tuple[NetworkConfig, dict[str, np.ndarray]]:
    """Fits the weights of a file to a network.

    Args:
      arrays: arrays by the names and in the layout of another program.
      layout: that layout.
      network: the network; `num_classes` 0 takes the number from the last layer.
      rename: names of layers as OLD=NEW, if the file has other names.

    Returns:
      the network with its number of classes, and float32 arrays by our names.

    Raises:
      UserError: an array is missing, unknown, of a wrong shape or not finite.
    """
    arrays = names.renamed(arrays, rename, layout.modules)
    network = with_classes(arrays, layout, network)
    if not network.num_classes and isinstance(layers_of(network)[-1], Dense):
        network = network.with_num_classes(1)  # the last layer is missing anyway
    places = {f"{row.name}/{part}": (row, part) for row in table(network) for part in row.arrays}
    theirs = {name: layout.name_of(name) for name in places}
    shapes = {theirs[name]: shape_of(*place, layout) for name, place in places.items()}
    names.check(arrays, shapes, layout.modules, network.name)
    for name, place in places.items():
        check_fits(arrays[theirs[name]], theirs[name], *place, layout)
    ours = {
        name: fitted(arrays[theirs[name]], theirs[name], *place, layout)
        for name, place in places.items()
    }
    return network, in_order(ours, layout, network)


def shape_of(row: Row, part: str, layout: Layout) -> tuple[int, ...]:
    """Computes the shape of a layer's array in another layout."""
    return tuple(row.arrays[part][axis] for axis in _axes(row, part, layout))


def check_fits(array: Stored | np.ndarray, name: str, row: Row, part: str, layout: Layout) -> None:
    """Checks shape and type of an array before it is read.

    Raises:
      UserError: the shape or the type is wrong.
    """
    expected = shape_of(row, part, layout)
    if str(array.dtype) not in NUMBERS:
        raise UserError(
            f"{row.name}: {name} is of type {array.dtype}, expected an array of one of "
            f"{', '.join(NUMBERS)}. Save it as float32."
        )
    if array.shape != expected:
        raise UserError(
            f"{row.name}: {name} has shape {array.shape}, expected {expected}. Name the network "
            "that it belongs to with --network.name, and what it has changed, such as "
            "--network.width and --network.fc_width."
        )


def fitted(
    array: Stored | np.ndarray, name: str, row: Row, part: str, layout: Layout
) -> np.ndarray:
    """Fits one array to its layer.

    Args:
      array: array in the layout of another program.
      name: its name there.
      row: the layer.
      part: which weight of the layer it is: kernel, bias,...
      layout: layout of the other program.

    Returns:
      float32, of the shape `row.weights[part]`.

    Raises:
      UserError: the shape or the type is wrong, or a value is not finite.
    """
    check_fits(array, name, row, part, layout)
    values = array.read() if isinstance(array, Stored) else array
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is said below
        values = values.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise UserError(
            f"{row.name}: {name} has values that are not finite numbers; expected weights."
        )
    ours = values.transpose(np.argsort(_axes(row, part, layout)))
    if _sees_picture(row, part):
        counted = [row.input_shape[axis] for axis in layout.picture]
        cube = ours.reshape(*counted, -1).transpose(*np.argsort(layout.picture), 3)
        ours = cube.reshape(row.weights[part])
    return np.require(ours, requirements=["C", "W"])


def from_ours(arrays: Arrays, layout: Layout, network: NetworkConfig) -> dict[str, np.ndarray]:
    """Converts the weights of a network to another layout; the inverse of `to_ours`.

    Raises:
      UserError: that layout has no place for a layer.
    """
    if layout.modules:
        _check_is_torchvisions(network)
    theirs = {}
    ordered = in_order(arrays, layout, network)
    for row in table(network):
        for part in row.arrays:
            name = f"{row.name}/{part}"
            if layout.modules and layout.name_of(name) == name:
                raise UserError(
                    f"{name} has no place in torchvision's layout; expected the layers "
                    f"{', '.join(TORCH_MODULES)}. Name an --output that ends in .npz."
                )
            theirs[layout.name_of(name)] = _to_theirs(ordered[name], row, part, layout)
    return theirs


def _check_is_torchvisions(network: NetworkConfig) -> None:
    """Refuses weights that torchvision's module would load but use in another way."""
    other = dataclasses.replace(
        NETWORKS["torchvision"], num_classes=network.num_classes, input=network.input
    )
    ours, theirs = (
        [row for row in table(config) if not isinstance(row.layer, Drop)]
        for config in (network, other)
    )
    shapes = [[row.kernel_shape for row in rows if row.weights] for rows in (ours, theirs)]
    if shapes[0] != shapes[1]:
        return  # it fits no torchvision network of these sizes, and PyTorch says so
    differ = [
        row.name if row else "its end"
        for row, twin in itertools.zip_longest(ours, theirs)
        if row is None or twin is None or _use(row.layer) != _use(twin.layer)
    ]
    if (
        network.dropout == DropoutMode.PROGRAM and network.dropout_rate
    ):  # which halves what is not dropped, when it is used
        differ += [row.name for row in table(network) if isinstance(row.layer, Drop)]
    if differ:
        raise UserError(
            f"network.name={network.name} fits torchvision's alexnet by its shapes alone: "
            f"{differ[0]} is another layer there. Name an --output that ends in .npz."
        )


def _use(layer: LayerRow) -> dict:
    """Lists what decides how a layer uses its weights, beside their shapes."""
    drawn = ("name", "std", "bias", "filters", "units")
    return {name: x for name, x in dataclasses.asdict(layer).items() if name not in drawn}


def with_classes(arrays: Arrays, layout: Layout, network: NetworkConfig) -> NetworkConfig:
    """Takes the number of classes from the last layer, if the network has none."""
    last = layers_of(network)[-1]
    if network.num_classes or not isinstance(last, Dense):
        return network
    kernel, bias = (arrays.get(layout.name_of(f"{last.name}/{x}")) for x in ("kernel", "bias"))
    if isinstance(kernel, Stored) and kernel.grows:  # no other size tells what is right
        raise UserError(
            f"{last.name}: its kernel has shape {kernel.shape} in {kernel.packed:,} bytes of the "
            "file; expected about as many as numbers. Set --network.num_classes if it is right."
        )
    found = network.num_classes
    if kernel is not None and len(kernel.shape) == 2:
        found = kernel.shape[layout.dense.index(1)]
    elif bias is not None and len(bias.shape) == 1:
        found = bias.shape[0]
    return network.with_num_classes(found)


def _axes(row: Row, part: str, layout: Layout) -> tuple[int, ...]:
    """Returns the array's axes in the other layout; unchanged if that has no rule for it."""
    if part == "kernel" and row.layer.is_stock:
        return layout.conv if row.layer.is_spatial else layout.dense
    return tuple(range(len(row.arrays[part])))


def _sees_picture(row: Row, part: str) -> bool:
    return part == "kernel" and not row.layer.is_spatial and len(row.input_shape) == 3


def _to_theirs(array: np.ndarray, row: Row, part: str, layout: Layout) -> np.ndarray:
    if _sees_picture(row, part):
        cube = array.reshape(*row.input_shape, -1).transpose(*layout.picture, 3)
        array = cube.reshape(array.shape)
    return np.ascontiguousarray(array.transpose(_axes(row, part, layout)))


def in_order(arrays: Arrays, layout: Layout, network: NetworkConfig) -> dict[str, np.ndarray]:
    """Reverses the first layer's channels if one layout is RGB and the other BGR."""
    orders = {layout.channel_order or network.input.channel_order, network.input.channel_order}
    first = next(f"{row.name}/kernel" for row in table(network) if "kernel" in row.weights)
    if orders != {ChannelOrder.RGB, ChannelOrder.BGR} or first not in arrays:
        return dict(arrays)
    return {**arrays, first: np.ascontiguousarray(arrays[first][:, :, ::-1])}
