"""Shows what a network has learned: python -m alexnet_tf.visualize WHAT --run_dir=RUN --output=DIR.

Each WHAT writes a picture WHAT.png and the numbers behind it, WHAT.json and WHAT.npz. `all` writes
them all and index.html, a page that opens offline. The last line of standard output is
one JSON object (BUILD.md, "JSON").
"""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence

from alexnet_tf.command_line import flags, kinds
from alexnet_tf.errors import RunFailed, UserError, make_output, user_errors, writing
from alexnet_tf.figures import canvas
from alexnet_tf.laboratory.settings import EXHIBITS, All, Common
from pipelines import files
from pipelines.config import OnError

SHARED = ("data.source", "data.held_out", "data.on_error", "data.max_megapixels", "data.stage")
SHARED += ("devices", "network.name")
KINDS = EXHIBITS | {"all": All}
OF_THE_SET = ("filters", "embedding", "confusion", "mistakes", "calibration", "correspondence")
"""Do not look at --images."""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    shared = dict.fromkeys(KINDS, SHARED)
    called = kinds.parse(argv, "what", KINDS, shared, "Shows what a network has learned.")
    if called is None:
        return 0
    what, call = called
    settings = call.arguments
    if settings.run_dir and "network.name" in call.typed:
        raise UserError(
            f"network.name={call.typed['network.name']}: expected nothing with --run_dir, whose "
            "network is known. Leave it out."
        )
    needed = {"network.name": "NAME", "data.source": "folder:DIR"}
    missing = [f"--{name}={value}" for name, value in needed.items() if name not in call.typed]
    if settings.start_from and missing:
        raise UserError(
            f"start_from={settings.start_from!r}: expected the network and pictures to show it "
            f"as well. Add {' and '.join(missing)}."
        )
    if what != "filters":
        canvas.need_matplotlib()
    if settings.images and what in OF_THE_SET:
        about = "the network's weights" if what == "filters" else "the set of pictures"
        print(f"images: {what} is about {about}, so they play no part", file=sys.stderr)
    from alexnet_tf.laboratory.opening import open_subject  # TensorFlow starts here
    from pipelines.sources.apart import check_pictures_apart

    typed = {"data.on_error": OnError.SKIP} | call.typed  # whatever training had to do
    subject = open_subject(settings, lambda config: flags.override(config, typed))
    output = pathlib.Path(settings.output)
    with user_errors():
        check_pictures_apart(settings.output, subject.config.data.source)
    make_output(output)
    if what == "all":
        print(f"pictures: {subject.named_set}", file=sys.stderr, flush=True)  # early, if none
    for sentence in subject.given[1] if subject.files else ():
        print(f"left out: {sentence}", file=sys.stderr, flush=True)
    code, shown = (_show_all if what == "all" else _show)(subject, settings, output)
    result = {"what": what, "output": settings.output, "network": subject.what}
    print(json.dumps(result | shown), flush=True)
    return code


def _show(subject, settings: Common, output: pathlib.Path) -> tuple[int, dict]:
    """Shows one exhibit; the exit code, and what the last line says of it."""
    from alexnet_tf.laboratory import exhibits

    made = exhibits.SHOW[type(settings)](subject, settings)
    return 0, {"files": _written(made, output), "left_out": [], "numbers": made.numbers}


def _show_all(subject, settings: All, output: pathlib.Path) -> tuple[int, dict]:
    """Shows what the network and the set allow, and writes the page.

    Returns:
      the exit code, 1 where something is damaged; and what the last line says.

    Raises:
      UserError: nothing can be shown.
    """
    from alexnet_tf.laboratory import exhibits, page

    made, written, left_out, code = [], [], [], 0
    for name, kind in EXHIBITS.items():
        try:
            made.append(exhibits.SHOW[kind](subject, _as(kind, settings)))
        except (UserError, RunFailed) as error:
            code = max(code, int(isinstance(error, RunFailed)))
            left_out.append(f"{name}: {error}")
            print(f"left out: {left_out[-1]}", file=sys.stderr, flush=True)
        else:
            written += _written(made[-1], output)
    if not made:
        raise UserError(f"nothing of {subject.what} can be shown. {left_out[0]}")
    text = page.page(subject.what, _pictures(subject), made, left_out)
    with writing(output / "index.html"):
        files.write_bytes(output / "index.html", text.encode("utf-8", "replace"))
    return code, {"files": [*written, "index.html"], "left_out": left_out, "numbers": {}}


def _written(made, output: pathlib.Path) -> list[str]:
    """Writes an exhibit and says what is seen there; the names of its files."""
    names = made.write(output)
    print(f"{made.name}: {made.seen}", file=sys.stderr, flush=True)
    return names


def _pictures(subject) -> str:
    """Says for the head of the page which pictures there are."""
    whole = f"{subject.source.num_examples} pictures of {subject.named_set}"
    if not subject.files:
        return f"{whole}."
    return f"{subject.told(subject.given[0])}; where a set is needed, {whole}."


def _as(kind: type[Common], settings: All) -> Common:
    """Takes what `all` was given as the settings of one exhibit."""
    names = {x.name for x in dataclasses.fields(All)} & {x.name for x in dataclasses.fields(kind)}
    return kind(**{name: getattr(settings, name) for name in names})


if __name__ == "__main__":
    flags.run_command(main)
