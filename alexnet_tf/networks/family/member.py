"""A network of the family with its source and its published results."""

import dataclasses
from collections.abc import Iterable

from alexnet_tf.config.layer_rows import PAPER_LAYERS, Layer
from alexnet_tf.config.network import NetworkConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """One published result; errors are fractions."""

    top1_error: float
    """Top-1 error."""
    top5_error: float | None = None
    """Top-5 error."""
    data: str = "ILSVRC-2012 val"
    """The set of pictures."""
    views: int = 1
    """1 for the center window, 10 for the paper's ten."""
    by: str = ""
    """Who published it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """A network of the family."""

    config: NetworkConfig
    """Its settings; `config.name` is its name."""
    source: str
    """Where its table comes from."""
    num_classes: int = 1000
    """Number of classes of the data that it was made for."""
    published: tuple[Published, ...] = ()
    """Empty where nothing was published."""
    note: str = ""
    """What the table of layers does not say."""


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
      after: rows to insert, by the name of the row that they follow.
      **rows: for each row to change, by its name, the new values of its fields.
    """
    result = []
    for layer in layers:
        if layer.name not in without:
            result.append(dataclasses.replace(layer, **rows.get(layer.name, {})))
        if after and layer.name in after:
            result.append(after[layer.name])
    return tuple(result)
