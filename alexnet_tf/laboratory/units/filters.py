"""The filters of the first layer (paper, figure 3)."""

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.figures import sheets
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.settings import Filters
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.networks.tables.resolved import table

ABOUT = About(
    title="Filters of the first layer",
    method=(
        "Each kernel of the first convolution is drawn as it is, red, green and blue (those of a "
        "network that sees gray in gray), stretched to the full range by itself: a gray filter "
        "stays gray. Where the layers of a network are split between two towers, the first half "
        "of the filters, that of the one tower, stands above the other. Color is the part of a "
        "filter's energy that its channels do not share: 0 for a gray filter."
    ),
    source="Krizhevsky, Sutskever and Hinton 2012, figure 3 and section 6.1",
    limits=(
        "Only the first layer's filters are pictures: those above see maps. A filter that looks "
        "like noise has not been trained, or is used little; its strength is not shown."
    ),
)
GAP_PIXELS = 12
"""Between the towers."""


def show(subject: Subject, settings: Filters) -> Exhibit:
    """Draws the filters of the first layer.

    Raises:
      UserError: the first layer is no convolution of pictures with one or three channels.
    """
    row = subject.rows[0]
    shape = row.kernel_shape
    if not sheets.are_filters(shape):
        raise UserError(
            f"layer={row.name}: expected a first layer that is a convolution of a picture; the "
            f"kernel of {subject.config.network.name} has shape {shape}. Show another network."
        )
    kernel = subject.model.get_layer(row.name).kernel.numpy()
    if subject.config.network.input.channel_order == "bgr":
        kernel = kernel[:, :, ::-1]
    towers = np.split(kernel, 2, axis=3) if _has_towers(subject, row.name) else [kernel]
    drawn = [sheets.filters(part) for part in towers]
    gap = np.full((GAP_PIXELS, drawn[0].shape[1], 3), 255, np.uint8)
    color = colorfulness(kernel)
    means = [float(part.mean()) for part in np.split(color, len(towers))]
    seen = f"The {kernel.shape[3]} filters of {row.name} of {subject.what}."
    if len(towers) == 2:
        seen += (
            f" Mean color of the upper half {means[0]:.2f}, of the lower {means[1]:.2f}. In the "
            "paper one tower became gray and the other colored, in every run."
        )
    return Exhibit(
        name="filters",
        about=ABOUT,
        seen=seen,
        picture=np.concatenate([drawn[0], *(x for part in drawn[1:] for x in (gap, part))]),
        numbers={"layer": row.name, "mean_color_by_tower": means},
        arrays={"kernel": kernel, "color": color},
    )


def _has_towers(subject: Subject, first: str) -> bool:
    """Tells whether the next layer with a kernel sees the first one in two halves."""
    network = subject.config.network
    above = (row.layer for row in table(network) if row.name != first and row.layer.has_kernel)
    return network.groups == 2 and getattr(next(above, None), "grouped", False)


def colorfulness(kernel: np.ndarray) -> np.ndarray:
    """Computes how much of each filter's energy its channels do not share.

    Args:
      kernel: float [k, k, C, N].

    Returns:
      float32 [N], 0 where all channels are equal, up to 1 where they add up to nothing.
    """
    energy = np.square(kernel).sum(axis=(0, 1, 2))
    shared = kernel.shape[2] * np.square(kernel.mean(axis=2)).sum(axis=(0, 1))
    return (1 - shared / np.where(energy > 0, energy, 1)).astype(np.float32)
