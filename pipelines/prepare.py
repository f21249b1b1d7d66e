"""Packs a data set: python -m pipelines.prepare --input=... --output=DIR [--format=jpeg|raw].

Or checks a packed one: --verify=DIR. The last line of standard output is one JSON object
(BUILD.md, "JSON").
"""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence

from alexnet_tf.command_line import flags
from alexnet_tf.errors import RunFailed, UserError
from pipelines.packing.settings import Packing

MOST_PROBLEMS = 100
"""That --verify names."""
NAMED = 5
"""Of what the report has, so many of a kind are named on standard error."""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    packing = flags.parse(argv, Packing).arguments
    try:
        return _verify(packing) if packing.verify else _pack(packing)
    except ValueError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise RunFailed(str(error)) from error


def _pack(packing: Packing) -> int:
    from pipelines.packing.pack import pack  # TensorFlow starts only here
    from pipelines.progress import Progress

    began, progress = time.monotonic(), Progress("packed")
    found = pack(packing, progress, lambda text: print(text, file=sys.stderr))
    seconds = time.monotonic() - began
    num_examples = sum(split.num_examples for split in found.splits.values())
    _report("cannot be decoded", [(one.name, one.reason) for one in found.undecoded])
    _report("left out", found.left_out)
    result = {
        "output": packing.output,
        "format": found.format,
        "size": found.size,
        "examples": {name: split.num_examples for name, split in found.splits.items()},
        "num_classes": len(found.classes),
        "num_shards": sum(len(split.shards) for split in found.splits.values()),
        "num_bytes": sum(x.num_bytes for split in found.splits.values() for x in split.shards),
        "undecoded": len(found.undecoded),
        "left_out": len(found.left_out),
        "images_per_second": round((num_examples - progress.first) / seconds, 2),
    }
    print(json.dumps(result), flush=True)
    return 0


def _verify(packing: Packing) -> int:
    from pipelines.packing.verify import verify
    from pipelines.progress import Progress

    found, problems = verify(packing.verify, Progress("checked"), packing.workers)
    for problem in problems[:MOST_PROBLEMS]:
        print(problem, file=sys.stderr)
    if len(problems) > MOST_PROBLEMS:
        print(f"and {len(problems) - MOST_PROBLEMS:,} more", file=sys.stderr)
    shards = [shard for split in found.splits.values() for shard in split.shards]
    result = {
        "verify": packing.verify,
        "examples": {name: split.num_examples for name, split in found.splits.items()},
        "num_shards": len(shards),
        "undecoded": len(found.undecoded),
        "num_problems": len(problems),
        "problems": [dataclasses.asdict(problem) for problem in problems[:MOST_PROBLEMS]],
    }
    print(json.dumps(result), flush=True)
    return flags.EXIT_FAILED if problems else 0


def _report(what: str, found: Sequence[tuple[str, str]]) -> None:
    """Names the first of those that are no usable examples; dataset.json has all."""
    if not found:
        return
    print(f"{len(found):,} {what}:", file=sys.stderr)
    for name, reason in found[:NAMED]:
        print(f"  {name!r}: {reason}", file=sys.stderr)
    if len(found) > NAMED:
        print(f"  and {len(found) - NAMED:,} more; dataset.json names all", file=sys.stderr)


if __name__ == "__main__":
    flags.run_command(main)
