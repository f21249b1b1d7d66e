"""The range test: trains while the learning rate rises, and suggests one (Smith 2015).

It runs the ordinary loop in OUTPUT/range-test, with new weights, and removes that folder at the
end. No run is written to, wherever its settings come from.
"""

import dataclasses
import json
import pathlib
import shutil
import sys
from typing import Any

import keras

from alexnet_tf.config import json_form
from alexnet_tf.config.optimizer import Schedule
from alexnet_tf.config.run import Config
from alexnet_tf.directory_lock import Lock
from alexnet_tf.errors import NotFinite, UserError, user_errors
from alexnet_tf.experiments import curves
from alexnet_tf.figures import canvas
from alexnet_tf.recipes import recipe
from alexnet_tf.training import run_directory
from alexnet_tf.training.run import run
from pipelines.sources.apart import check_pictures_apart

SMOOTHED = 0.9
"""Part of itself that the running mean of the loss keeps at each step."""
RUNS_AWAY = 4.0
"""The test ends where the smoothed loss is so many times the lowest before."""
LAST_PART = 0.1
"""Of the steps: a minimum there may be noise on a loss that still falls."""
LEAST_FALL = 0.05
"""Part of the first smoothed loss by which it has to fall somewhere, else nothing is suggested."""
DIVISOR = 10.0
RULE = (
    f"a {DIVISOR:g}th of the rate at which the loss, smoothed by a running mean that keeps "
    f"{SMOOTHED:g} of itself at each step, is lowest; none where it falls by less than "
    f"{LEAST_FALL:.0%} of what it begins with, or never runs away and is lowest in the last "
    f"{LAST_PART:.0%} of the steps"
)


@dataclasses.dataclass(frozen=True)
class Curve:
    """What a range test saw, step by step."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Of the training examples of one step, in nats."""

    @property
    def smoothed(self) -> tuple[float, ...]:
        """Running means of the losses, without the pull toward 0 of a mean that begins there."""
        found, mean = [], 0.0
        for place, loss in enumerate(self.losses, 1):
            mean = SMOOTHED * mean + (1 - SMOOTHED) * loss
            found.append(mean / (1 - SMOOTHED**place))
        return tuple(found)

    def runs_away(self) -> bool:
        """Tells whether the loss has left what it was."""
        smoothed = self.smoothed
        return bool(smoothed) and smoothed[-1] > RUNS_AWAY * min(smoothed)

    def suggestion(self, is_whole: bool) -> tuple[float | None, str]:
        """Suggests a rate by RULE.

        Args:
          is_whole: whether the loss never ran away, so that a higher rate might be better still.

        Returns:
          the rate, None where none can be suggested; and why, a sentence.
        """
        smoothed = self.smoothed
        if not smoothed:
            return None, "No step ended with a finite loss."
        lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
        if smoothed[lowest] > (1 - LEAST_FALL) * smoothed[0]:
            return None, f"The loss never fell by {LEAST_FALL:.0%}: give it more steps."
        if is_whole and lowest >= min(len(smoothed) - 1, (1 - LAST_PART) * len(smoothed)):
            return None, "The loss still falls at the highest rate: raise it."
        return self.rates[lowest] / DIVISOR, f"The loss is lowest at {self.rates[lowest]:.3g}."


def settings(run_dir: str, name: str) -> Config:
    """Takes the settings of a run or of a recipe.

    Args:
      run_dir: a run's directory, which is only read; empty for the recipe.
      name: of the recipe; empty for imagenette.

    Raises:
      UserError: there is no such run or recipe, or both are named.
    """
    if not run_dir:
        return recipe(name or "imagenette")
    if name:
        raise UserError(
            f"run_dir={run_dir!r}, recipe={name}: expected one of the two, since each brings all "
            "settings. Leave one out."
        )
    stored = run_directory.read_json(pathlib.Path(run_dir) / "config.json")
    if not stored:
        raise UserError(
            f"run_dir={run_dir!r}: expected a run to take the settings of, but there is no "
            "config.json in it. Name the directory of a run, or a --recipe."
        )
    config = json_form.from_json(stored).elsewhere()
    new = {"start_from": "", "start_from_layers": (), "freeze": ()}  # its weights are not taken
    return dataclasses.replace(config, run=dataclasses.replace(config.run, **new))


def rising(
    config: Config, run_dir: pathlib.Path, lowest: float, highest: float, steps: int
) -> Config:
    """Copies settings for a run whose rate rises exponentially, and which logs every step."""
    optimizer = dataclasses.replace(
        config.optimizer,
        schedule=Schedule.RANGE,
        learning_rate=highest / config.rate_factor,
        drop_factor=highest / lowest,
        warmup_epochs=0.0,
    )
    return dataclasses.replace(
        config,
        optimizer=optimizer,
        run=dataclasses.replace(
            config.run,
            run_dir=str(run_dir),
            steps=steps,
            epochs=0.0,
            log_every_steps=1,
            evaluate_every_epochs=1_000_000,
            stop_after_stalled_epochs=0,
            save_every_seconds=1e9,
            tensorboard=False,
        ),
    )


