"""The settings of a network: its table of layers and what changes it. No TensorFlow here."""

import dataclasses
import enum

from alexnet_tf.config.layer_rows import PAPER_LAYERS, Conv, Dense, Layer
from alexnet_tf.errors import expected_one_of
from pipelines.config import InputConfig
from pipelines.typed import Typed


class Init(enum.StrEnum):
    """Where the initial weights come from."""

    TEXT = "text"
    PROGRAM = "program"
    HE = "he"
    TORCH = "torch"


class DropoutMode(enum.StrEnum):
    """How dropout keeps the scale of the activations."""

    PROGRAM = "program"
    INVERTED = "inverted"
    NONE = "none"


class Activations(enum.StrEnum):
    """What replaces the table's ReLUs."""

    TABLE = "table"
    RELU = "relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"


class Normalization(enum.StrEnum):
    """What replaces the table's normalization."""

    TABLE = "table"
    LRN = "lrn"
    BATCH = "batch"
    NONE = "none"


class Pooling(enum.StrEnum):
    """What replaces the table's windows of pooling."""

    TABLE = "table"
    OVERLAPPING = "overlapping"
    PLAIN = "plain"


class Head(enum.StrEnum):
    """What stands between the last convolution and the fully connected layers."""

    TABLE = "table"
    PYRAMID = "pyramid"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig(Typed, section="network"):
    """A network: its input, its layers, and their options. The defaults are the paper's."""

    name: str = "paper"
    """Which network of the family; it brings its own values for all of network.* but
    num_classes."""
    num_classes: int = 0
    """Number of classes; 0 takes the number from the data."""
    input: InputConfig = InputConfig()
    layers: tuple[Layer, ...] = PAPER_LAYERS
    """The table of layers, bottom to top; not a flag."""
    width: float = 1.0
    """Multiplies the number of filters of every convolution."""
    fc_width: int = 0
    """Units of the hidden fully connected layers; 0 takes the table's (4096 in the paper)."""
    groups: int = 2
    """Towers of the paper's figure 2, as connectivity: 2, or 1 for dense convolutions."""
    lrn_across_towers: bool = False
    """Normalize across all channels, as section 3.3 reads; in the 2012 program each tower
    normalized its own."""
    activation: Activations = Activations.TABLE
    """relu, tanh or sigmoid in every hidden layer; table takes the network's own."""
    normalization: Normalization = Normalization.TABLE
    """lrn (after conv1 and conv2), batch (before every hidden activation) or none; table takes the
    network's own."""
    pooling: Pooling = Pooling.TABLE
    """overlapping (windows of 3, step 2; paper, section 3.4) or plain (windows as wide as their
    step) maxima; table takes the network's own. Where overlapping widens windows, convolutions of
    step 1 are padded to keep their size, as in the paper."""
    head: Head = Head.TABLE
    """pyramid puts a spatial pyramid (6, 3, 2 and 1 parts a side) instead of the last pooling,
    so that the weights fit inputs of any size; table takes the network's own."""
    without: tuple[str, ...] = ()
    """Layers to leave out, with their normalization and dropout, such as conv3,conv4 or fc7."""
    init: Init = Init.PROGRAM
    """program (the table's standard deviations, .03 in conv3-5), text (.01 everywhere: stays flat
    for long), he (He et al. 2015 with zero biases, for scaled inputs and small data) or torch
    (PyTorch's default: uniform up to 1 / sqrt(fan-in), biases too)."""
    dropout: DropoutMode = DropoutMode.PROGRAM
    """program halves the outputs at test, as in 2012; inverted doubles them in training; none."""
    dropout_rate: float = 0.5
    """Part of the outputs that dropout drops."""

    def __post_init__(self):
        """Refuses networks that cannot be built."""
        super().__post_init__()
        if self.num_classes < 0:
            raise ValueError(f"network.num_classes={self.num_classes}: expected 0 or more.")
        if self.width <= 0:
            raise ValueError(f"network.width={self.width}: expected a positive number.")
        if self.fc_width < 0:
            raise ValueError(f"network.fc_width={self.fc_width}: expected 0 or more.")
        self.at_most(1000, "width")
        self.at_most(2**24, "fc_width", "num_classes")
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(f"network.dropout_rate={self.dropout_rate}: expected 0 to below 1.")
        if self.groups < 1:
            raise ValueError(f"network.groups={self.groups}: expected at least 1.")
        for layer in self.layers:
            is_grouped = layer.kind == "conv" and layer.grouped
            if is_grouped and self.filters(layer) % self.groups:
                raise ValueError(
                    f"network.width={self.width} gives {layer.name} {self.filters(layer)} filters, "
                    f"which network.groups={self.groups} cannot share. Change width or groups."
                )
        names = [layer.name for layer in self.layers]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"network.layers={','.join(names)}: expected at least one row, each name once."
            )
        for name in self.without:
            if name not in names[:-1]:
                raise ValueError(expected_one_of("network.without", name, names[:-1]))

    def with_num_classes(self, num_classes: int) -> "NetworkConfig":
        """Copies the network with another number of classes; 0 leaves it to the data."""
        return dataclasses.replace(self, num_classes=num_classes)

    def filters(self, layer: Conv) -> int:
        """Computes the filters of a convolution from `width`; at least one for each group."""
        least = self.groups if layer.grouped else 1
        return max(least, round(layer.filters * self.width))

    def units(self, layer: Dense) -> int:
        """Computes the units of a fully connected layer from `fc_width` and `num_classes`."""
        if not layer.units:
            return self.num_classes
        return self.fc_width or layer.units
