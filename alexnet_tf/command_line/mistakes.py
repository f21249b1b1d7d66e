"""Sentences about what was typed."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from alexnet_tf.config.fields import Setting
from alexnet_tf.errors import UserError


def check_home(name: str, value: Any) -> None:
    """Refuses a ~ that no shell has replaced: it would be a folder of that name, here."""
    texts = value if isinstance(value, tuple) else (value,)
    text = next((x for x in texts if isinstance(x, str) and re.search(r"(^|[:=])~(/|$)", x)), None)
    if text is not None:
        raise UserError(
            f"{name}={text}: expected a path, but the shell leaves ~ as it is behind an equals "
            "sign. Write $HOME instead."
        )


ELSEWHERE = {"lr": "optimizer.learning_rate", "gpu": "devices", "gpus": "devices"}
"""Flags of other programs, and what those are called here."""


def unknown(word: str, names: Sequence[str]) -> str:
    """Says that there is no such flag, and which ones are similar."""
    name = word.lstrip("-").partition("=")[0]
    last = name.rpartition(".")[2]
    close = [known for known in names if known.rpartition(".")[2] == last]
    close = close or [x for x in [ELSEWHERE.get(name)] if x in names]
    close = close or difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean --{' or --'.join(close)}?" if close else "--help lists all of them."
    return f"{word}: expected one of this command's flags. {hint}"


def leftover(word: str, names: Sequence[str]) -> str:
    """Says that no word without dashes is expected."""
    name = word.partition("=")[0]
    hint = f"Write --{word}." if name in names and name != word else "Write --name=value."
    return f"{word}: expected nothing but flags. {hint}"


def missing(setting: Setting) -> str:
    """Says that a setting has to be given."""
    if setting.is_positional:
        return f"{setting.name}: expected at least one. Give them after the flags; see --help."
    return f"{setting.name}: expected a value. Add --{setting.name}=VALUE; see --help."
