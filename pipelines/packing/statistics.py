"""Mean image and principal colors of squares, exact: sums of whole numbers, divided at the end.

No TensorFlow.
"""

import base64
import itertools
import math

import numpy as np

from pipelines.records.description import Statistics

_EXACT_ROWS = 256
"""The products of so many pairs of levels have a sum that float32 holds exactly: below 2**24."""


def products(squares: np.ndarray) -> np.ndarray:
    """Sums the products of each two channels over all pixels.

    Args:
      squares: uint8 [n, R, R, 3].

    Returns:
      int64 [3, 3].
    """
    num_levels = math.prod(squares.shape[1:])
    num_columns = -(-num_levels // (_EXACT_ROWS * 3)) * 3
    rows = np.zeros((_EXACT_ROWS, num_columns), np.float32)  # one square after another
    levels, sums = rows.reshape(-1)[:num_levels], np.zeros((3, num_columns))
    for square in squares:
        levels[:] = square.reshape(-1)
        # Channels alternate, so a column meets its own, the next one and the one after that: half
        # the time that it takes to move the channels apart (NumPy 2.4).
        for step in range(3):
            met = num_columns - step
            sums[step, :met] += np.einsum("ij,ij->j", rows[:, :met], rows[:, step:])
    by_channel = sums.reshape(3, -1, 3).sum(axis=1).astype(np.int64)
    pairs = np.zeros((3, 3), np.int64)
    for first, second in itertools.combinations_with_replacement(range(3), 2):
        pairs[first, second] = by_channel[second - first, first]
    return np.maximum(pairs, pairs.T)


class Sums:
    """Sums over squares; those of several shards are added.

    Attributes:
      num_examples: squares that were counted.
      pixels: int64 [R, R, 3], of the levels at each place.
      products: int64 [3, 3], of the products of each two channels over all pixels.
    """

    def __init__(self, side: int):
        """Begins with nothing."""
        self.num_examples = 0
        self.pixels = np.zeros((side, side, 3), np.int64)
        self.products = np.zeros((3, 3), np.int64)

    def add_squares(self, squares: np.ndarray, num_good: int) -> None:
        """Adds squares.

        Args:
          squares: uint8 [n, R, R, 3], at most 257 of them; zeros for what could not be decoded.
          num_good: how many could be decoded.
        """
        self.num_examples += num_good
        self.pixels += squares.sum(axis=0, dtype=np.uint16)
        self.products += products(squares)

    def add(self, other: "Sums") -> None:
        """Adds the sums over other squares."""
        self.num_examples += other.num_examples
        self.pixels += other.pixels
        self.products += other.products

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Gives the sums by name, to be stored."""
        counted = np.int64(self.num_examples)
        return {"num_examples": counted, "pixels": self.pixels, "products": self.products}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Sums":
        """Takes the sums out of what was stored."""
        sums = cls(len(arrays["pixels"]))
        sums.num_examples = int(arrays["num_examples"])
        sums.pixels, sums.products = arrays["pixels"], arrays["products"]
        return sums


def statistics(sums: Sums) -> Statistics | None:
    """Computes what stands in dataset.json; None where no square was counted."""
    if not sums.num_examples:
        return None
    side = len(sums.pixels)
    num_pixels = sums.num_examples * side**2
    totals = [int(x) for x in sums.pixels.sum(axis=(0, 1))]
    # In whole numbers up to the division: the difference is small against its terms.
    covariance = [
        [
            (num_pixels * int(sums.products[i, j]) - totals[i] * totals[j]) / num_pixels**2
            for j in range(3)
        ]
        for i in range(3)
    ]
    variances, vectors = np.linalg.eigh(covariance)
    axes = vectors.T[::-1]
    axes = [axis * np.sign(axis[np.argmax(np.abs(axis))]) for axis in axes]  # -axis is one as well
    mean_image = (sums.pixels / sums.num_examples).astype("<f4")
    return Statistics(
        num_examples=sums.num_examples,
        side=side,
        rgb_mean=tuple(total / num_pixels for total in totals),
        color_axes=tuple(tuple(map(float, axis)) for axis in axes),
        color_stdevs=tuple(float(max(x, 0.0)) ** 0.5 for x in variances[::-1]),
        mean_image=base64.b64encode(mean_image.tobytes()).decode(),
    )
