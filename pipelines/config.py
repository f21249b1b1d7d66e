"""Settings of the data path. Imports no TensorFlow.

The string under a field is its help text on the command line. `metadata` says whether a field may
differ when a run is resumed: fields are "same" unless marked FREE.
"""

import dataclasses
import enum
import math

from pipelines.checks import LARGEST_SIDE, check_megapixels, is_color, pixels, service_address
from pipelines.typed import Typed

FREE = {"resume": "free"}
"""Marks a field that may change between the start of a run and its continuation."""


class ChannelOrder(enum.StrEnum):
    """The channels that a network expects, in their order."""

    RGB = "rgb"
    BGR = "bgr"
    GRAY = "gray"


class ResizeRule(enum.StrEnum):
    """How a picture of any size becomes the square that windows are cut from."""

    SHORTER_SIDE = "shorter_side"
    WARP = "warp"


class ResizeFilter(enum.StrEnum):
    """How levels between pixels are interpolated."""

    AREA_CUBIC = "area_cubic"
    BILINEAR = "bilinear"
    ANTIALIAS = "antialias"


class Orientation(enum.StrEnum):
    """What is done with the orientation that a camera stores with a picture (EXIF)."""

    IGNORE = "ignore"
    APPLY = "apply"


class CropRule(enum.StrEnum):
    """Which window of the square is used where nothing is random."""

    CENTER = "center"


class OnError(enum.StrEnum):
    """What is done with a picture that cannot be decoded."""

    FAIL = "fail"
    SKIP = "skip"


class Cache(enum.StrEnum):
    """Where decoded pictures are kept."""

    NONE = "none"
    MEMORY = "memory"
    DISK = "disk"


class Shuffle(enum.StrEnum):
    """How the examples of an epoch are permuted."""

    FULL = "full"
    BLOCKS = "blocks"


class Split(enum.StrEnum):
    """A part of a data set."""

    TRAIN = "train"
    VAL = "val"
    ALL = "all"


class ClassWeights(enum.StrEnum):
    """How much the examples of each class weigh in the loss."""

    NONE = "none"
    BALANCED = "balanced"


class Views(enum.StrEnum):
    """Which windows of each picture an evaluation uses."""

    CENTER = "center"
    TEN = "ten"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputConfig(Typed, section="network.input"):
    """The input that a network expects; stored with its weights."""

    size: int = 224
    """Side of the square window that the network sees, in pixels."""
    resize: int = 256
    """Side of the square that windows are cut from, in pixels; at least `size`."""
    mean: tuple[float, ...] | str = (127.30, 119.72, 104.91)
    """Red, green and blue level that is subtracted, 0 to 255, as R,G,B (by default the means of
    cuda-convnet2's mean image); dataset measures it on the training pictures, once."""
    scale: float = 1.0
    """Multiplies what is left after the mean is subtracted; the 2012 program used 1."""
    stdev: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Red, green and blue are divided by these as well, each by its own, in levels of 0 to 255."""
    channel_order: ChannelOrder = ChannelOrder.RGB
    """rgb; bgr for networks that came from Caffe; gray for one channel of luminance."""
    resize_rule: ResizeRule = ResizeRule.SHORTER_SIDE
    """shorter_side scales it to `resize` and cuts the central square (paper, section 2);
    warp squeezes the whole picture into the square, as Caffe's tools did."""
    resize_filter: ResizeFilter = ResizeFilter.AREA_CUBIC
    """area_cubic averages areas when shrinking and is bicubic when enlarging, as cuda-convnet2's
    tools were; bilinear is OpenCV's (Caffe); antialias is bilinear as Pillow does it (PyTorch)."""
    orientation: Orientation = Orientation.IGNORE
    """ignore takes pictures as their files store them, as in 2012; apply turns and mirrors them as
    their EXIF says, which photographs of phones need to stand upright."""
    crop_rule: CropRule = CropRule.CENTER
    """center: evaluation sees the middle window of the square. The only rule so far."""

    def __post_init__(self):
        """Refuses values outside their range."""
        super().__post_init__()
        self.at_least(1, "size")
        self.at_most(LARGEST_SIDE, "resize", "size")
        if self.resize < self.size:
            raise ValueError(
                f"network.input.resize={self.resize}: expected at least "
                f"network.input.size={self.size}, since windows are cut from it. Raise resize."
            )
        if self.mean != "dataset" and not is_color(self.mean):
            raise ValueError(
                f"network.input.mean={self.mean!r}: expected three levels (red, green, blue) "
                "from 0 to 255, or dataset."
            )
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"network.input.scale={self.scale}: expected a positive number.")
        if len(self.stdev) != 3 or not all(math.isfinite(x) and x > 0 for x in self.stdev):
            raise ValueError(
                f"network.input.stdev={self.stdev!r}: expected three positive numbers (red, green, "
                "blue)."
            )

    @property
    def num_channels(self) -> int:
        """Channels of the picture that the network sees: 1 or 3."""
        return 1 if self.channel_order == ChannelOrder.GRAY else 3


