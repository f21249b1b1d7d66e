"""Settings as flags of absl, which splits the command line; the error messages are ours."""

from collections.abc import Iterable, Sequence
from typing import Any

from absl import flags as absl_flags

from alexnet_tf.config.fields import Setting, from_text
from alexnet_tf.errors import user_errors


class Parser(absl_flags.ArgumentParser):
    """Converts the text of one flag to its setting's value."""

    def __init__(self, setting: Setting):
        """Stores the setting."""
        self._setting = setting

    def parse(self, argument: str) -> Any:
        """Converts the text; refuses a flag where a value belongs, which absl would accept."""
        if argument.startswith("--"):
            raise ValueError(
                f"{self._setting.name}={argument}: expected a value before {argument}."
            )
        return from_text(self._setting.name, self._setting.kind, argument)


class Flag(absl_flags.Flag):
    """A flag whose errors name it as it is typed."""

    def _parse(self, argument: str) -> Any:
        with user_errors():
            return self.parser.parse(argument)


class Flags(absl_flags.FlagValues):
    """The flags of one command line; absl's own two, --flagfile and --undefok, are not among them.

    --undefok would let a misspelled flag pass in silence.
    """

    def __init__(self, settings: Iterable[Setting]):
        """Makes a flag for each setting."""
        super().__init__()
        self.set_gnu_getopt(True)  # flags may follow what has no name
        for setting in settings:
            parser, is_bool = Parser(setting), setting.kind is bool
            self[setting.name] = Flag(
                parser,
                None,
                setting.name,
                None,
                setting.name,
                None,
                is_bool,
                allow_using_method_names=True,
            )

    def read_flags_from_files(self, argv: Sequence[str], force_gnu: bool = True) -> list[str]:
        """Returns the words unchanged: --flagfile is unknown here."""
        return list(argv)
