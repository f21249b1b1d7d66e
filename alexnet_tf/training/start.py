"""Where the first weights of a run come from: another run, converted weights, any program's file.

Weights are taken layer by layer, by the layer's name. Imports no TensorFlow.
"""

import dataclasses
import os
import pathlib
import shlex
import sys

import numpy as np

from alexnet_tf.config.layer_rows import Dense
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError, listed
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.training import checkpoint, converted
from alexnet_tf.training.selection import frozen_layers
from alexnet_tf.weights import formats, layouts, partial
from alexnet_tf.weights.layouts import Layout

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """Weights found at `run.start_from`."""

    what: str
    """The path, and the step of a run, for messages."""
    arrays: Arrays
    """Float32 weights by our names."""
    others: tuple[str, ...] = ()
    """Names of what else is there."""
    layout: Layout
    """The layout of the file: the order in which the first layer takes red, green and blue."""
    classes: tuple[str, ...] = ()
    """Names of the classes, where they are known."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """The first weights of a run."""

    arrays: Arrays
    """Weights to start from, by our names; missing ones are initialized."""
    lines: tuple[str, ...]
    """Sentences about which layers were taken and which are initialized."""


def check_place(config: Config) -> None:
    """Refuses a run directory with converted weights, and a `start_from` that does not exist.

    Raises:
      UserError: it is one of these; the message has the flags to type.
    """
    run_dir, source = pathlib.Path(config.run_dir), config.run.start_from
    if source and os.path.realpath(source) == os.path.realpath(run_dir):
        raise UserError(
            f"start_from={source!r} is the run_dir itself; expected another place. Leave "
            "--start_from out to go on with this run, or name another --run_dir."
        )
    last = checkpoint.read_last(run_dir / "checkpoints")
    if source and not last:  # a run that has begun never looks there again
        _check_exists(source)
    was_converted = last and last.step == 0 and last.config.recipe == converted.RECIPE
    if was_converted or converted.is_converted(run_dir):
        there, new = (shlex.quote(f"{run_dir}{end}") for end in ("", "-tuned"))
        raise UserError(
            f"run_dir={str(run_dir)!r} holds converted weights, which are no run; expected a new "
            f"directory for the run. Type --start_from={there} --run_dir={new} instead."
        )


def with_network(config: Config, source: str, run_dir: str) -> Config:
    """Takes network and input from a directory to start from, or from the run if it has begun.

    Args:
      config: the recipe's settings; the number of classes is kept.
      source: the value of `run.start_from`. A file has neither network nor input.
      run_dir: the run directory.

    Raises:
      UserError: the directory holds no weights.
      RunFailed: they are damaged.
    """
    is_directory = os.path.isdir(source)
    if not is_directory and (formats.format_of(source) or not os.path.lexists(run_dir)):
        return config
    last = checkpoint.read_last(pathlib.Path(run_dir) / "checkpoints")
    if last:
        network = last.config.network
    elif is_directory:
        network = checkpoint.load(source, name="start_from").config.network
        print(
            f"network and input are those of start_from={source!r}: {network.name}, "
            f"{network.input.size} of {network.input.resize} pixels, "
            f"{network.input.channel_order}; what is typed wins",
            file=sys.stderr,
        )
    else:
        return config
    network = network.with_num_classes(config.network.num_classes)
    return dataclasses.replace(config, network=network)


def load(config: Config, classes: tuple[str, ...]) -> Start:
    """Reads the first weights of a run.

    Args:
      config: resolved settings; `run.start_from` names the directory or file.
      classes: class names of the data.

    Raises:
      UserError: there are none, or they do not fit the network.
      RunFailed: they are damaged.
    """
    source, rows = config.run.start_from, [row for row in table(config.network) if row.arrays]
    picked = config.run.start_from_layers
    wanted = [row for row in rows if not picked or row.name in picked]
    found = _read(source, config.network, [row.name for row in wanted])
    taken: Arrays = {}
    for row in wanted:
        arrays = _arrays_of(row, found)
        if arrays and row is rows[-1] and not picked and _has_other_classes(row, arrays):
            continue
        _check_fits(row, arrays, source, is_picked=bool(picked))
        taken |= {f"{row.name}/{part}": array for part, array in arrays.items()}
    if not taken:
        raise UserError(
            f"start_from={source!r} has no weights of {config.network.name}'s layers "
            f"({', '.join(row.name for row in wanted)}); it has "
            f"{listed(_layers(found.arrays) or found.others)}. Name the network that "
            "it belongs to with --network.name."
        )
    lines = _lines(found, rows, taken, classes)
    stuck = [name for name in frozen_layers(config) if name not in _layers(taken)]
    if stuck:
        lines.append(f"frozen at random first weights: {', '.join(stuck)}")
    return Start(arrays=layouts.in_order(taken, found.layout, config.network), lines=tuple(lines))


def _read(source: str, network: NetworkConfig, layers: list[str]) -> Found:
    """Opens a directory or a file."""
    if os.path.isdir(source):
        stored = checkpoint.load(source, name="start_from")
        step = "" if stored.step is None else f", step {stored.step}"
        return Found(
            what=f"{source}{step}",
            arrays=stored.weights(),
            layout=Layout(channel_order=stored.config.network.input.channel_order),
            classes=stored.classes,
        )
    _check_exists(source)
    arrays, others, layout = partial.load(source, network, layers)
    return Found(what=source, arrays=arrays, others=tuple(others), layout=layout)


def _check_exists(source: str) -> None:
    if not os.path.exists(source):
        raise UserError(
            f"start_from={source!r}: there is no such file or directory; expected a run, converted "
            "weights, or a file with weights."
        )


def _layers(arrays: Arrays) -> list[str]:
    """Lists the layers that arrays belong to."""
    return list(dict.fromkeys(name.rpartition("/")[0] for name in arrays))


def _arrays_of(row: Row, found: Found) -> Arrays:
    """Selects the weights found for one layer, by the names of its parts."""
    pairs = ((name.rpartition("/"), array) for name, array in found.arrays.items())
    return {part: array for (layer, _, part), array in pairs if layer == row.name}


def _has_other_classes(row: Row, arrays: Arrays) -> bool:
    """Tells whether the output layer differs in the number of classes, and in that alone."""
    is_output = isinstance(row.layer, Dense) and not row.layer.units
    same = arrays.keys() == row.arrays.keys()
    same = same and all(arrays[part].shape[:-1] == row.arrays[part][:-1] for part in arrays)
    return is_output and same and _shapes(arrays) != row.arrays


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {part: array.shape for part, array in arrays.items()}


def _check_fits(row: Row, arrays: Arrays, source: str, is_picked: bool) -> None:
    """Refuses weights that do not fit their layer, and missing weights of a requested layer."""
    place = f"start_from={source!r}: {row.name}"
    if not arrays and is_picked:
        raise UserError(f"{place} is not in it. Leave it out of --start_from_layers.")
    if not arrays:
        return
    if arrays.keys() != row.arrays.keys():
        raise UserError(
            f"{place} has {', '.join(arrays)}, expected {', '.join(row.arrays)}. Name the layers "
            "to take with --start_from_layers."
        )
    for part, expected in row.arrays.items():
        if arrays[part].shape != expected:
            raise UserError(
                f"{place}/{part} has shape {arrays[part].shape}, expected {expected}. Name the "
                "network with --network.name, or the layers to take with --start_from_layers."
            )
        if not np.isfinite(arrays[part]).all():
            raise UserError(
                f"{place}/{part} has values that are not finite; expected weights. Take those of "
                "another run, or the layers that are good with --start_from_layers."
            )


def _lines(found: Found, rows: list[Row], taken: Arrays, classes: tuple[str, ...]) -> list[str]:
    """Says which layers were taken, which are initialized, and which are not used."""
    used = _layers(taken)
    anew = [row.name for row in rows if row.name not in used]
    left = [name for name in _layers(found.arrays) if name not in [row.name for row in rows]]
    words = [f"starting from {found.what}: {', '.join(used)}"]
    if anew:
        words.append(f"anew: {', '.join(anew)}")
    if left or found.others:
        words.append(f"not used: {listed([*left, *found.others])}")
    lines = ["; ".join(words)]
    last = rows[-1].name
    if last in used and found.classes and found.classes != classes:
        lines.append(
            f"{last} has the weights of other classes ({listed(found.classes)}); to "
            "start it anew leave it out of --start_from_layers"
        )
    return lines
