"""How a network came to be what it is: maps and weights at the checkpoints that a run kept."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.figures import grids, plots, sheets
from alexnet_tf.figures.canvas import COLORS
from alexnet_tf.laboratory import maps
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.picking import equally_apart
from alexnet_tf.laboratory.settings import Evolution
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.laboratory.units import deconvnet, deconvnet_page
from alexnet_tf.laboratory.units.winners import windows_of, winners
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights
from alexnet_tf.networks.tables.shapes import Row
from alexnet_tf.training import checkpoint
from alexnet_tf.training.stored import Checkpoint

ABOUT = About(
    title="How maps came to be (evolution)",
    method=(
        "At each checkpoint that --keep_epochs kept, the strongest activation of a map over all "
        "pictures is projected down to pixels by the deconvnet, through that checkpoint's weights, "
        "and stretched around gray by its own 99.5th percentile of magnitudes. Response "
        "normalization is passed straight through. The maps are evenly spread over those that "
        "respond at the last of the checkpoints. The curves have, for each layer, the Euclidean "
        "distance of its kernel to that of the checkpoint before, divided by the length of the "
        "later one. A map has settled when its strongest picture is that of the last checkpoint; "
        "the share is of all maps that respond there."
    ),
    source="Zeiler and Fergus 2013, section 4 and figure 4",
    limits=(
        "A sudden change of a projection often means that another picture has become the "
        "strongest. Stretching hides how strong an activation is. Distances depend on the rate of "
        "learning and on how many epochs lie between two checkpoints, so compare layers, not "
        "times; a kernel may move and the layer still do the same, as before a normalization. "
        "Near the end the rate is small, so everything has settled there, whatever it learned."
    ),
)
CELL_PIXELS, MOST_CELLS = 80, 16
"""Side of a projection, and how many stand in a row."""


class Layer(NamedTuple):
    """What is shown of a layer at E checkpoints."""

    maps: np.ndarray
    """int64 [M]."""
    picture: np.ndarray
    """int64 [E, M]; numbers of the strongest pictures."""
    activation: np.ndarray
    """float32 [E, M]."""
    cell: np.ndarray
    """uint8 [E, M, side, side, 3]; the projections as they are drawn."""
    settled: np.ndarray
    """float64 [E]; the share of the layer's maps whose strongest picture is that of the end."""


def show(subject: Subject, settings: Evolution) -> Exhibit:
    """Draws maps at each kept checkpoint, and how far weights moved between them.

    Raises:
      UserError: fewer than two checkpoints were kept, or a layer does not exist or has no maps.
      RunFailed: a checkpoint is damaged.
    """
    kept = checkpoint.kept(settings.run_dir) if settings.run_dir else []
    if len(kept) < 2:
        raise UserError(
            f"{settings.shown} has {len(kept)} checkpoints of chosen epochs; expected a run with "
            "two or more. Train it with --keep_epochs, such as --keep_epochs=1,2,5,10."
        )
    names = settings.layer or tuple(maps.convolutions(subject))
    rows = {name: maps.activated(subject, name) for name in names}
    epochs = [stored.kept_epoch for stored in kept]
    found, num_seen = _over_time(subject, kept, rows, settings.maps)
    moves = moved(subject.rows, kept)
    return Exhibit(
        name="evolution",
        about=ABOUT,
        seen=_told(subject, num_seen, settings.run_dir, epochs, found, moves),
        picture=_page(epochs, found, moves),
        numbers={
            "epochs": epochs,
            "maps": {name: layer.maps.tolist() for name, layer in found.items()},
            "settled": {name: layer.settled.tolist() for name, layer in found.items()},
            "moved": moves,
        },
        arrays={
            f"{name}/{key}": getattr(layer, key)
            for name, layer in found.items()
            for key in ("maps", "picture", "activation", "cell")
        },
    )


