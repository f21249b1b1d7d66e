"""Evaluates a run: python -m alexnet_tf.evaluate --run_dir=DIR [--views=ten] [--data.source=...].

Every example counts exactly once. The last line of standard output is one JSON object (BUILD.md,
"JSON").
"""

import dataclasses
import json
import os
import pathlib
import sys
import time
from collections.abc import Sequence

from alexnet_tf.command_line import flags
from alexnet_tf.errors import check_finite, make_output, user_errors
from alexnet_tf.training import checkpoint
from alexnet_tf.training.checkpoint import Which
from alexnet_tf.training.stored import NO_AVERAGES
from pipelines.config import Views


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Evaluates the network of a run on a set of pictures, every example exactly once."""

    run_dir: str
    """Directory of the run."""
    checkpoint: Which = Which.BEST
    """best (by validation error during training) or last."""
    views: Views = Views.CENTER
    """center: the middle window. ten: corners, center and their mirror images, probabilities
    averaged (paper, section 4.1)."""
    split: str = ""
    """train, val or all, or another split of a packed or TFDS set by its own name, without
    augmentation. By default what the run was not trained on: val where the set has its own or is
    the one that the run held a part out of, otherwise all."""
    raw_weights: bool = False
    """Take the weights themselves of a run that has averages of them, --optimizer.average."""
    per_class: bool = False
    """Write recall, precision and the confusion matrix, per_class.json and confusion.png."""
    output: str = ""
    """Directory for the files of --per_class. Default: <run_dir>/per_class."""

    def __post_init__(self):
        """Refuses an output without --per_class."""
        if self.output and not self.per_class:
            raise ValueError(
                f"output={self.output}: expected nothing without --per_class, whose files it is "
                "for. Add --per_class."
            )


SHARED = ("data.source", "data.held_out", "data.on_error", "data.max_megapixels", "data.stage")
SHARED += ("global_batch_size", "strategy", "devices", "precision")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    call = flags.parse(argv, Arguments, shared=SHARED)
    arguments = call.arguments
    output = pathlib.Path(arguments.output or os.path.join(arguments.run_dir, "per_class"))
    stored = checkpoint.load(arguments.run_dir, arguments.checkpoint)
    if arguments.raw_weights and not stored.config.optimizer.average:
        print(NO_AVERAGES, file=sys.stderr)
    from alexnet_tf.training import per_class, splits  # TensorFlow starts here
    from alexnet_tf.training.evaluation import evaluate
    from pipelines.sources.apart import check_pictures_apart
    from pipelines.sources.layout import looking_once

    config = splits.settings(stored.config, call.override)
    if arguments.output:
        with user_errors():
            check_pictures_apart(arguments.output, config.data.source)
    if arguments.per_class:
        make_output(output)
    trained_on = stored.config.data
    with looking_once():
        split = arguments.split or splits.default_split(config, trained_on, arguments.run_dir)
        began = time.monotonic()
        result, confusion, source = evaluate(
            stored, config, arguments.views, split, arguments.raw_weights
        )
    check_finite(result["loss"], config.run.precision)
    seconds = time.monotonic() - began
    about = {"run_dir": arguments.run_dir, "step": stored.step, "views": str(arguments.views)}
    about["source"] = config.data.source
    about |= {"split": str(split), "raw_weights": arguments.raw_weights}
    if arguments.per_class:
        found = per_class.write(output, about | result, confusion, source.classes)
        print(f"{per_class.table(found)}\nwritten to {output}", file=sys.stderr)
    print(_sentence(about, result, source), file=sys.stderr)
    speed = {"images_per_second": round(result["seen"] / seconds, 2)}
    written = {"per_class": str(output) if arguments.per_class else None}
    print(json.dumps(about | result | speed | written), flush=True)
    return 0


def _sentence(about: dict, result: dict, source) -> str:
    """Says what was evaluated and how well it was classified."""
    views = f"{about['views']} view{'s' * (about['views'] == Views.TEN)}"
    pictures = f"{result['seen']} of {source.num_pictures} pictures, split {about['split']}"
    there = sum(count > 0 for count in source.class_counts)
    origin = "converted weights" if about["step"] is None else f"step {about['step']}"
    words = [origin, views, pictures]
    if there < len(source.classes):
        words.append(f"{there} of {len(source.classes)} classes")
    if result["skipped"]:
        words.append(f"{result['skipped']} skipped")
    errors = [f"top-1 error {100 * result['top1_error']:.2f} %"]
    if result["top5_error"] is not None:
        errors.append(f"top-5 error {100 * result['top5_error']:.2f} %")
    return f"{', '.join(words)}: {', '.join(errors)}"


if __name__ == "__main__":
    flags.run_command(main)
