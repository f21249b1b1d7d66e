"""Whether a map depends on what a network has learned: layers drawn anew (Adebayo et al. 2018)."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.figures import plots, sheets
from alexnet_tf.laboratory.exhibit import Exhibit
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights

HARDLY = 0.8
"""A map that keeps this rank correlation without the upper half of the layers hardly depends on
what they have learned."""

METHOD = (
    " The check draws layers anew, one more each time from the top downwards, by the network's own "
    "initializers, batch normalization as at the start of a training; the picture's class or unit "
    "stays the same. What remains of a map is Spearman's rank correlation with that of the trained "
    "network (of gradients and projections, of their magnitudes, added over colors); that of a map "
    "of equal values is 0."
)
SOURCE = "; check: Adebayo et al. 2018, section 3.1"

Maps = Callable[[], Mapping[str, Sequence[np.ndarray]]]
"""Computes maps with the weights that the network has now: by method, N of them, floats."""


class Check(NamedTuple):
    """What became of maps while layers were drawn anew."""

    layers: tuple[str, ...]
    """In the order in which they were drawn, the highest first."""
    correlation: dict[str, list[float]]
    """By method and layer, -1 to 1: with the trained network's map, on average over the maps."""

    def of(self, method: str, rows: Sequence[str] | None = None) -> "Check":
        """Takes one method out.

        Args:
          method: its name.
          rows: those that its maps depend on, where that is not all: what is drawn above them
            leaves the maps as they are, which tells nothing about the method.
        """
        first = 0 if rows is None else sum(layer not in rows for layer in self.layers)
        return Check(self.layers[first:], {method: self.correlation[method][first:]})


def check(subject: Subject, top: str, maps: Maps) -> Check:
    """Draws layers anew from the top downwards, and compares maps with those of before.

    Args:
      subject: its network has its weights again in the end.
      top: the row to begin with.
      maps: computes what is compared.

    Raises:
      UserError: a map has one place, which has no ranks.
    """
    before, layers = maps(), []
    if any(one.size < 2 for values in before.values() for one in values):
        raise UserError(
            "check: expected maps of several places, got one place. Leave --check out, or make "
            "what is compared larger."
        )
    found = {name: [] for name in before}
    for layer in cascade(subject, top):
        layers.append(layer)
        for name, values in maps().items():
            pairs = zip(before[name], values, strict=True)
            found[name].append(float(np.mean([rank_correlation(*pair) for pair in pairs])))
    return Check(tuple(layers), found)


def added(exhibit: Exhibit, checks: Mapping[str, Check], how: str) -> Exhibit:
    """Adds checks to an exhibit: curves below its picture, a sentence, and the numbers.

    Args:
      exhibit: what was checked.
      checks: by the name of what was checked; curves of several have it as their names, those of
        one the names of its methods.
      how: says what was compared, such as "of 3 pictures".

    Raises:
      UserError: matplotlib is not installed.
    """
    layers = max((x.layers for x in checks.values()), key=len)
    drawn, ends = [], {}
    for of, one in checks.items():
        places = [layers.index(layer) + 1 for layer in one.layers]
        for method, values in one.correlation.items():
            label = of if len(checks) > 1 else method
            drawn.append(plots.Curve(x=[places[0] - 1, *places], y=[1, *values], label=label))
            half = values[(len(values) - 1) // 2] if len(values) > 1 else None
            ends[label] = half, values[-1]
    picture = plots.curves(
        drawn,
        "What remains of the maps with layers drawn anew, from the top downwards",
        "layers drawn anew: 0 none, " + ", ".join(f"{n} {x}" for n, x in enumerate(layers, 1)),
        "rank correlation",
        has_marks=True,
        level=0.0,
    )
    rest = ", ".join(
        f"{name} {end:.2f} (one layer)" if half is None else f"{name} {half:.2f} and {end:.2f}"
        for name, (half, end) in ends.items()
    )
    hardly = [name for name, (half, _) in ends.items() if half is not None and half >= HARDLY]
    seen = (
        f" Check ({how}): with the upper half of the layers drawn anew, and with all of them, "
        f"there remains of the maps a rank correlation of {rest}. What keeps {HARDLY} without the "
        "upper half hardly depends on what that has learned: "
        f"{', '.join(hardly) or 'none here'}."
    )
    about = exhibit.about
    return dataclasses.replace(
        exhibit,
        about=dataclasses.replace(
            about, method=about.method + METHOD, source=about.source + SOURCE
        ),
        seen=exhibit.seen + seen,
        picture=sheets.stacked(exhibit.picture, picture),
        numbers=exhibit.numbers | {"check": {of: one._asdict() for of, one in checks.items()}},
    )


def cascade(subject: Subject, top: str) -> Iterator[str]:
    """Draws one layer more each time, from the top downwards, and yields its name.

    Weights come from the network's own initializers, by another seed than the run's. Batch
    normalization begins anew with the layer below it: factor 1, offset 0, mean 0, variance 1. In
    the end the network has its weights again.

    Args:
      subject: its network is changed.
      top: the row to begin with.
    """
    variables = named_weights(subject.model)
    trained = {name: variable.numpy() for name, variable in variables.items()}
    config = subject.config
    fresh = named_weights(alexnet(config.network, (config.run.seed + 1) % 2**32))
    names = [row.name for row in subject.rows]
    try:
        for row in reversed(subject.rows[: names.index(top) + 1]):
            drawn = [f"{row.name}/{part}" for part in row.arrays]
            assign({n: variables[n] for n in drawn}, {n: fresh[n].numpy() for n in drawn})
            if row.layer.has_kernel:
                yield row.name
    finally:
        assign(variables, trained)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Computes Spearman's rank correlation, equal values sharing the mean of their ranks.

    Args:
      one: float, any shape.
      other: of the same shape.

    Returns:
      -1 to 1; 0 where all values of one of them are equal.
    """
    first, second = (ranks - ranks.mean() for ranks in (_ranks(one), _ranks(other)))
    spread = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / spread) if spread else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks values from 1 on, float64 [size]."""
    _, place, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
