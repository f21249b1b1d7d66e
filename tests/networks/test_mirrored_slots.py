"""Velocities of mirrored variables: each its own, also among variables of one shape."""

import numpy as np
import tensorflow as tf

from alexnet_tf.config.run import RunConfig
from alexnet_tf.training.optimizer import PaperSGD
from alexnet_tf.training.strategy import make_strategy


def test_mirrored_variables_of_one_shape_keep_their_own_velocities():
    import keras

    strategy = make_strategy(RunConfig(strategy="mirrored", devices=("cpu:0", "cpu:1")))
    for _ in range(2):  # a second optimizer must not move the first one's slots either
        with strategy.scope():
            variables = [keras.Variable(np.zeros(3, np.float32), name="kernel") for _ in range(3)]
            rule = PaperSGD(1.0, momentum=0.5, decay=0.0)
            rule.build(variables)

        def step(rule=rule, variables=variables):
            gradients = [tf.fill([3], float(2**i) / 2) for i in range(3)]
            rule.apply_gradients(zip(gradients, variables, strict=True))

        tf.function(lambda step=step: strategy.run(step))()
        assert [float(slot.numpy()[0]) for slot in rule.slots["momentum"]] == [-1, -2, -4]
        assert [float(variable.numpy()[0]) for variable in variables] == [-1, -2, -4]
