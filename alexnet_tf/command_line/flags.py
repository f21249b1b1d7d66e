"""Settings from the command line: flags, --help, exit codes. Imports neither TensorFlow nor Keras.

`train` resolves a whole Config (`parse_config`). Every other command declares a frozen dataclass of
its own arguments, and the settings it shares with a run (`parse`):

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Arguments:
        '''What the command does: the first words of its --help.'''
        run_dir: str
        '''A field without a default has to be given.'''

    def main(argv):
        call = flags.parse(argv, Arguments, shared=["data.source", "devices"])
        config = call.override(stored_config)   # what was typed wins over what the run stored
        import tensorflow as tf                 # only now: a mistake above answers at once
        return 0                                # the file ends with flags.run_command(main)
"""

import dataclasses
import inspect
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NoReturn, TypeVar

from absl import flags as absl_flags

from alexnet_tf.command_line import environment, mistakes, older_names, unused
from alexnet_tf.command_line.absl_flags import Flags
from alexnet_tf.command_line.help import help_text
from alexnet_tf.command_line.keras_backend import check_keras
from alexnet_tf.config.fields import (
    Setting,
    replaced,
    settings_of,
    to_text,
    value_at,
)
from alexnet_tf.config.run import Config
from alexnet_tf.errors import RunFailed, UserError, place_errors, user_errors
from alexnet_tf.networks.family.names import network
from alexnet_tf.recipes import recipe
from alexnet_tf.training import selection
from pipelines import interrupts

EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

NEVER_TAKEN_OVER = ("strategy", "devices", "towers", "workers", "data.stage")
"""Settings that no command takes from a run: `Config.elsewhere`."""

Arguments = TypeVar("Arguments")

CONFIG_FLAGS = {setting.name: setting for setting in settings_of(Config) if setting.is_flag}
"""Every setting of a run that can be typed, by name."""


@dataclasses.dataclass(frozen=True)
class Call(Generic[Arguments]):
    """A parsed command line."""

    arguments: Arguments
    """The command's own arguments."""
    typed: Mapping[str, Any]
    """The shared settings that were typed, by name; no others."""

    def override(self, config: Config) -> Config:
        """Copies a Config with the shared settings that were typed."""
        return override(config, self.typed)


def parse(
    argv: Sequence[str], owner: type[Arguments], shared: Iterable[str] = (), word: str = ""
) -> Call[Arguments]:
    """Reads the command line of a command that has arguments of its own.

    Prints the help and exits with 0 if it is asked for.

    Args:
      argv: what was typed after the command's name.
      owner: frozen dataclass of the arguments; its docstring and the strings under its fields are
        the help. A field with POSITIONAL metadata takes what is given without a name.
      shared: names of settings of Config, or of whole sections ("data"), that the command takes.
      word: what was typed before `argv`, for the help of commands with kinds.

    Raises:
      UserError: the command line has a mistake.
    """
    own = settings_of(owner)
    parts = tuple(shared)
    others = [x for x in CONFIG_FLAGS.values() if any(_is_within(x, part) for part in parts)]
    description = inspect.getdoc(owner) or ""
    _show_help_if_asked(argv, [*own, *others], description, _own_default(owner), word)
    typed = _scan(argv, [*own, *others])
    for setting in own:
        if setting.default is dataclasses.MISSING and typed.get(setting.name, "") in ("", ()):
            raise UserError(mistakes.missing(setting))
    with user_errors():
        values = {x.path[-1]: typed[x.name] for x in own if x.name in typed}
        arguments = owner(**values)
    names = {x.name for x in own}
    return Call(arguments, {name: x for name, x in typed.items() if name not in names})


def parse_config(argv: Sequence[str], description: str) -> Config:
    """Reads the command line of `train`: a whole Config.

    Precedence: the recipe; then network and input of a directory in --start_from; then
    --network.name, which replaces the whole network but for num_classes; then single fields. Prints
    the help and exits with 0 if it is asked for; says which typed settings change nothing.

    Args:
      argv: what was typed after the command's name.
      description: the first words of --help.

    Raises:
      UserError: the command line has a mistake.
    """
    every = list(CONFIG_FLAGS.values())
    _show_help_if_asked(argv, every, description, default_of=_default_in(argv))
    typed = _scan(argv, every)
    config = recipe(typed.pop("recipe", Config().recipe))
    if typed.get("start_from"):
        typed["start_from"] = os.path.normpath(typed["start_from"])
        if "network.name" not in typed:
            from alexnet_tf.training import start  # with NumPy, which other calls do not wait for

            run_dir = typed.get("run_dir") or config.run_dir
            config = start.with_network(config, typed["start_from"], run_dir)
    config = override(config, typed)
    selection.check(config)
    for remark in unused.remarks(config, typed):
        print(remark, file=sys.stderr, flush=True)
    return config


