"""What every picture of a network is made from. Imports no TensorFlow."""

import dataclasses
import os
from typing import ClassVar

from alexnet_tf.training.checkpoint import Which
from pipelines.typed import Typed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Common(Typed):
    """What every picture is made from."""

    shared_defaults: ClassVar[dict[str, str]] = {"data.on_error": "skip"}

    run_dir: str = ""
    """Directory of a run or of converted weights; this or --start_from is required."""
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
        """Refuses two networks, or none, and pictures that are missing or directories."""
        super().__post_init__()
        if bool(self.run_dir) == bool(self.start_from):
            raise ValueError(
                f"run_dir={self.run_dir!r}, start_from={self.start_from!r}: expected one of the "
                "two, since each names a network. Give --run_dir=RUN or --start_from=FILE."
            )
        if self.start_from and self.checkpoint != Which.BEST:
            raise ValueError(
                f"checkpoint={self.checkpoint}, start_from={self.start_from!r}: expected a "
                "checkpoint of a run alone; a file has one set of weights. Leave --checkpoint out."
            )
        for path in self.images:
            if not os.path.exists(path):
                raise ValueError(
                    f"images={path!r}: there is no such file; expected pictures, separated by "
                    "commas. Name others."
                )
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
