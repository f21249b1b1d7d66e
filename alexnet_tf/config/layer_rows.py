"""The rows that a table of layers is made of. No TensorFlow here.

Every row is a value with a `kind`. A new kind is a class here, with its traits; a layer in
`networks/layers/`, its builder in `networks/alexnet.py` and its shapes in
`networks/tables/resolved.py`.
"""

import dataclasses

from alexnet_tf.config.layer_traits import Activation, LayerRow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conv(LayerRow):
    """A convolution with its bias and activation."""

    is_spatial = is_across_channels = is_stock = has_kernel = has_halves = True
    companions = ("norm", "rnorm", "relu")

    name: str
    """The paper's name, such as conv1."""
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
    """Standard deviation of the initial kernel, as in the 2012 program."""
    bias: float | None = 0.0
    """Initial value of the biases; None for a layer without."""
    activation: Activation = Activation.RELU
    """What follows each output."""
    kind: str = "conv"
    """The kind of the row; every row has one."""

    def __post_init__(self):
        """Refuses sizes that no kernel can have."""
        super().__post_init__()
        self.at_least(1, "filters", "kernel", "stride")
        self.at_least(0, "pad", "std")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Local(Conv):
    """A convolution whose kernels differ from place to place (locally connected)."""

    is_of_one_size = has_kernel_for_each_place = True
    is_stock = has_halves = False
    ignores = ("grouped",)

    kind: str = "local"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sparse(Conv):
    """A convolution whose filters each see some of the channels (LeNet-5's C3)."""

    is_stock = has_halves = False
    ignores = ("grouped", "stride", "pad")

    connections: tuple[tuple[int, ...], ...]
    """For each filter, the input channels that it sees."""
    kind: str = "sparse"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lrn(LayerRow):
    """Local response normalization (paper, section 3.3); alpha multiplies the sum of squares."""

    is_spatial = is_norm = is_transparent = is_across_channels = is_stock = has_halves = True

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

    def __post_init__(self):
        """Refuses what could divide by a negative number."""
        super().__post_init__()
        self.at_least(1, "radius")
        self.at_least(0, "bias", "alpha", "beta")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpatialNorm(LayerRow):
    """Response normalization over a square of the same channel."""

    is_spatial = is_norm = is_transparent = has_halves = True

    name: str
    """Such as rnorm2."""
    size: int = 5
    """Side of the square."""
    bias: float = 1.0
    """What the sum of squares is added to."""
    alpha: float = 4e-5
    """Weight of the raw sum of squares; the 2012 program divided its own by size ** 2."""
    beta: float = 0.75
    """Power of the divisor."""
    kind: str = "spatial_norm"

    def __post_init__(self):
        """Refuses what could divide by a negative number."""
        super().__post_init__()
        self.at_least(1, "size")
        self.at_least(0, "bias", "alpha", "beta")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchNorm(LayerRow):
    """Batch normalization (Ioffe & Szegedy 2015) of each channel, with scale and offset."""

    is_norm = is_transparent = True

    name: str
    """Such as norm1."""
    momentum: float = 0.9
    """Fraction of the moving statistics that a step keeps."""
    epsilon: float = 1e-5
    """Added to the variance."""
    kind: str = "batch_norm"

    def __post_init__(self):
        """Refuses a momentum outside 0 to 1, and what could divide by a negative number."""
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ValueError(f"{self.named('momentum')}={self.momentum}: expected 0 to below 1.")
        self.at_least(0, "epsilon")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool(LayerRow):
    """Maximum or mean over windows that may overlap (paper, section 3.4)."""

    is_spatial = is_transparent = is_stock = has_halves = True

    name: str
    """Such as pool1."""
    size: int = 3
    """Side of the square window."""
    stride: int = 2
    """Step of the window, down and right."""
    is_mean: bool = False
    """Mean instead of maximum; at the edge, of what lies inside the picture."""
    round_up: bool = False
    """Whether a last window may reach over the right and lower edge, as in cuda-convnet and
    Caffe; otherwise what does not fill a window is left out."""
    kind: str = "pool"

    def __post_init__(self):
        """Refuses windows without a pixel, or that never move."""
        super().__post_init__()
        self.at_least(1, "size", "stride")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subsample(LayerRow):
    """LeNet-5's S2 and S4: mean of 2x2, one gain and one bias for each channel."""

    is_spatial = True

    name: str
    """Such as s2."""
    activation: Activation = Activation.SCALED_TANH
    """What follows each output."""
    kind: str = "subsample"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pyramid(LayerRow):
    """Maxima over 1, 4, 9,... parts of the picture (He et al. 2014): any size gives one length."""

    is_spatial = is_transparent = is_of_one_size = True

    name: str
    """Such as pool5."""
    levels: tuple[int, ...] = (6, 3, 2, 1)
    """Parts down and right, for each level."""
    kind: str = "pyramid"

    def __post_init__(self):
        """Refuses levels that divide nothing."""
        super().__post_init__()
        self.at_least(1, "levels")
        if not self.levels:
            raise ValueError(f"{self.named('levels')}=(): expected parts, such as 6,3,2,1.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Activate(LayerRow):
    """An activation as a row of its own, such as a ReLU after the pooling."""

    is_transparent = is_stock = has_halves = True

    name: str
    """Such as relu1."""
    activation: Activation = Activation.RELU
    """Which activation."""
    kind: str = "activate"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drop(LayerRow):
    """Dropout (paper, section 4.2), by `network.dropout` and `network.dropout_rate`."""

    is_transparent = is_stock = has_halves = True

    name: str
    """Such as drop6; the masks depend on it."""
    kind: str = "drop"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense(LayerRow):
    """A fully connected layer."""

    is_across_channels = is_stock = has_kernel = has_halves = True
    companions = ("drop",)

    name: str
    """Such as fc6."""
    units: int
    """Outputs; 0 means one for each class."""
    std: float = 0.01
    """Standard deviation of the initial kernel."""
    bias: float | None = 0.0
    """Initial value of the biases; None for a layer without."""
    activation: Activation = Activation.RELU
    """What follows each output."""
    kind: str = "dense"

    def __post_init__(self):
        """Refuses sizes that no layer can have."""
        super().__post_init__()
        self.at_least(0, "units", "std")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rbf(LayerRow):
    """LeNet-5's output: minus the squared distance to a fixed picture of each digit."""

    is_across_channels = is_of_one_size = True

    name: str
    """Such as output."""
    kind: str = "rbf"


Layer = (
    Conv
    | Local
    | Sparse
    | Lrn
    | SpatialNorm
    | BatchNorm
    | Pool
    | Subsample
    | Pyramid
    | Activate
    | Drop
    | Dense
    | Rbf
)

# The paper's figure 2 and section 3.5. Standard deviations and biases are the 2012 program's
# (layers-145.cfg); the paper's text has .01 for all of them, and `init=text` says so.
PAPER_LAYERS: tuple[Layer, ...] = (
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
    Dense(name="fc6", units=4096, bias=1.0),
    Drop(name="drop6"),
    Dense(name="fc7", units=4096, bias=1.0),
    Drop(name="drop7"),
    Dense(name="fc8", units=0, activation=Activation.LINEAR),
)
