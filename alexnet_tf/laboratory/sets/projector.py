"""Files that TensorBoard's projector reads: vectors, what they are of, and small pictures."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from alexnet_tf.laboratory.exhibit import png


def files(
    vectors: np.ndarray, columns: Mapping[str, Sequence], thumbnails: np.ndarray
) -> dict[str, bytes]:
    """Makes the files; `tensorboard --logdir=FOLDER` shows them.

    Args:
      vectors: float [N, C].
      columns: what to know of each vector, two columns or more; tabs and ends of lines in it
        become spaces.
      thumbnails: uint8 [N, side, side, 3].

    Returns:
      contents by file name.
    """
    side = thumbnails.shape[1]
    rows = [[" ".join(str(x).split()) for x in row] for row in zip(*columns.values(), strict=True)]
    config = (
        'embeddings {\n  tensor_name: "activations"\n  tensor_path: "vectors.tsv"\n'
        '  metadata_path: "metadata.tsv"\n  sprite {\n    image_path: "sprite.png"\n'
        f"    single_image_dim: {side}\n    single_image_dim: {side}\n  }}\n}}\n"
    )
    lines = (["\t".join(f"{x:.6g}" for x in row) for row in vectors.tolist()], map("\t".join, rows))
    numbers, words = ("".join(f"{line}\n" for line in each) for each in lines)
    return {
        "projector_config.pbtxt": config.encode(),
        "vectors.tsv": numbers.encode(),
        "metadata.tsv": ("\t".join(columns) + "\n" + words).encode(errors="replace"),
        "sprite.png": png(sprite(thumbnails)),
    }


def sprite(thumbnails: np.ndarray) -> np.ndarray:
    """Places pictures [N, side, side, 3] row by row in a square, the rest of it black."""
    num, side = thumbnails.shape[:2]
    across = math.ceil(math.sqrt(num))
    cells = np.pad(thumbnails, ((0, across**2 - num), (0, 0), (0, 0), (0, 0)))
    cells = cells.reshape(across, across, side, side, 3)
    return cells.transpose(0, 2, 1, 3, 4).reshape(across * side, across * side, 3)
