"""One contender in a process of its own: python -m alexnet_tf.benchmarking.child KEY SPEC.

So contenders share no thread pool, allocator or environment variable. `rounds` starts this module
and talks to it by lines of JSON: it answers once when it is warm, or says why it cannot take part;
then once for each line on its standard input, until that ends.
"""

import importlib
import json
import os
import sys
import traceback

from alexnet_tf.benchmarking.contenders.table import contender
from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import steps_for, timed
from alexnet_tf.command_line import environment, quiet
from alexnet_tf.errors import UserError

PARTS = 10
"""Of a round: so often it is asked whether its time is over, and the device waited for."""


def main(key: str, text: str) -> None:
    """Builds a contender's work, and measures a round of it for each line on standard input."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(values: dict) -> None:
        print(json.dumps(values), file=answers)

    spec = Spec.from_text(text)
    one = contender(spec.what, key)
    try:
        # Only here, so that TensorFlow and PyTorch are never in one process.
        module = importlib.import_module(f"alexnet_tf.benchmarking.contenders.{one.module}")
        work = getattr(module, one.function)(spec, **one.options)
        num_steps = steps_for(work, spec.round_seconds / PARTS)
    except UserError as error:
        return answer({"refused": str(error)})
    except Exception:
        traceback.print_exc()
        environment.leave(1)  # at once: TensorFlow would wait for other workers
    answer({"versions": work.versions, "accelerator": work.accelerator})
    for _ in sys.stdin:
        answer(timed(work, num_steps, spec.round_seconds)._asdict())


if __name__ == "__main__":
    quiet.watch_import()
    main(*sys.argv[1:])
    environment.leave(0)
