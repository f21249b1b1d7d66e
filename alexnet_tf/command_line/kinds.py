"""Commands whose first word says what they do, each with flags of its own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alexnet_tf.command_line import flags
from alexnet_tf.command_line.help import program
from alexnet_tf.errors import UserError, expected_one_of


def parse(
    argv: Sequence[str],
    name: str,
    kinds: Mapping[str, type],
    shared: Mapping[str, Iterable[str]],
    description: str,
) -> tuple[str, flags.Call[Any]] | None:
    """Reads the command line of such a command.

    Args:
      argv: what was typed after the command's name: the word, then its flags.
      name: what the first word is called in messages.
      kinds: the arguments of each word, as `flags.parse` takes them.
      shared: the settings of Config, or whole sections, that each word takes.
      description: the first words of --help.

    Returns:
      the word and its parsed flags; None where only help was asked for, which is printed.

    Raises:
      UserError: there is no such word, or the flags have a mistake.
    """
    word, *rest = argv or [""]
    if word in ("--help", "-h", "-help"):
        print(_help(name, kinds, description), flush=True)
        return None
    if word not in kinds:
        raise UserError(f"{expected_one_of(name, word, kinds)} It comes first, before all flags.")
    return word, flags.parse(rest, kinds[word], shared[word], word)


def _help(name: str, kinds: Mapping[str, type], description: str) -> str:
    """Lists the words, each with the first sentence of its arguments."""
    call = f"python -m {program()} {name.upper()}"
    lines = [f"{call} [--name=value ...]", "", description, "", f"{name.upper()} is one of", ""]
    for word, kind in kinds.items():
        sentence = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
        lines.append(f"  {word:<15}{sentence}")
    return "\n".join([*lines, "", f"The flags of each: {call} --help"])
