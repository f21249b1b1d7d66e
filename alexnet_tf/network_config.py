"""A network as values: the table of its layers and the settings that scale it. No TensorFlow here.

`networks/alexnet.py` builds whatever stands in a table; `networks/table.py` counts it.
"""

import dataclasses
import enum

from pipelines.config import InputConfig


class Init(enum.StrEnum):
    """Where the initial weights come from."""

    TEXT = "text"
    PROGRAM = "program"
    HE = "he"


class DropoutMode(enum.StrEnum):
    """How dropout keeps the scale of what it lets through."""

    PROGRAM = "program"
    INVERTED = "inverted"
    NONE = "none"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conv:
    """A convolution with its bias, and ReLU where `relu` says so."""

    name: str
    """The paper's, such as conv1."""
    filters: int
    """Channels of the output, both towers together."""
    kernel: int
    """Side of the square kernel."""
    stride: int = 1
    """Step of the kernel, down and right."""
    pad: tuple[int, int] = (0, 0)
    """Rows and columns of zeros before (top, left) and after (bottom, right)."""
    grouped: bool = False
    """Whether each tower sees only its own half of the input (the two GPUs of 2012)."""
    std: float = 0.01
    """Of the initial kernel, as the 2012 program had it."""
    bias: float = 0.0
    """Initial value of the biases."""
    relu: bool = True
    """Whether ReLU follows."""
    kind: str = "conv"
    """Tells the rows of a table apart; every row has one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lrn:
    """Local response normalisation (paper, section 3.3); alpha meets the raw sum of squares."""

    name: str
    """Such as norm1."""
    radius: int = 2
    """Channels counted to each side; the paper's n = 5."""
    bias: float = 2.0
    """The paper's k."""
    alpha: float = 1e-4
    """Weight of the sum of squares."""
    beta: float = 0.75
    """Power of the divisor."""
    kind: str = "lrn"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """Maximum over overlapping windows (paper, section 3.4), none of them padded."""

    name: str
    """Such as pool1."""
    size: int = 3
    """Side of the square window."""
    stride: int = 2
    """Step of the window, down and right."""
    kind: str = "pool"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense:
    """A fully connected layer; `units` 0 means one for each class."""

    name: str
    """Such as fc6."""
    units: int
    """Outputs; 0 means one for each class."""
    std: float = 0.01
    """Of the initial kernel."""
    bias: float = 0.0
    """Initial value of the biases."""
    relu: bool = True
    """Whether ReLU follows."""
    dropout: bool = False
    """Whether dropout follows (paper, section 4.2)."""
    kind: str = "dense"


Layer = Conv | Lrn | Pool | Dense
KINDS = {"conv": Conv, "lrn": Lrn, "pool": Pool, "dense": Dense}

# The paper's figure 2 and section 3.5. Standard deviations and biases are the 2012 program's
# (layers-145.cfg); the paper's text has .01 for all of them, and `init=text` says so.
PAPER_LAYERS = (
    # Zeros right and below alone: his program counted upwards, 1 + ceil(213 / 4) = 55 (layer.py).
    Conv(name="conv1", filters=96, kernel=11, stride=4, pad=(0, 3)),
    Lrn(name="norm1"),
    Pool(name="pool1"),
    Conv(name="conv2", filters=256, kernel=5, pad=(2, 2), grouped=True, bias=1.0),
    Lrn(name="norm2"),
    Pool(name="pool2"),
    Conv(name="conv3", filters=384, kernel=3, pad=(1, 1), std=0.03),
    Conv(name="conv4", filters=384, kernel=3, pad=(1, 1), grouped=True, std=0.03, bias=1.0),
    Conv(name="conv5", filters=256, kernel=3, pad=(1, 1), grouped=True, std=0.03, bias=1.0),
    Pool(name="pool5"),
    Dense(name="fc6", units=4096, bias=1.0, dropout=True),
    Dense(name="fc7", units=4096, bias=1.0, dropout=True),
    Dense(name="fc8", units=0, relu=False),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A network: what it sees, its layers, and what scales them. The defaults are the paper's."""

    name: str = "paper"
    """Which network of the family; it brings its own values for all of network.*."""
    num_classes: int = 0
    """Classes to tell apart; 0 takes the number from the data."""
    input: InputConfig = InputConfig()
    layers: tuple[Layer, ...] = PAPER_LAYERS
    """The table of layers, bottom to top; not a flag."""
    width: float = 1.0
    """Multiplies the number of filters of every convolution."""
    fc_width: int = 0
    """Units of the hidden fully connected layers; 0 takes the table's (4096)."""
    groups: int = 2
    """Towers of the paper's figure 2, as connectivity: 2, or 1 for dense convolutions."""
    lrn_across_towers: bool = False
    """Normalise across all channels, the letter of section 3.3; the program's towers were apart."""
    init: Init = Init.PROGRAM
    """program (standard deviation .03 in conv3-5), text (.01 everywhere: stays flat for long) or
    he (He et al. 2015 with zero biases, for scaled inputs and small data)."""
    dropout: DropoutMode = DropoutMode.PROGRAM
    """program halves the outputs at test, as in 2012; inverted doubles them in training; none."""
    dropout_rate: float = 0.5
    """Part of the outputs of fc6 and fc7 that is dropped."""

    def __post_init__(self):
        """Refuses networks that cannot be built."""
        if self.num_classes < 0:
            raise ValueError(f"network.num_classes={self.num_classes}: expected 0 or more.")
        if self.width <= 0:
            raise ValueError(f"network.width={self.width}: expected a positive number.")
        if self.fc_width < 0:
            raise ValueError(f"network.fc_width={self.fc_width}: expected 0 or more.")
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(f"network.dropout_rate={self.dropout_rate}: expected 0 to below 1.")
        if self.groups < 1:
            raise ValueError(f"network.groups={self.groups}: expected at least 1.")
        for layer in self.layers:
            if layer.kind == "conv" and self.filters(layer) % self.groups:
                raise ValueError(
                    f"network.width={self.width} gives {layer.name} {self.filters(layer)} filters, "
                    f"which network.groups={self.groups} cannot share. Change width or groups."
                )

    def filters(self, layer: Conv) -> int:
        """Filters of a convolution once `width` is applied; at least one for each group."""
        return max(self.groups, round(layer.filters * self.width))

    def units(self, layer: Dense) -> int:
        """Units of a fully connected layer once `fc_width` and `num_classes` are applied."""
        if not layer.units:
            return self.num_classes
        return self.fc_width or layer.units
