"""Evaluates a run: python -m alexnet_tf.evaluate --run_dir=DIR [--views=ten] [--data.source=...].

Every example of the validation split counts exactly once. The last line of standard output is one
JSON object (BUILD.md, "JSON").
"""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence

from alexnet_tf import flags
from alexnet_tf.training import checkpoint
from alexnet_tf.training.checkpoint import Which
from pipelines.config import Views


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Evaluates the network of a run on a validation split, every example exactly once."""

    run_dir: str
    """Directory of the run."""
    checkpoint: Which = Which.BEST
    """best (by validation error during training) or last."""
    views: Views = Views.CENTER
    """center: the middle window. ten: corners, center and their mirror images, probabilities
    averaged (paper, section 4.1)."""


SHARED = ("data.source", "data.held_out", "data.on_error", "global_batch_size")
SHARED += ("strategy", "devices", "precision")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    call = flags.parse(argv, Arguments, shared=SHARED)
    arguments = call.arguments
    stored = checkpoint.load(arguments.run_dir, arguments.checkpoint)
    config = call.override(stored.config.on_one_device())
    from alexnet_tf.training.evaluation import evaluate  # TensorFlow starts here

    began = time.monotonic()
    result = evaluate(stored, config, arguments.views)
    seconds = time.monotonic() - began
    words = [f"top-1 error {100 * result['top1_error']:.2f} %"]
    if result["top5_error"] is not None:
        words.append(f"top-5 error {100 * result['top5_error']:.2f} %")
    print(
        f"step {stored.step}, {arguments.views} view{'s' * (arguments.views == Views.TEN)}, "
        f"{result['seen']} examples: {', '.join(words)}",
        file=sys.stderr,
    )
    about = {"run_dir": arguments.run_dir, "step": stored.step, "views": str(arguments.views)}
    speed = {"images_per_second": round(result["seen"] / seconds, 2)}
    print(json.dumps(about | result | speed), flush=True)
    return 0


if __name__ == "__main__":
    flags.run_command(main)
