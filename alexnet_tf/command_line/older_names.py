"""Flags under the names that they had before: every command that had one reads it."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.config.fields import OLDER_NAMES, Setting, to_text
from alexnet_tf.errors import UserError


def settings(own: Sequence[Setting], every: Mapping[str, Setting]) -> list[Setting]:
    """Makes settings of the older names that a command reads.

    These are the names of its settings, and those of sections that it takes: a command that takes
    network.* reads network.towers, even if it has no setting towers.

    Args:
      own: the command's settings.
      every: those of a run, by name.
    """
    names = {setting.name for setting in own} | {setting.section for setting in own}
    return [
        dataclasses.replace(every[name], path=tuple(older.split(".")))
        for older, name in OLDER_NAMES.items()
        if {name, older.rpartition(".")[0]} & names
    ]


def renamed(typed: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Renames what was typed under an older name to the present one.

    What is none of the command's `names` now is left out, and standard error says so.

    Raises:
      UserError: both names were typed, with different values.
    """
    found = {OLDER_NAMES.get(name, name): value for name, value in typed.items()}
    for older, name in OLDER_NAMES.items():
        if older in typed and typed.get(name, typed[older]) != typed[older]:
            raise UserError(
                f"{name}={to_text(typed[name])}, {older}={to_text(typed[older])}: expected one of "
                f"the two, since {older} is the older name of {name}. Leave it out."
            )
        if older in typed and name not in names:
            value = to_text(found.pop(name))
            print(
                f"{older}={value} changes nothing here: it is --{name} of a run now. Leave it out.",
                file=sys.stderr,
                flush=True,
            )
    return found
