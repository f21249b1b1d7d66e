"""What every command shares: its own arguments, help, exit codes, the backend it needs."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from alexnet_tf import benchmark, evaluate, experiment, summary
from alexnet_tf.command_line import environment, flags
from alexnet_tf.config.fields import POSITIONAL
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.recipes import recipe
from pipelines.config import OnError, Views


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Answers for pictures."""

    model: str
    """What answers."""
    views: Views = Views.CENTER
    """What is seen."""
    json: bool = False
    """For programs."""
    images: tuple[str, ...] = dataclasses.field(default=(), metadata=POSITIONAL)
    """Files."""


SHARED = ("data.source", "data.on_error", "devices", "strategy", "network.input")


def test_a_command_gets_its_own_arguments_and_what_was_typed_of_a_run():
    typed = "--model=m a.jpg --data.on_error=skip --json b.jpg --views=ten --devices=cpu:1"
    call = flags.parse(typed.split(), Arguments, SHARED)
    assert call.arguments == Arguments(
        model="m", views=Views.TEN, json=True, images=("a.jpg", "b.jpg")
    )
    stored = recipe("paper")
    config = call.override(stored)
    assert config.data == dataclasses.replace(stored.data, on_error=OnError.SKIP)
    assert config.run == dataclasses.replace(stored.run, devices=("cpu:1",))
    assert config.network == stored.network


def test_words_after_two_dashes_are_no_flags():
    call = flags.parse(["--model=m", "--", "--odd.jpg"], Arguments)
    assert call.arguments.images == ("--odd.jpg",)


@pytest.mark.parametrize(
    "typed, message",
    [
        ("", "model: expected a value. Add --model=VALUE"),
        ("--model=", "model: expected a value."),
        ("--model=m --seed=3", "--seed=3: expected one of this command's flags."),
        ("--model=m --views=twelve", "views=twelve: expected one of center, ten."),
    ],
)
def test_a_command_refuses_what_it_does_not_take(typed, message):
    with pytest.raises(UserError, match=message):
        flags.parse(typed.split(), Arguments, SHARED)


def test_pictures_without_a_default_have_to_be_given():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Needed:
        images: tuple[str, ...] = dataclasses.field(metadata=POSITIONAL)

    with pytest.raises(UserError, match="images: expected at least one."):
        flags.parse([], Needed)


@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_shows_every_flag_with_its_text_and_fits(asked, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        flags.parse_config(["--recipe=paper", asked], "Trains.")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 80
    words = " ".join(shown.split())
    for setting in flags.CONFIG_FLAGS.values():
        assert setting.help in words
        assert f"--{setting.name}=" in shown or f"--[no]{setting.name}\n" in shown
    assert "--optimizer.schedule=step|plateau|auto2012|cosine|constant" in shown
    assert "--recipe=quickstart|imagenette|imagenette_modern|paper" in shown
    assert "(default: folder:imagenet)" in words  # the default under this recipe


def test_help_of_a_command_shows_its_own_and_the_shared_flags(capsys):
    with pytest.raises(SystemExit):
        flags.parse(["--help"], Arguments, SHARED)
    shown = capsys.readouterr().out
    for part in ("IMAGES...", "Answers for pictures.", "--model=TEXT", "(required)", "--views="):
        assert part in shown
    for part in ("--views=center|ten", "--[no]json", "--data.source=TEXT", "--network.input.size="):
        assert part in shown
    assert "(default: the run's own)" in " ".join(shown.split())
    assert "--seed" not in shown


@pytest.mark.parametrize(
    "error, code",
    [(UserError("steps=x: no."), 2), (RunFailed("step=3: no."), 1), (KeyboardInterrupt(), 130)],
)
def test_our_errors_become_one_line_and_an_exit_code(error, code, capsys):
    def main(argv):
        raise error

    with pytest.raises(SystemExit) as stop:
        flags.run_command(main)
    assert stop.value.code == code
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "make, said",
    [
        (
            lambda: pathlib.Path("x" * 300).is_dir(),
            "File name too long; expected a place that this",
        ),
        (
            lambda: raised(PermissionError(13, "Permission denied", "/y")),
            "'/y': Permission denied;",
        ),
    ],
)
def test_a_place_where_this_user_may_do_nothing_is_one_sentence(make, said, capsys):
    with pytest.raises(SystemExit) as stop:
        flags.run_command(lambda argv: make())
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def raised(error):
    raise error


def test_names_that_are_no_utf8_are_printed_in_any_case():
    code = """if True:
        from alexnet_tf.command_line import flags
        flags.run_command(lambda argv: print("a\\udcff") or 0)
    """
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert (done.stdout, done.stderr) == (b"a\\udcff\n", b"")


