"""What a layer makes of pictures: python -m alexnet_tf.features --run_dir=DIR --output=FILE.npz.

The file has the arrays `features` float32 [N, ...], `names` of the pictures, `labels` int32 [N] and
`classes`, which the labels are places in, and of a set with several labels a picture `label_sets`
int32 [N, L], filled up with -1; `numpy.load` reads it. The last line of standard output is one JSON
object (BUILD.md, "JSON").
"""

import dataclasses
import enum
import json
import sys
import time
from collections.abc import Sequence

from alexnet_tf.command_line import flags
from alexnet_tf.config.run import Config
from alexnet_tf.errors import check_finite, user_errors
from alexnet_tf.training import checkpoint
from alexnet_tf.training.checkpoint import Which


class Pool(enum.StrEnum):
    """What becomes of the places of a map."""

    NONE = "none"
    MEAN = "mean"
    MAX = "max"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Writes what one layer of a network gives for every picture of a set."""

    run_dir: str
    """Directory of the run, or a converted one."""
    output: str
    """The file to write, such as features.npz. Meanwhile twice its size has to be free there."""
    layer: str = "fc7"
    """A layer of the network, as `summary` lists them. Its activation function is part of it."""
    pool: Pool = Pool.NONE
    """What becomes of a map: its mean or max, one number a channel, or none to keep its places."""
    checkpoint: Which = Which.BEST
    """best (by validation error during training) or last."""
    split: str = ""
    """train, val or all, or another split of a packed or TFDS set by its own name, without
    augmentation. By default what the run was not trained on: val where the set has its own or is
    the one that the run held a part out of, otherwise all."""


SHARED = ("data.source", "data.held_out", "data.on_error", "data.max_megapixels", "data.stage")
SHARED += ("global_batch_size", "devices", "precision")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    call = flags.parse(argv, Arguments, shared=SHARED)
    arguments = call.arguments
    stored = checkpoint.load(arguments.run_dir, arguments.checkpoint)

    import numpy as np  # TensorFlow starts here

    from alexnet_tf.laboratory.activations import Extractor
    from alexnet_tf.laboratory.feature_file import FeatureFile, check_place, check_room
    from alexnet_tf.training import splits
    from pipelines.progress import Progress
    from pipelines.source import bare_name, label_sets
    from pipelines.sources.layout import looking_once

    check_place(arguments.output)
    config = splits.settings(stored.config, call.override)
    extractor = Extractor(stored, config, arguments.layer, arguments.pool)
    with looking_once(), user_errors():
        split = arguments.split or splits.default_split(
            config, stored.config.data, arguments.run_dir
        )
        source = _open(config, split, stored.classes)
    if source.remark:
        print(source.remark, file=sys.stderr, flush=True)
    check_room(arguments.output, extractor.shape, source.num_examples)
    progress, began = Progress("computed"), time.monotonic()
    names, labels, sets = [], [], label_sets(source)
    indices = []
    with FeatureFile(arguments.output, extractor.shape) as file:
        for batch in extractor(source):
            check_finite(batch.values, config.run.precision)
            file.write(batch.values)
            names += [bare_name(source, int(index)) for index in batch.index]
            labels.append(batch.label)
            indices.append(batch.index)
            progress(len(names), source.num_examples)
        more = {} if sets is None else {"label_sets": sets[np.concatenate(indices)]}
        file.finish(
            names=np.array(names, str),
            labels=np.concatenate(labels),
            classes=np.array(source.classes, str),
            **more,
        )
    skipped = source.num_examples - len(names)
    result = {
        "output": arguments.output,
        "run_dir": arguments.run_dir,
        "step": stored.step,
        "layer": arguments.layer,
        "row": extractor.row,
        "pool": str(arguments.pool),
        "split": str(split),
        "shape": [len(names), *extractor.shape],
        "skipped": skipped,
        "images_per_second": round(len(names) / (time.monotonic() - began), 2),
    }
    print(json.dumps(result), flush=True)
    return 0


def _open(config: Config, split: str, classes: tuple[str, ...]):
    """Opens a set with its own classes; one of several labels a picture with the network's."""
    from pipelines.sources import open_source

    inputs = config.network.input
    try:
        return open_source(config.data, split, config.run.seed, inputs=inputs)
    except ValueError as error:
        try:
            return open_source(config.data, split, config.run.seed, classes, inputs=inputs)
        except ValueError:
            raise error from None


if __name__ == "__main__":
    flags.run_command(main)
