"""Layers of maps: which ones can be shown, and what part of the picture a unit sees."""

from collections.abc import Sequence

from alexnet_tf.config.layer_rows import Pool, SpatialNorm, Subsample
from alexnet_tf.errors import UserError
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.tables import shapes
from alexnet_tf.networks.tables.shapes import Row


def convolutions(subject: Subject) -> list[str]:
    """Names the layers of maps that have filters, bottom to top.

    Raises:
      UserError: there is none.
    """
    rows = [row for row in subject.rows if row.layer.has_kernel and len(row.output_shape) == 3]
    if not rows:
        raise UserError(
            f"{subject.what} has no layer of maps that has filters, which this needs; expected a "
            "network with convolutions. Show another."
        )
    return [row.name for row in rows]


def last_convolution(subject: Subject) -> str:
    """Names the last convolution whose maps have several places.

    Raises:
      UserError: there is none.
    """
    names = convolutions(subject)
    wide = [name for name in names if has_several_places(activated(subject, name))]
    return (wide or names)[-1]


def has_several_places(row: Row) -> bool:
    """Whether the maps of a row are larger than 1 x 1."""
    return row.output_shape[:2] != (1, 1)


def named(layer: str, row: Row) -> str:
    """Names a layer for captions, with the row that gives its activations."""
    return layer if row.name == layer else f"{layer} (as {row.name} gives it)"


def activated(subject: Subject, layer: str, has_places: bool = True) -> Row:
    """Looks up the row that gives a layer's activations, as `shapes.activated` says.

    Raises:
      UserError: there is no such layer, it has no weights, or it gives no maps and `has_places`.
    """
    return shapes.activated(subject.rows, subject.row(layer, has_places).name)


def window(
    rows: Sequence[Row], layer: str, place: tuple[int, int], is_cut: bool = True
) -> tuple[int, int, int, int]:
    """Finds the part of the picture that a unit sees, its receptive field.

    Args:
      rows: of the network, bottom to top.
      layer: the row of the unit.
      place: the unit's row and column in its map.
      is_cut: whether the part ends where the picture ends, and at units that exist.

    Returns:
      Top, left, bottom, right in pixels; the last two are not part of it. Uncut, its sides are the
      row's `receptive_field`, and it may reach over the edges.
    """
    names = [row.name for row in rows]
    sides = [(position, position) for position in place]
    for row in reversed(rows[: names.index(layer) + 1]):
        size, stride, pad = _geometry(row.layer)
        sides = [(a * stride - pad, b * stride - pad + size - 1) for a, b in sides]
        if is_cut:
            sides = [
                (max(a, 0), min(b, most - 1))
                for (a, b), most in zip(sides, row.input_shape[:2], strict=True)
            ]
    (top, bottom), (left, right) = sides
    return top, left, bottom + 1, right + 1


def _geometry(layer) -> tuple[int, int, int]:
    """Returns side and step of the windows that a layer sees, and the zeros above and left."""
    if layer.has_kernel:
        return layer.kernel, layer.stride, layer.pad[0]
    if isinstance(layer, Pool):
        return layer.size, layer.stride, 0
    if isinstance(layer, SpatialNorm):
        return layer.size, 1, layer.size // 2
    return (2, 2, 0) if isinstance(layer, Subsample) else (1, 1, 0)
