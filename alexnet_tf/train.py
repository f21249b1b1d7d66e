"""Trains a network: python -m alexnet_tf.train [--recipe=NAME] [--flag=value ...].

Without flags it runs the `quickstart` recipe. Running the same command again goes on with a run
that was stopped. The last line of standard output is one JSON object (BUILD.md, "JSON").
"""

import json
from collections.abc import Sequence

from alexnet_tf.command_line import flags

DESCRIPTION = (
    "Trains a network and keeps everything about the run in one directory. Running the same "
    "command again goes on with a run that was stopped."
)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    config = flags.parse_config(argv, DESCRIPTION)
    from alexnet_tf.training.run import run  # TensorFlow starts here, after the flags were checked

    exit_code, result = run(config)
    if result:  # of several workers, the chief alone has one
        print(json.dumps(result), flush=True)
    return exit_code


if __name__ == "__main__":
    flags.run_command(main)
