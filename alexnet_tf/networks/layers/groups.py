"""Groups of channels (the towers of 2012) that pass from layer to layer without a copy."""

import tensorflow as tf


def check_divides(groups: int, name: str, count: int) -> None:
    """Raises ValueError unless `groups` divides `count`, which `name` names."""
    if count % groups:
        raise ValueError(
            f"groups={groups}: expected a divisor of {name}={count}. Change one of the two."
        )


def split_groups(x: tf.Tensor, groups: int) -> list[tf.Tensor]:
    """Returns the groups of channels: the tensors that `x` was joined from, if equally many."""
    parts = getattr(x, "_alexnet_tf_groups", [])
    return parts if len(parts) == groups else tf.split(x, groups, axis=-1)


def join_groups(parts: list[tf.Tensor]) -> tf.Tensor:
    """Returns the groups as one tensor that keeps references to them.

    In a graph, the concatenation is never computed if all readers use the groups alone.
    """
    if len(parts) == 1:
        return parts[0]
    x = tf.concat(parts, axis=-1)
    x._alexnet_tf_groups = parts
    return x


def num_groups(x: tf.Tensor) -> int:
    """Counts the groups that `split_groups` returns of `x` without a copy."""
    return len(getattr(x, "_alexnet_tf_groups", [x]))
