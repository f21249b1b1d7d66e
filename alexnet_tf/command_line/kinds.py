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
    titles: Mapping[str, str] | None = None,
) -> tuple[str, flags.Call[Any]] | None:
    """Reads the command line of such a command.

    Args:
      argv: what was typed after the command's name: the word, then its flags.
      name: what the first word is called in messages.
      kinds: the arguments of each word, as `flags.parse` takes them.
      shared: the settings of Config, or whole sections, that each word takes.
      description: the first words of --help.
      titles: what each word does; by default the first sentence of its arguments.

    Returns:
      the word and its parsed flags; None where only help was asked for, which is printed.

    Raises:
      UserError: there is no such word, or the flags have a mistake.
    """
    word, *rest = argv or [""]
    if word in ("--help", "-h", "-help"):
        print(_help(name, titles or _sentences(kinds), description), flush=True)
        return None
    if word not in kinds:
        raise UserError(f"{expected_one_of(name, word, kinds)} It comes first, before all flags.")
    return word, flags.parse(rest, kinds[word], shared[word], word)


def _sentences(kinds: Mapping[str, type]) -> dict[str, str]:
    """Takes the first sentence of each docstring."""
    return {
        word: " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
        for word, kind in kinds.items()
    }


def _help(name: str, titles: Mapping[str, str], description: str) -> str:
    """Lists the words."""
    call = f"python -m {program()} {name.upper()}"
    lines = [f"{call} [--name=value ...]", "", description, "", f"{name.upper()} is one of", ""]
    lines += [f"  {word:<15}{title}" for word, title in titles.items()]
    return "\n".join([*lines, "", f"The flags of each: {call} --help"])
