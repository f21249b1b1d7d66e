"""What a network consists of: python -m alexnet_tf.summary --network.name=NAME [--json].

Prints every layer with its output, kernel, parameters, multiply-adds, neurons, memory and
receptive field, and where the network comes from. `--compare A B ...` puts networks side by side;
`--family` prints the table of all of them that README.md has. Options such as
--network.activation=tanh or --network.without=conv3,conv4 are counted as they are built.

With --json the last line of standard output is one JSON object:

- of one network: network, source, published (a list of {top1_error, top5_error, views, data, by},
  errors as fractions, empty where nothing was published), note, changed (a list of {setting, first,
  other}: what was typed against the named network, whose errors are published), settings (all of
  them, by flag), global_batch_size, totals (parameters, which are trainable; multiply_adds,
  neurons, weight_bytes, activation_bytes), layers. Each layer has name, kind, input_shape,
  output_shape (without the batch), kernel_shape (empty without a kernel), groups, parameters,
  multiply_adds, neurons, activation_bytes (of its output in float32, at the batch size),
  receptive_field and jump (pixels of the input that one output sees, and between two outputs),
  details (what the table of layers says of it);
- of --compare: networks (such objects), differences (one for each network after the first, against
  the first; `networks/tables/summary.py` has the keys);
- of --family: networks (such objects).
"""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from typing import Any, ClassVar

from alexnet_tf.command_line import flags, summary_text
from alexnet_tf.config.fields import POSITIONAL
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError, user_errors
from alexnet_tf.networks.family.names import FAMILY, network
from alexnet_tf.networks.tables.summary import account, differences


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Prints the layers of a network, compares networks, or lists the family.

    All settings of a network are taken as `train` takes them.
    """

    shared_default: ClassVar[str] = "the named network's own"
    shared_defaults: ClassVar[dict[str, str]] = {"network.name": "paper"}

    names: tuple[str, ...] = dataclasses.field(default=(), metadata=POSITIONAL)
    """With --compare: the networks, such as paper run2012 caffe."""
    compare: bool = False
    """Put the named networks side by side and say what differs from the first."""
    family: bool = False
    """Print the table of all networks, as Markdown."""
    json: bool = False
    """Print one JSON object after the text."""
    global_batch_size: int = 128
    """Batch size that the column memory is for."""

    def __post_init__(self):
        """Refuses names without --compare, and a comparison of fewer than two."""
        if self.names and not self.compare:
            raise ValueError(
                f"{' '.join(self.names)}: expected names with --compare alone. For one network "
                f"write --network.name={self.names[0]}."
            )
        if self.compare and (self.family or len(set(self.names)) < 2):
            raise ValueError(
                f"compare={','.join(self.names)}: expected two networks or more, without --family, "
                "such as --compare paper run2012."
            )
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"compare={','.join(self.names)}: expected each name once.")
        if self.global_batch_size < 1:
            raise ValueError(f"global_batch_size={self.global_batch_size}: expected at least 1.")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    call = flags.parse(argv, Arguments, shared=("network",))
    arguments = call.arguments
    columns = shutil.get_terminal_size().columns
    with user_errors():
        result, text = _answer(call, columns)
    print(text, flush=True)
    if arguments.json:
        print(json.dumps(result), flush=True)
    return 0


def _answer(call: flags.Call[Arguments], columns: int) -> tuple[dict[str, Any], str]:
    """Makes what was asked for, as data and as text."""
    arguments, typed = call.arguments, call.typed.get("network.name")
    if typed and (arguments.names or arguments.family):
        raise UserError(
            f"network.name={typed}: expected no name with --compare or --family. Leave it out."
        )
    names = arguments.names or (tuple(FAMILY) if arguments.family else (typed or "paper",))
    configs = [resolved(name, call) for name in names]
    accounts = [account(config, arguments.global_batch_size) for config in configs]
    if arguments.family:
        return {"networks": accounts}, summary_text.family(accounts)
    if not arguments.compare:
        return accounts[0], summary_text.one(accounts[0], columns)
    different = [differences(configs[0], other) for other in configs[1:]]
    result = {"networks": accounts, "differences": different}
    return result, summary_text.side_by_side(result, columns)


def resolved(name: str, call: flags.Call[Arguments]) -> NetworkConfig:
    """Looks up a network and applies what was typed; by default with its own number of classes."""
    named = network(name).with_num_classes(FAMILY[name].num_classes)
    return call.override(Config(recipe="paper", network=named)).network


if __name__ == "__main__":
    flags.run_command(main)
