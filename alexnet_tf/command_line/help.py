"""The text of --help: every flag by section, with its type, default and meaning."""

import dataclasses
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from alexnet_tf.config.fields import Setting, to_text, type_text
from alexnet_tf.networks.family.names import NETWORKS
from alexnet_tf.recipes import RECIPES

MAX_COLUMNS = 100
FAMILIES = {"recipe": RECIPES, "network.name": NETWORKS}
"""Settings whose choices are the names in a table."""


def help_text(
    settings: Sequence[Setting],
    description: str,
    default_of: Callable[[Setting], Any],
    word: str = "",
) -> str:
    """Writes the help of a command, no wider than the terminal.

    Args:
      settings: what can be typed, in this order, section by section.
      description: what the command does.
      default_of: the default of a setting; None or MISSING where there is none to show.
      word: what is typed before the flags, if anything.

    Returns:
      Lines, without a final newline.
    """
    columns = min(MAX_COLUMNS, shutil.get_terminal_size().columns)
    positional = [setting for setting in settings if setting.is_positional]
    usage = f"python -m {' '.join(filter(None, (program(), word)))} [--name=value ...]"
    lines = [usage + "".join(f" {setting.name.upper()}..." for setting in positional), ""]
    for paragraph in description.split("\n\n"):
        lines += [*textwrap.wrap(" ".join(paragraph.split()), columns), ""]
    for section in dict.fromkeys(setting.section for setting in settings):
        lines.append(f"{section or 'flags'}:")
        for setting in settings:
            if setting.section == section:
                lines += _entry(setting, default_of(setting), columns)
        lines.append("")
    return "\n".join(lines).rstrip()


def _entry(setting: Setting, default: Any, columns: int) -> list[str]:
    """Writes one flag, and below it what it means."""
    if setting.is_positional:
        head = f"  {setting.name.upper()}..."
    elif setting.kind is bool:
        head = f"  --[no]{setting.name}"
    else:
        choices = "|".join(FAMILIES.get(setting.name, ())) or type_text(setting.kind)
        head = f"  --{setting.name}={choices}"
    if default is dataclasses.MISSING:
        notes = "(required)"
    else:
        notes = f"(default: {to_text(default)})" if default not in (None, "", ()) else ""
    columns = max(columns, 20)
    body = textwrap.wrap(f"{setting.help} {notes}", columns - 6)
    heads = textwrap.wrap(head.replace("|", "| "), columns, subsequent_indent=" " * 6)
    return [*(x.replace("| ", "|") for x in heads), *("      " + x for x in body)]


def program() -> str:
    """Finds the module that is being run, such as alexnet_tf.train."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name if spec else "alexnet_tf.COMMAND"
