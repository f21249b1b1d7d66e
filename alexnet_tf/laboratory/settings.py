"""What `visualize` can be asked to show, and the settings of each. Imports no TensorFlow."""

import dataclasses
import enum
import os

from alexnet_tf.training.checkpoint import Which
from pipelines.typed import Typed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Common(Typed):
    """What every picture is made from."""

    run_dir: str = ""
    """Directory of the run, or a converted one."""
    start_from: str = ""
    """Instead of a run, a file with weights of the network that --network.name names, such as
    torchvision's: layers that it lacks, and all above them, cannot be shown."""
    output: str
    """Directory for the pictures and the numbers behind them."""
    checkpoint: Which = Which.BEST
    """best (by validation error during training) or last."""
    split: str = ""
    """train, val or all, or another split of a packed or TFDS set by its own name. By default what
    the run was not trained on: val where the set has its own or is the one that the run held a
    part out of, otherwise all."""
    images: tuple[str, ...] = ()
    """Files to look at instead of pictures of the set: JPEG, PNG or BMP of any size."""

    def __post_init__(self):
        """Refuses two networks, or none, and directories instead of pictures."""
        super().__post_init__()
        if bool(self.run_dir) == bool(self.start_from):
            raise ValueError(
                f"run_dir={self.run_dir!r}, start_from={self.start_from!r}: expected one of the "
                "two, since each names a network. Give --run_dir=RUN or --start_from=FILE."
            )
        for path in self.images:
            if os.path.isdir(path):
                raise ValueError(
                    f"images={path!r} is a directory; expected files, separated by commas. For a "
                    f"set of pictures use --data.source=folder:{path}."
                )

    @property
    def shown(self) -> str:
        """Names the network for messages."""
        if self.run_dir:
            return f"run_dir={self.run_dir!r}"
        return f"start_from={self.start_from!r}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class All(Common):
    """Shows everything that the network allows, and writes a page of it, index.html."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters(Common):
    """Draws the filters of the first layer (paper, figure 3), each tower's apart."""


class Metric(enum.StrEnum):
    """How far apart two vectors are."""

    L2 = "l2"
    COSINE = "cosine"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nearest(Common):
    """Finds the pictures nearest to some in the last hidden layer (paper, figure 4)."""

    layer: str = ""
    """The layer whose activations are compared; maps are averaged over their places. By default the
    last before the output with what follows it, such as fc7, or its ReLU where that is a row of its
    own."""
    metric: Metric = Metric.L2
    """l2, the length of the difference, as in the paper; or cosine, of the angle alone."""
    queries: int = 5
    """Pictures of the set to find neighbors of, spread over its classes; --images replaces them."""
    neighbors: int = 6
    """How many of each."""

    def __post_init__(self):
        """Refuses less than one."""
        super().__post_init__()
        self.at_least(1, "queries", "neighbors")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confusion(Common):
    """Counts which classes are taken for which, and shows pictures of the most confused pairs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistakes(Common):
    """Shows the wrong answers of which the network is surest."""

    count: int = 18
    """How many."""

    def __post_init__(self):
        """Refuses less than one."""
        super().__post_init__()
        self.at_least(1, "count")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration(Common):
    """Compares how sure the network is with how often it is right (Guo et al. 2017)."""

    bins: int = 15
    """Parts of the range of probabilities; 15 as in the paper of 2017."""

    def __post_init__(self):
        """Refuses less than one."""
        super().__post_init__()
        self.at_least(1, "bins")


class Method(enum.StrEnum):
    """How vectors become places in a plane."""

    PCA = "pca"
    TSNE = "tsne"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedding(Common):
    """Places pictures by their activations in a plane, and for TensorBoard's projector."""

    layer: str = ""
    """As for `nearest`: by default the last before the output with what follows it."""
    method: Method = Method.PCA
    """pca, the two directions of most variance; or tsne, which keeps neighbors together."""
    count: int = 2000
    """The most pictures to place, spread over the set."""

    def __post_init__(self):
        """Refuses so few that nothing is seen."""
        super().__post_init__()
        self.at_least(9, "count")


EXHIBITS: dict[str, type[Common]] = {
    "filters": Filters,
    "nearest": Nearest,
    "confusion": Confusion,
    "mistakes": Mistakes,
    "calibration": Calibration,
    "embedding": Embedding,
}
"""What can be shown, in the order of the page; `all` shows all of it."""
