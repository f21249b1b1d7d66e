"""Writes a trained network for serving: python -m alexnet_tf.export --run_dir=DIR --output=DIR.

The output is a SavedModel that plain TensorFlow loads without this package; its signatures stand
in `serving/classifier.py`, its files in `serving/savedmodel.py`. An older export at the same place
is replaced once the new one is complete; anything else there is refused. The last line of standard
output is one JSON object: output, run_dir, step, top1_error (a fraction; null where the checkpoint
is not the best, or with --raw_weights of a run with averages), num_classes.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence

from alexnet_tf.command_line import flags
from alexnet_tf.config import json_form
from alexnet_tf.config.run import RunConfig
from alexnet_tf.training import checkpoint
from alexnet_tf.training.checkpoint import Which
from alexnet_tf.training.stored import NO_AVERAGES
from pipelines.checks import check_megapixels, pixels
from pipelines.parallelism import EXPORTED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Writes the network of a run as a SavedModel, which takes encoded pictures of any size.

    It loads in plain TensorFlow, in TensorFlow Serving and in `python -m alexnet_tf.predict`.
    """

    run_dir: str
    """The run whose network is written."""
    output: str
    """Directory to write; an older export there is replaced, anything else refused."""
    checkpoint: Which = Which.BEST
    """best (lowest validation error; the last where none was evaluated) or last."""
    raw_weights: bool = False
    """Take the weights themselves of a run that has averages of them, --optimizer.average."""
    max_megapixels: float = EXPORTED.max_pixels / 1e6
    """Pictures with more millions of pixels are not decoded, wherever the export is used: they are
    not `readable`. Decoding one takes 3 to 12 bytes a pixel."""

    def __post_init__(self):
        """Refuses a limit above what the decoder can do."""
        check_megapixels("max_megapixels", self.max_megapixels)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    arguments = flags.parse(argv, Arguments).arguments
    stored = checkpoint.load(arguments.run_dir, arguments.checkpoint)
    if arguments.raw_weights and not stored.config.optimizer.average:
        print(NO_AVERAGES, file=sys.stderr)

    from alexnet_tf.serving import classifier, savedmodel  # TensorFlow starts only here
    from alexnet_tf.training.strategy import make_strategy

    output = savedmodel.prepare(arguments.output)
    make_strategy(RunConfig())  # for what it prepares: memory on demand, exact float32
    network = stored.config.network
    max_pixels = pixels(arguments.max_megapixels)
    weights = stored.weights(is_raw=arguments.raw_weights)
    trained = classifier.trained(network, weights, stored.classes, max_pixels)
    about = description(stored, arguments.raw_weights) | {"max_pixels": max_pixels}
    savedmodel.save(trained, output, about)
    result = {"output": arguments.output, "run_dir": arguments.run_dir, "step": stored.step}
    result |= {"top1_error": about["top1_error"], "num_classes": len(stored.classes)}
    print(json.dumps(result), flush=True)
    return 0


def description(stored: checkpoint.Checkpoint, is_raw: bool = False) -> dict:
    """Describes the checkpoint that an export was made from; values that JSON has."""
    is_best = bool(stored.step) and stored.step == stored.progress["best_step"]
    is_best &= not (is_raw and stored.config.optimizer.average)  # the averages' error is the best
    return {
        "step": stored.step,
        "top1_error": stored.progress["best_error"] if is_best else None,
        "raw_weights": is_raw,
        "recipe": stored.config.recipe,
        "network": json_form.to_dict(stored.config.network),
        "classes": list(stored.classes),
        "trained_with": stored.versions,
    }


if __name__ == "__main__":
    flags.run_command(main)