class _StopAway(keras.callbacks.Callback):
    """Ends a run where the loss runs away."""

    def __init__(self, place: pathlib.Path):
        """Takes the run's directory."""
        super().__init__()
        self._place = place

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the curve."""
        self.model.stop_training = _curve(self._place).runs_away()


def run_range(
    config: Config, output: pathlib.Path, lowest: float, highest: float, steps: int
) -> tuple[int, dict[str, Any]]:
    """Runs the test and writes range.json, range.csv and range.png into `output`.

    Args:
      config: settings of the training.
      output: made where it is missing; what an earlier test wrote there is replaced.
      lowest: the rate of the first step.
      highest: that of the last.
      steps: how many.

    Returns:
      the exit code, 129, 130 or 143 after a signal, which leaves no files; and, without a signal,
      suggestion (to be typed as optimizer.learning_rate, None where there is none), rate (what it
      comes to with batch_scaling), why, rule, steps.

    Raises:
      UserError: `output` holds a run, matplotlib is missing, or a mistake in the settings or data.
      RunFailed: a file cannot be written.
    """
    if (output / "config.json").exists() or (output / "checkpoints").exists():
        raise UserError(
            f"output={str(output)!r} holds a run, which a range test never touches; expected "
            "another directory. Name one with --output."
        )
    with user_errors():
        check_pictures_apart(str(output), config.data.source)
    with canvas.figure(8, 8):
        pass  # before anything is trained: matplotlib may be missing
    place = output / "range-test"
    _check_ours(place)
    with user_errors():
        config = rising(config, place, lowest, highest, steps)
    with Lock(output, "output"):
        try:
            _remove(place)
            try:
                code, _ = run(config, [_StopAway(place)])
            except NotFinite as error:
                code = 0
                print(f"{str(error).partition('. ')[0]}.", file=sys.stderr, flush=True)
            found = _curve(place)
        finally:
            _remove(place)
    if code:
        return code, {}
    rate, why = found.suggestion(len(found.rates) == steps and not found.runs_away())
    suggestion = None if rate is None else rate / config.rate_factor
    result = {"suggestion": suggestion, "rate": rate, "why": why, "rule": RULE}
    result["steps"] = len(found.rates)
    _write(output, result, found)
    said = "no suggestion" if rate is None else f"suggestion: {suggestion:.3g}"
    if rate and config.rate_factor != 1:
        said += f", which optimizer.batch_scaling makes {rate:.3g}"
    print(f"{said}. {why} Rule: {RULE}.", file=sys.stderr, flush=True)
    return 0, result


def _check_ours(place: pathlib.Path) -> None:
    """Refuses to remove a folder that no range test has left.

    Raises:
      UserError: something else is there.
    """
    stored = run_directory.read_json(place / "config.json")
    is_ours = stored and stored.get("optimizer", {}).get("schedule") == Schedule.RANGE
    is_begun = place.exists() and any(x.name != "lock" for x in place.iterdir())
    if is_begun and not is_ours:  # a lock alone: killed before its settings were written
        raise UserError(
            f"{str(place)!r} is where a range test trains, but something else is there; expected "
            "nothing. Name another --output."
        )


def _remove(place: pathlib.Path) -> None:
    """Removes what a range test has left: first its name, so that a kill leaves nothing halfway."""
    trash = place.with_name(f".{place.name}-removed")
    shutil.rmtree(trash, ignore_errors=True)
    if place.exists():
        place.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)


def _curve(place: pathlib.Path) -> Curve:
    """Reads the steps that ended with a finite loss."""
    lines = curves.read_lines(place / "metrics.jsonl")
    lines = [line for line in lines if line.get("train/loss") is not None]
    columns = ("train/learning_rate", "train/loss")
    return Curve(*(tuple(line[name] for line in lines) for name in columns))


def _write(output: pathlib.Path, result: dict, found: Curve) -> None:
    """Writes the curve in three forms."""
    rows = list(zip(found.rates, found.losses, found.smoothed, strict=True))
    names = ("learning_rate", "loss", "smoothed_loss")
    points = [dict(zip(names, row, strict=True)) for row in rows]
    run_directory.write_text(output / "range.json", json.dumps(result | {"curve": points}))
    lines = [names, *rows]
    text = "\n".join(",".join(map(str, line)) for line in lines)
    run_directory.write_text(output / "range.csv", text)
    run_directory.write_bytes(output / "range.png", _picture(result["rate"], found))


def _picture(suggestion: float | None, found: Curve) -> bytes:
    """Draws the curve as a PNG; what has run away may lie outside."""
    with canvas.figure(860, 480) as page:
        axes = page.add_subplot()
        axes.plot(found.rates, found.losses, color="#bbbbbb", linewidth=1, label="each step")
        axes.plot(found.rates, found.smoothed, color=canvas.COLORS[0], label="running mean")
        if suggestion is not None:
            style = {"color": canvas.COLORS[1], "linestyle": "--"}
            axes.axvline(suggestion, label=f"suggestion {suggestion:.2g}", **style)
        if found.rates:
            low, high = min(found.smoothed), found.smoothed[0]
            axes.set_ylim(max(0, low - 0.5), 2 * high - low + 0.5)
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss (nats)")
        axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
        axes.legend()
        return canvas.png(canvas.pixels(page))
