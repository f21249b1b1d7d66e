"""Batch normalization's statistics travel through files, without momentum."""

import dataclasses

import numpy as np

from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.named_weights import named_weights
from alexnet_tf.weights import layouts


def test_moving_statistics_are_written_and_read_again():
    config = dataclasses.replace(network("lenet5_modern"), num_classes=10, normalization="batch")
    arrays = {name: np.copy(x.numpy()) for name, x in named_weights(alexnet(config)).items()}
    arrays["norm1/moving_mean"] += 3
    theirs = layouts.from_ours(arrays, layouts.OURS, config)
    _, again = layouts.to_ours(theirs, layouts.OURS, config)
    assert again.keys() == arrays.keys() and "norm1/moving_variance" in again
    for name in arrays:
        np.testing.assert_array_equal(again[name], arrays[name])