def override(config: Config, typed: Mapping[str, Any]) -> Config:
    """Copies a Config with typed settings, the network's name first.

    Args:
      config: where to start from.
      typed: values by setting name. --steps replaces epochs, and --epochs replaces steps.

    Raises:
      UserError: the values are refused, alone or together.
    """
    if "steps" in typed and "epochs" in typed:
        raise UserError(
            f"steps={typed['steps']}, epochs={to_text(typed['epochs'])}: expected one of the two, "
            "since each says how long to train. Leave one out."
        )
    values = {CONFIG_FLAGS[name].path: value for name, value in typed.items()}
    if typed.get("steps"):
        values["run", "epochs"] = 0.0
    elif "epochs" in typed:
        values["run", "steps"] = 0
    if "network.name" in typed:
        named = network(typed["network.name"])
        named = named.with_num_classes(config.network.num_classes)
        config = dataclasses.replace(config, network=named)
    with user_errors():
        return replaced(config, values)


def run_command(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Runs a command and exits: 0 done, 1 failed, 2 a mistake in the call, 130 interrupted.

    Only our own two errors, and those of the system about a place where this user may do nothing or
    about standard output, become one sentence on standard error; any other keeps its traceback.

    Args:
      main: takes what was typed after the command's name, returns an exit code.
    """
    environment.prepare()
    for stream in (sys.stdout, sys.stderr):  # names of files need not be UTF-8
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = environment.Messages(sys.stderr)
    try:
        interrupts.hear()
        environment.check()
        with place_errors():
            code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        environment.give_up(sys.stdout)
        code = EXIT_FAILED
    except UserError as error:
        print(error, file=sys.stderr)
        code = EXIT_MISTAKE
    except RunFailed as error:
        print(error, file=sys.stderr)
        code = EXIT_FAILED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except Exception as error:
        code = EXIT_FAILED
        if isinstance(error, OSError) and environment.is_of_output(error):
            print(
                f"Standard output could not be written: {error.strerror}. Make room where it "
                "leads, and run the same command again.",
                file=sys.stderr,
            )
        else:  # a fault of ours; other workers would wait while Python tidies up
            traceback.print_exc()
    environment.leave(code)


def _scan(argv: Sequence[str], settings: Sequence[Setting]) -> dict[str, Any]:
    """Finds the typed value of each setting; settings that were not typed are left out."""
    named = [setting for setting in settings if not setting.is_positional]
    names = [setting.name for setting in named]
    known = Flags([*named, *older_names.settings(named, CONFIG_FLAGS)])
    for word in argv:
        if word.lstrip("-").partition("=")[0] == "undefok":
            raise UserError(mistakes.unknown(word, names))
    try:
        _, *rest = known(["", *argv])
    except absl_flags.UnrecognizedFlagError as error:
        raise UserError(mistakes.unknown(error.flagvalue, names)) from error
    except (absl_flags.Error, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{error}. Write --name=value.") from error
    typed = {name: known[name].value for name in known if known[name].present}
    typed = older_names.renamed(typed, names)
    place = next((setting for setting in settings if setting.is_positional), None)
    if place and rest:
        typed[place.name] = tuple(rest)
    elif rest:
        raise UserError(mistakes.leftover(rest[0], names))
    for name, value in typed.items():
        mistakes.check_home(name, value)
    check_keras()
    return typed


def _is_within(setting: Setting, part: str) -> bool:
    return setting.name == part or setting.name.startswith(part + ".")


def _show_help_if_asked(
    argv: Sequence[str],
    settings: Sequence[Setting],
    description: str,
    default_of: Callable[[Setting], Any],
    word: str = "",
) -> None:
    if not {"--help", "-h", "-help"} & set(argv):
        return
    try:
        print(help_text(settings, description, default_of, word), flush=True)
    except BrokenPipeError:  # `--help | head`: what was read was enough
        environment.give_up(sys.stdout)
    sys.exit(0)


def _own_default(owner: type) -> Callable[[Setting], Any]:
    """Makes the function that finds the default of a command's own argument.

    For a shared setting it gives words instead: `shared_default` of the owner, where it has one, or
    what its `shared_defaults` say of that setting.
    """
    words = getattr(owner, "shared_default", "the run's own")
    others = getattr(owner, "shared_defaults", {})

    def default(x: Setting) -> Any:
        if CONFIG_FLAGS.get(x.name) != x or x.name in NEVER_TAKEN_OVER:
            return x.default
        return others.get(x.name, words)

    return default


def _default_in(argv: Sequence[str]) -> Callable[[Setting], Any]:
    """Makes the function that finds defaults under the recipe on the command line."""
    typed = re.findall(r"(?:^|\s)--?recipe[=\s]([^-\s]\S*)", " ".join(argv))
    config = recipe((typed or [Config().recipe])[-1])
    return lambda setting: value_at(config, setting.path)
