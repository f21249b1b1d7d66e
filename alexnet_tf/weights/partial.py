"""Some layers of a network from a file that may lack the others, to start a run from."""

from collections.abc import Container

import numpy as np

from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import UserError
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.weights import formats, layouts
from alexnet_tf.weights.layouts import Layout


def load(
    path: str, network: NetworkConfig, layers: Container[str]
) -> tuple[dict[str, np.ndarray], list[str], Layout]:
    """Reads the weights of some layers of a network that a file has.

    Args:
      path: a file whose name ends like one of formats.FORMATS.
      network: the network; the file may have another number of classes.
      layers: names of the layers to read.

    Returns:
      float32 arrays by our names, their channels in the order of the file's pictures; the names of
      what else is in the file; and the layout that it had.

    Raises:
      UserError: it cannot be read, is damaged, or an array has a wrong shape or is not finite.
    """
    kind = formats.format_of(path)
    if kind is None:
        raise UserError(
            f"start_from={path!r}: expected the directory of a run, or a file that ends in "
            f"{', '.join(formats.FORMATS)}."
        )
    try:
        arrays = formats.read(path, kind)
        theirs = network.with_num_classes(0)
        theirs = layouts.with_classes(arrays, kind.layout, theirs)
        ours, used = {}, set()
        for row in table(theirs if theirs.num_classes else network):
            for part in row.arrays if row.name in layers else ():
                name = kind.layout.name_of(f"{row.name}/{part}")
                if name in arrays:
                    ours[f"{row.name}/{part}"] = layouts.fitted(
                        arrays[name], name, row, part, kind.layout
                    )
                    used.add(name)
    except ValueError as error:
        raise UserError(f"start_from={path!r}: {formats.one_line(error)}") from error
    return ours, [name for name in arrays if name not in used], kind.layout
