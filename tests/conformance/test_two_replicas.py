"""Two replicas that share a batch, against one: outputs, gradients and what training changes."""

import numpy as np
import pytest
import tensorflow as tf
from cases import ROWS, assert_same_step, case_with, names, step_with

from alexnet_tf.config.run import RunConfig
from alexnet_tf.training.strategy import make_strategy

PART = 1e-4  # sums in another order, through eight layers


def after_a_step(case, strategy) -> dict[str, np.ndarray]:
    """Outputs, gradients and weights of one step with the rows shared out over the replicas."""
    with strategy.scope():
        model = case.make("float32")
    rows = ROWS // strategy.num_replicas_in_sync
    x = tf.constant(case.input())

    def replica():
        context = tf.distribute.get_replica_context()
        first_row = context.replica_id_in_sync_group * rows
        found = step_with(model, x[first_row : first_row + rows], first_row)
        apart = {name: found.pop(name) for name in ("output", "input")}
        if model.compiled:
            model.optimizer.apply(list(found.values()), model.trainable_variables)
        return apart, context.all_reduce("sum", found) if found else {}

    apart, summed = strategy.run(tf.function(replica))
    results = {name: strategy.experimental_local_results(x) for name, x in apart.items()}
    results = {name: tf.concat(parts, axis=0) for name, parts in results.items()}
    for name, x in summed.items():
        results[name] = strategy.experimental_local_results(x)[0]
    weights = {f"after/{weight.path}": weight.numpy() for weight in model.weights}
    return results | weights


@pytest.mark.parametrize("name", names(is_slow=True))
def test_two_replicas(name):
    case = case_with(name, "two_replicas")
    one = after_a_step(case, make_strategy(RunConfig(devices=("cpu:0",))))
    both = RunConfig(strategy="mirrored", devices=("cpu:0", "cpu:1"))
    two = after_a_step(case, make_strategy(both))
    assert_same_step(name, two, one, PART)
