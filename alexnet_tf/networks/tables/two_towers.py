"""A table of layers split for two towers, and what these send each other. No TensorFlow."""

import dataclasses
import math

from alexnet_tf.config.layer_rows import Dense
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row, Shape


def towers_table(config: NetworkConfig) -> list[list[Row]]:
    """Splits a network for two towers: the rows of one tower, in stages between two crossings.

    The last stage is the output layer alone, whole, on the first device.

    Raises:
      ValueError: a layer joins both towers other than by its weights.
    """
    rows = table(config)
    stages: list[list[Row]] = [[]]
    for row in rows[:-1]:
        sees_both = row.layer.is_across_channels and row.groups != 2
        crosses = sees_both and row.layer.has_kernel
        if not row.layer.has_halves or (sees_both and not crosses):
            raise ValueError(
                f"towers=2: expected layers that two devices can halve, but {row.name} "
                "needs both towers. Set --towers=1."
            )
        if row.output_shape[-1] % 2:
            raise ValueError(
                f"towers=2: {row.name} has {row.output_shape[-1]} outputs, which two "
                "towers cannot share. Change network.width or network.fc_width."
            )
        if crosses and stages[-1]:
            stages.append([])
        stages[-1].append(_half(row, is_whole=crosses))
    if not isinstance(rows[-1].layer, Dense):
        raise ValueError(
            f"towers=2: expected a fully connected layer at the top, found {rows[-1].name}."
            " Set --towers=1."
        )
    return [*stages, [rows[-1]]]


def crossings(config: NetworkConfig) -> dict[str, int]:
    """Counts the values that two towers send each other for one picture in one direction.

    Backward they are as many as forward.

    Returns:
      counts by the layer that sends them: both halves; of the last hidden layer only the half
      that the first device lacks.
    """
    *stages, _ = towers_table(config)
    halves = {stage[-1].name: math.prod(stage[-1].output_shape) for stage in stages}
    last = stages[-1][-1].name
    return {name: half if name == last else 2 * half for name, half in halves.items()}


def _half(row: Row, is_whole: bool) -> Row:
    """Makes one tower's half of a row; `is_whole` if it sees the outputs of both towers."""

    def halved(shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] // 2)

    return dataclasses.replace(
        row,
        input_shape=row.input_shape if is_whole else halved(row.input_shape),
        output_shape=halved(row.output_shape),
        weights={name: halved(shape) for name, shape in row.weights.items()},
        groups=1,
    )