def _over_time(
    subject: Subject, kept: Sequence[Checkpoint], rows: Mapping[str, Row], count: int
) -> tuple[dict[str, Layer], int]:
    """Projects the strongest activation of some maps of each layer at each checkpoint.

    Returns:
      What is shown of each layer, and how many pictures were seen.
    """
    opened = subject.source, subject.split  # once for all checkpoints
    model = alexnet(subject.config.network)
    then = dataclasses.replace(subject, model=model, opened=lambda: opened)
    projects = {name: deconvnet.projector(then, row.name, False) for name, row in rows.items()}
    all_responding, at_the_end, found = {}, {}, {name: [] for name in rows}
    for stored in reversed(kept):  # the last one says which maps respond
        assign(named_weights(then.model), stored.weights())
        best, num_seen = winners(then, [row.name for row in rows.values()])
        for name, row in rows.items():
            strength, number = best[row.name].strength[0], best[row.name].number[0]
            responding = all_responding.setdefault(name, _responding(strength))
            settled = (number == at_the_end.setdefault(name, number)) & (strength > 0)
            units = responding[equally_apart(len(responding), count)]
            down, places, activation = projects[name](
                windows_of(then, number[units]), units, np.full(len(units), -1)
            )
            places = np.stack(np.unravel_index(places, row.output_shape[:2]), axis=1)
            parts = [deconvnet_page.part(then.rows, row.name, x) for x in places.tolist()]
            down = deconvnet_page.cut(deconvnet.colors(then, down), parts)
            down[activation <= 0] = 0
            cell = deconvnet_page.cells(down, down, parts, CELL_PIXELS)[:, 0]
            shown = units, number[units], activation, cell, settled[responding].mean()
            found[name].insert(0, shown)
    layers = {}
    for name, of in found.items():
        units, *others = zip(*of, strict=True)
        layers[name] = Layer(units[-1], *map(np.stack, others))
    return layers, num_seen


def _responding(strength: np.ndarray) -> np.ndarray:
    """Lists the maps with an activation above 0; all where there is none."""
    alive = np.flatnonzero(strength > 0)
    return alive if len(alive) else np.arange(len(strength))


def moved(rows: Sequence[Row], kept: Sequence[Checkpoint]) -> dict[str, list[float]]:
    """Measures how far kernels moved from checkpoint to checkpoint, of the later one's length.

    Args:
      rows: the layers of the network.
      kept: E checkpoints.

    Returns:
      For each layer with a kernel, E - 1 relative distances.
    """
    found, before = {row.name: [] for row in rows if row.kernel_shape}, None
    for stored in kept:
        weights = stored.weights()
        now = {name: weights[f"{name}/kernel"] for name in found}
        for name in found if before else ():
            length = float(np.linalg.norm(now[name])) or 1.0
            found[name].append(float(np.linalg.norm(now[name] - before[name])) / length)
        before = now
    return found


def _told(
    subject: Subject,
    num_seen: int,
    run_dir: str,
    epochs: list[int],
    found: Mapping[str, Layer],
    moved: dict[str, list[float]],
) -> str:
    """Says what one sees."""
    facts = [f"{name} {', '.join(f'{x:.2f}' for x in of)}" for name, of in moved.items()]
    shares = [
        f"{name} {', '.join(f'{x:.0%}' for x in of.settled[:-1])}" for name, of in found.items()
    ]
    between = ", ".join(f"{a} to {b}" for a, b in itertools.pairwise(epochs))
    return (
        f"Epochs {', '.join(map(str, epochs))} of {run_dir}; {subject.told_all(num_seen)}. "
        f"Maps whose strongest picture is that of epoch {epochs[-1]}, at those before it: "
        f"{'; '.join(shares)}. "
        f"Kernels moved, of their length, from epoch {between}: {'; '.join(facts)}."
    )


def _page(
    epochs: list[int], found: Mapping[str, Layer], moves: dict[str, list[float]]
) -> np.ndarray:
    """Draws a strip for each map, then the curves: uint8 [H, W, 3]."""
    columns, rows = max(1, MOST_CELLS // len(epochs)), []
    for name, layer in found.items():
        strips = [
            grids.Picture(
                image=sheets.grid(layer.cell[:, place], len(epochs)), title=f"{name}, map {number}"
            )
            for place, number in enumerate(layer.maps)
        ]
        rows += [strips[n : n + columns] for n in range(0, len(strips), columns)]
    settled = {name: layer.settled for name, layer in found.items()}
    return sheets.stacked(
        grids.image_grid(rows, heading=f"Epochs {', '.join(map(str, epochs))}, from the left"),
        _curves(epochs, settled, "Maps whose strongest picture is that of the end", "share"),
        _curves(
            epochs[1:],
            moves,
            "How far kernels moved since the checkpoint before",
            "distance / length of the kernel",
        ),
    )


def _curves(
    epochs: Sequence[int], values: Mapping[str, Sequence[float]], title: str, label: str
) -> np.ndarray:
    """Draws a number of each layer at some epochs."""
    drawn = [
        plots.Curve(x=epochs, y=of, label=name, is_dashed=number >= len(COLORS))
        for number, (name, of) in enumerate(values.items())
    ]
    ranges = (None, (0, None))
    return plots.curves(drawn, title, "epoch", label, is_log_x=True, ranges=ranges, has_marks=True)
