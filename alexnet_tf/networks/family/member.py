"""What stands beside a network of the family: where it comes from and what was published of it."""

import dataclasses
from collections.abc import Iterable

from alexnet_tf.config.layer_rows import PAPER_LAYERS, Layer
from alexnet_tf.config.network import NetworkConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """One published result; errors are fractions."""

    top1_error: float
    """Of the first guess."""
    top5_error: float | None = None
    """Of the first five."""
    data: str = "ILSVRC-2012 val"
    """Which pictures."""
    views: int = 1
    """1 is the center window, 10 are the paper's ten."""
    by: str = ""
    """Who says so."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """A network of the family."""

    config: NetworkConfig
    """All that builds it; `config.name` is its name."""
    source: str
    """Where its table comes from."""
    num_classes: int = 1000
    """Of the data that it was made for."""
    published: tuple[Published, ...] = ()
    """Empty where nothing was published."""
    note: str = ""
    """What the table cannot say."""


def changed(
    layers: Iterable[Layer] = PAPER_LAYERS,
    without: Iterable[str] = (),
    after: dict[str, Layer] | None = None,
    **rows: dict,
) -> tuple[Layer, ...]:
    """Copies a table with some rows changed.

    Args:
      layers: the table to start from.
      without: names of rows to leave out.
      after: rows to put in, by the name of the one that they follow.
      **rows: new values of the fields of a row, by its name.
    """
    result = []
    for layer in layers:
        if layer.name not in without:
            result.append(dataclasses.replace(layer, **rows.get(layer.name, {})))
        if after and layer.name in after:
            result.append(after[layer.name])
    return tuple(result)