PLACED = ("folder", "records", "tfds")
"""Kinds of data.source that name a place after a colon."""

SQUARE_FIELDS = ("resize", "resize_rule", "resize_filter", "orientation")
"""Those that decide on the squares that windows are cut from; a cache of squares is for one set."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(Typed, section="data"):
    """Where the examples come from and what training does to them."""

    source: str = dataclasses.field(default="shapes", metadata=FREE)  # its digest is compared
    """shapes (drawn by the program itself); folder:DIR, where DIR holds train/<class>/* and
    val/<class>/*, or just <class>/*; records:DIR, where python -m pipelines.prepare has packed
    pictures; or tfds:NAME[/CONFIG][:VERSION], a set that TensorFlow Datasets has prepared."""
    held_out: float = 0.1
    """Part of a set without its own val that is held out, 0 to 1, by a hash of the name."""
    train_part: float = 1.0
    """Part of the training pictures that is used, by the same hash: smaller parts lie in larger."""
    on_error: OnError = dataclasses.field(default=OnError.FAIL, metadata=FREE)
    """fail stops at a picture that cannot be decoded and names it; skip leaves it out, counts it
    and names it."""
    cache: Cache = dataclasses.field(default=Cache.NONE, metadata=FREE)
    """memory decodes every picture once, before the first step, and keeps the squares in memory
    (resize * resize * 3 bytes each, of both splits); disk keeps them in files in `cache_dir`, for
    this run and later ones; none decodes each time."""
    cache_dir: str = dataclasses.field(default="", metadata=FREE)
    """Directory on a fast local disk for files of cache=disk, which runs of the same set share."""
    stage: str = dataclasses.field(default="", metadata=FREE)
    """Local directory that the shards of a packed set are copied to ahead of training, and checked;
    by default they are read where they are."""
    shuffle: Shuffle = Shuffle.FULL
    """full permutes each epoch as a whole; blocks, for storage that seeks slowly, reads runs of 32
    consecutive examples, 1,024 runs side by side."""
    class_weights: ClassWeights = ClassWeights.NONE
    """none, or balanced: the loss of each training example is multiplied by num_examples / (K *
    examples of its class), so that each of the K classes counts as much as any other."""
    max_megapixels: float = dataclasses.field(default=100.0, metadata=FREE)
    """Pictures with more millions of pixels are not decoded (`on_error`). Decoding one takes 3 to
    12 bytes a pixel; large ones are decoded one at a time."""
    service: str = dataclasses.field(default="", metadata=FREE)
    """grpc://HOST:PORT of a tf.data service (launch/data_service.sh) that makes the training
    batches, for a host that cannot feed its devices: each example once an epoch, in no fixed order.
    Its workers read `source` by the same path."""
    mirror: bool = True
    """Mirror half of the training pictures left to right (paper, section 4.1)."""
    random_crop: bool = True
    """Cut the training window at a random place; otherwise at the center."""
    least_crop: float = 0.0
    """Cut a window of random size and shape (3:4 to 4:3), from this part of the square's area on,
    and scale it to the network's size, as recipes since 2014 do with 0.08; 0 cuts windows of that
    size. Longer ones end at the square's edges: mean area at 0.08 is 0.53 (torchvision: 0.48)."""
    color_noise: float = 0.1
    """Standard deviation of the noise along the principal color axes, in units of each axis's own
    standard deviation (paper, section 4.1); 0 turns it off."""
    color_rescale: bool = True
    """Divide by 1 + color_noise after adding the noise, as the 2012 program did."""
    rand_augment: int = 0
    """Apply so many operations to each window, drawn from fourteen such as rotating and solarizing
    (RandAugment, Cubuk et al. 2019); 2 is usual, 3 the most, 0 none."""
    rand_strength: float = 9.0
    """How strong these operations are, 0 to 30."""
    erasing: float = 0.0
    """Part of the training pictures in which a random rectangle, 2 to 33 % of the area, is set to
    the mean color (Zhong et al. 2017)."""
    mixup: float = 0.0
    """Blend each training picture with another, and their labels: parameter of the Beta
    distribution of the parts (Zhang et al. 2017), such as 0.2; 0 for never. Beside cutmix each is
    used for half of the pictures."""
    cutmix: float = 0.0
    """Replace a rectangle of each training picture by that of another, and its part of the label:
    parameter of the Beta distribution of the parts (Yun et al. 2019), such as 1; 0 for never."""

    def __post_init__(self):
        """Refuses sources that do not exist and numbers outside their range."""
        super().__post_init__()
        kind, _, place = self.source.partition(":")
        if not (self.source == "shapes" or (kind in PLACED and place)):
            raise ValueError(
                f"data.source={self.source!r}: expected shapes, folder:DIR, records:DIR or "
                "tfds:NAME. For your own pictures use --data.source=folder:DIR."
            )
        if not 0 < self.held_out < 1:
            raise ValueError(f"data.held_out={self.held_out}: expected a part between 0 and 1.")
        if not 0 < self.train_part <= 1:
            raise ValueError(f"data.train_part={self.train_part}: expected more than 0, at most 1.")
        if self.service:
            service_address("data.service", self.service)
            if self.cache != Cache.NONE:
                raise ValueError(
                    f"data.service={self.service}, data.cache={self.cache}: expected one of the "
                    "two, since the workers of a service do not see what this process keeps. Use "
                    "--data.cache=none."
                )
            if self.stage:
                raise ValueError(
                    f"data.service={self.service}, data.stage={self.stage!r}: expected one of the "
                    "two, since its workers would look for the copies on their own machines. Leave "
                    "out data.stage, and name a data.source that all of them reach."
                )
        if self.cache == Cache.DISK and not self.cache_dir:
            raise ValueError(
                "data.cache=disk: expected a directory for the decoded pictures as well. Name one "
                "with --data.cache_dir=DIR."
            )
        if self.cache_dir and self.cache != Cache.DISK:
            raise ValueError(
                f"data.cache_dir={self.cache_dir!r}: expected data.cache=disk with it, got "
                f"data.cache={self.cache}. Use --data.cache=disk, or leave it out."
            )
        for name in ("cache_dir", "stage"):
            if "://" in getattr(self, name):
                raise ValueError(
                    f"data.{name}={getattr(self, name)!r}: expected a directory on a local disk. "
                    f"Name one with --data.{name}=DIR."
                )
        if self.stage and kind != "records":
            raise ValueError(
                f"data.stage={self.stage!r}: expected a packed set, data.source=records:DIR, got "
                f"data.source={self.source!r}. Pack it (python -m pipelines.prepare), or leave "
                "data.stage out."
            )
        check_megapixels("data.max_megapixels", self.max_megapixels)
        if not 0 <= self.least_crop < 1:
            raise ValueError(f"data.least_crop={self.least_crop}: expected 0 to below 1.")
        if self.least_crop and not self.random_crop:
            raise ValueError(
                f"data.random_crop=false, data.least_crop={self.least_crop}: expected one of the "
                "two, since such windows are at random places. Leave one out."
            )
        for name in ("mixup", "cutmix"):
            if (value := getattr(self, name)) and not 0.01 <= value <= 100:
                raise ValueError(f"data.{name}={value}: expected 0.01 to 100, or 0 for never.")
        if not 0 <= self.rand_augment <= 3:
            raise ValueError(f"data.rand_augment={self.rand_augment}: expected 0 to 3 operations.")
        if self.erasing and not 0.001 <= self.erasing <= 1:
            raise ValueError(f"data.erasing={self.erasing}: expected 0.001 to 1, or 0 for never.")
        for name, most in (("rand_strength", 30), ("color_noise", 1)):
            if not 0 <= (value := getattr(self, name)) <= most:
                raise ValueError(f"data.{name}={value}: expected 0 to {most}.")

    @property
    def max_pixels(self) -> int:
        """The most pixels that a picture may have."""
        return pixels(self.max_megapixels)
