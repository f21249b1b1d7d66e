"""What `visualize` can be asked to show, and the settings of each. Imports no TensorFlow."""

import dataclasses
import enum

from alexnet_tf.laboratory.common import Common


@dataclasses.dataclass(frozen=True, kw_only=True)
class All(Common):
    """Shows everything that the network allows, and writes a page of it, index.html."""

    check: bool = True
    """Also draw layers anew from the top downwards, for each picture that takes --check."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters(Common):
    """Draws the filters of the first layer (paper, figure 3), each tower's apart."""


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed}: expected 0 to {2**32 - 1}.")


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
        self.at_most(10_000, "bins")


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checked(Common):
    """What is drawn of the weights, so that it has to change with them."""

    check: bool = False
    """Also draw layers anew from the top downwards, and say how much of the maps remains (Adebayo
    et al. 2018)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deconvnet(Checked):
    """Projects the strongest activations of maps down to pixels (Zeiler and Fergus 2013).

    Each map's nine strongest activations over the set are drawn beside what the unit sees.
    """

    layer: tuple[str, ...] = ()
    """Layers of maps, such as conv2,conv5; by default every convolution."""
    maps: int = 9
    """Maps of each layer, evenly spread over those that respond to nine pictures; 0 takes all of
    them. The .npz has a layer's projections up to 256 MiB."""
    patches: bool = True
    """Draw what each unit sees beside its projection; otherwise the page has no photographs."""
    through_norm: bool = False
    """Let what comes down pass response normalization by its gradient; otherwise it passes straight
    through, as in the text."""

    def __post_init__(self):
        """Refuses a negative number of maps."""
        super().__post_init__()
        self.at_least(0, "maps")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Occlusion(Checked):
    """Slides a gray square over pictures (Zeiler and Fergus 2013, figure 7).

    Three maps say what each place of the square does to the network: to its strongest map, to the
    probability of the true class, and to the most likely class.
    """

    layer: str = ""
    """Layer of the strongest map; by default the last convolution."""
    square: int = 0
    """Side of the square in pixels; 0 takes 5/16 of the picture's (70 of 224)."""
    stride: int = 0
    """Pixels from place to place; 0 takes 1/32 of the picture's side (7 of 224: 529 places)."""

    def __post_init__(self):
        """Refuses negative sides and steps."""
        super().__post_init__()
        self.at_least(0, "square", "stride")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfAClass(Checked):
    """What in a picture speaks for a class."""

    class_: str = ""
    """Name of the class; by default the one that is most likely for each picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradCam(OfAClass):
    """Colors where the last maps speak for a class (Selvaraju et al. 2017)."""

    layer: str = ""
    """Layer of maps; by default the last convolution."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saliency(OfAClass):
    """Draws which pixels a class's logit depends on, by four kinds of gradients."""

    samples: int = 32
    """Noisy copies of each picture, for SmoothGrad."""
    noise: float = 0.15
    """Standard deviation of their noise, as a part of the picture's range."""
    steps: int = 64
    """Parts of the way from the mean color to the picture, for integrated gradients."""
    seed: int = 0
    """Of the noise."""

    def __post_init__(self):
        """Refuses numbers of nothing, and negative noise."""
        super().__post_init__()
        self.at_least(1, "samples", "steps")
        self.at_least(0, "noise")
        _check_seed(self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invariance(Common):
    """Measures how features change with moves of a picture (Zeiler and Fergus 2013, figure 5).

    Pictures are moved up and down, enlarged and turned.
    """

    layers: tuple[str, ...] = ()
    """Layers to compare, such as conv1,fc7: by default the first and the last hidden one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Correspondence(Common):
    """Tests whether hiding a part changes features alike (Zeiler, Fergus, table 1); needs --parts.

    A part, such as the left eye, is hidden in each of several pictures: do features change alike?
    """

    parts: str = ""
    """Table of marked parts, FILE.csv: a line for each picture, with its path (from the folder of
    the table) under path, and for each part such as nose the pixel of its center under nose_x and
    nose_y, counted from 0 at the upper left corner of the file's picture."""
    square: int = 0
    """Side of the gray square in pixels of what the network sees; 0 takes a seventh of its side
    (32 of 224)."""
    draws: int = 50
    """Squares at random places in each picture, for the comparison."""
    seed: int = 0
    """Of these places."""
    layers: tuple[str, ...] = ()
    """Layers to compare, such as pool5,fc7: by default the last one of maps and the last hidden
    one."""

    def __post_init__(self):
        """Refuses squares and draws of nothing."""
        super().__post_init__()
        self.at_least(0, "square")
        self.at_least(1, "draws")
        _check_seed(self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evolution(Common):
    """Shows maps at the checkpoints of `train --keep_epochs` (Zeiler and Fergus 2013, figure 4).

    The strongest activation of some maps of each layer is projected down at each of them, and how
    far the weights still moved is measured. Needs --run_dir of such a run; --start_from has no such
    checkpoints, and --checkpoint chooses none of them.
    """

    layer: tuple[str, ...] = ()
    """Layers of maps, such as conv2,conv5; by default every convolution."""
    maps: int = 4
    """Maps of each layer, evenly spread over those that respond in the end."""

    def __post_init__(self):
        """Refuses to show no map."""
        super().__post_init__()
        self.at_least(1, "maps")


EXHIBITS: dict[str, type[Common]] = {
    "filters": Filters,
    "deconvnet": Deconvnet,
    "occlusion": Occlusion,
    "gradcam": GradCam,
    "saliency": Saliency,
    "nearest": Nearest,
    "embedding": Embedding,
    "confusion": Confusion,
    "mistakes": Mistakes,
    "calibration": Calibration,
    "invariance": Invariance,
    "correspondence": Correspondence,
    "evolution": Evolution,
}
"""What can be shown, in the order of the page; `all` shows all of it."""