def test_help_does_not_say_of_a_device_that_a_run_chose_it(capsys):
    for module, gone in ((evaluate, "run's own"), (summary, "run's own"), (benchmark, "run's own")):
        with pytest.raises(SystemExit):
            module.main(["--help"])
        text = " ".join(capsys.readouterr().out.split())
        for name in ("strategy", "towers", "network.name", "data.stage"):
            _, there, after = text.partition(f" --{name}=")
            assert gone not in after.partition(" --")[0], (module.__name__, name)
    assert "(default: noise)" in text


@pytest.mark.parametrize("typed", [["--recipe", "paper"], ["-recipe=paper"]])
def test_help_follows_the_recipe_however_it_is_typed(typed, capsys):
    with pytest.raises(SystemExit):
        flags.parse_config([*typed, "--help"], "Trains.")
    assert "(default: folder:imagenet)" in " ".join(capsys.readouterr().out.split())


def test_help_fits_into_no_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "6")
    with pytest.raises(SystemExit):
        flags.parse(["--help"], Arguments, SHARED)
    assert "--model" in capsys.readouterr().out


def test_other_errors_keep_their_traceback(capsys):
    def main(argv):
        raise ValueError("of Keras")

    with pytest.raises(SystemExit, match="^1$"):
        flags.run_command(main)
    lines = capsys.readouterr().err.splitlines()
    assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", "ValueError: of Keras")


def test_a_wrong_flag_answers_with_exit_code_2_before_tensorflow_is_loaded():
    code = (
        "import sys; from alexnet_tf.command_line import flags\n"
        "try: flags.run_command(lambda argv: flags.parse_config(argv, 'Trains.'))\n"
        "finally: print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--stepz=3"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout) == (2, "[]\n")
    assert done.stderr.count("\n") == 1 and "Did you mean --steps?" in done.stderr


@pytest.mark.parametrize(
    "redirected, code, said",
    [
        ("2>&-", 0, ""),
        (">&-", 0, "layers of paper"),
        ("<&- >&- 2>&-", 0, ""),
        (">/dev/full", 1, "Standard output could not be written: No space left on device. Make ro"),
    ],
)
def test_files_that_the_shell_has_closed_or_filled_end_in_no_traceback(redirected, code, said):
    words = f"{sys.executable} -m alexnet_tf.summary --json {redirected}"
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True, timeout=100)
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr
    if code:
        assert done.stderr.splitlines()[-1].startswith(said)


@pytest.mark.parametrize(
    "word", ["--run_dir=~/x", "--data.source=folder:~/x", "--start_from=~", "--workers=a:1,~/b"]
)
def test_a_home_that_the_shell_has_not_written_out_is_refused(word):
    text = "expected a path, but the shell leaves ~ as it is behind an equals sign. Write"
    with pytest.raises(UserError, match=text):
        flags.parse_config([word], "Trains.")
    flags.parse_config(["--run_dir=a~/x~", "--data.source=folder:/x/~y"], "Trains.")


def test_a_command_starts_once_more_with_huge_pages_and_only_once():
    without = {name: x for name, x in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-X", "importtime", "-m", "alexnet_tf.train", "--nowhere=1"]
    began = subprocess.run(command, env=without, capture_output=True, text=True, timeout=60)
    assert began.returncode == 2
    assert began.stderr.count("alexnet_tf.command_line.environment\n") == 2
    again = subprocess.run(
        command, env=without | {"GLIBC_TUNABLES": ""}, capture_output=True, text=True, timeout=60
    )
    assert again.stderr.count("alexnet_tf.command_line.environment\n") == 1


def test_where_standard_error_leads_nowhere_the_work_goes_on():
    reader, writer = os.pipe()
    os.close(reader)
    messages = environment.Messages(os.fdopen(writer, "w", buffering=1))
    for _ in range(3):
        assert messages.write("a line\n") == 7
        messages.flush()
    assert os.readlink(f"/proc/self/fd/{messages.fileno()}") == "/dev/null"
    assert not messages.isatty()
    messages.close()


@pytest.mark.parametrize("name", environment.THREADS)
@pytest.mark.parametrize("text", ["-5", "abc", "1.5"])
def test_threads_that_tensorflow_would_not_take_are_refused(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(UserError, match=f"{name}={text}: expected a whole number of threads, or"):
        environment.check()
    monkeypatch.setenv(name, "2")
    environment.check()


def test_a_list_takes_no_more():
    with pytest.raises(UserError, match="depth: expected nothing behind --list. Leave it out."):
        experiment.main(["--list", "depth"])


@pytest.mark.parametrize("command", ["alexnet_tf.train", "pipelines.prepare"])
def test_ctrl_c_while_modules_are_imported_is_no_traceback(command):
    package = command.partition(".")[0]
    run = [sys.executable, "-v", "-m", command, "--help"]  # -v says what has been imported
    with subprocess.Popen(run, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        for line in process.stderr:
            if line.startswith(f"import '{package}'".encode()):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode in (-signal.SIGINT, 130)
    assert b"Traceback" not in rest
