"""What an experiment has found so far, in a file: a part that is there is not made again."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from alexnet_tf.errors import RunFailed, UserError, listed, writing
from pipelines import files

_LONGEST = 60
"""Characters of a setting that a message quotes."""


class Parts:
    """Finished parts by name, whose file is replaced whole with each new one.

    Args:
      path: the file, of JSON; its directory exists.
      settings: what decides the values of all parts, as text by name.

    Attributes:
      values: what JSON can hold, by name.

    Raises:
      UserError: the file has parts that were made with other settings.
      RunFailed: it is damaged.
    """

    def __init__(self, path: pathlib.Path, settings: Mapping[str, str]):
        """Reads the file if there is one."""
        self._path, self._settings = path, dict(settings)
        self.values: dict[str, Any] = {}
        if not path.exists():
            return
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            before, self.values = dict(stored["settings"]), dict(stored["parts"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunFailed(
                f"{str(path)!r} cannot be read as a table: {error!r}. Expected it as it was "
                "written; remove it to begin anew."
            ) from error
        changed = [
            f"{name}={_short(before[name])} there, {_short(self._settings.get(name))} here"
            for name in sorted(before)  # earlier versions kept fewer
            if before[name] != self._settings.get(name)
        ]
        if changed:
            raise UserError(
                f"{str(path)!r} holds a table of other settings: {listed(changed)}. Expected the "
                "same. Use them, or name another --output."
            )

    def add(self, name: str, value: Any) -> None:
        """Keeps a part.

        Raises:
          RunFailed: the file cannot be written. The one before is unchanged.
        """
        self.values[name] = value
        with writing(self._path):
            stored = {"settings": self._settings, "parts": self.values}
            files.write_text(self._path, json.dumps(stored, indent=1))


def _short(value: str | None) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
