"""Networks that cannot be are refused where they are written."""

import pytest

from alexnet_tf.config.layer_rows import BatchNorm
from alexnet_tf.config.network import NetworkConfig


@pytest.mark.parametrize(
    "values, message",
    [
        ({"num_classes": -1}, "network.num_classes=-1: expected 0 or more"),
        ({"width": 0}, "network.width=0.0: expected a positive number"),
        ({"fc_width": -1}, "network.fc_width=-1: expected 0 or more"),
        ({"dropout_rate": 1}, "network.dropout_rate=1.0: expected 0 to below 1"),
        ({"groups": 0}, "network.groups=0: expected at least 1"),
    ],
)
def test_a_network_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**values)


def test_a_row_is_refused_by_its_name():
    message = "^network.layers.norm1.momentum=1.0: expected 0 to below 1"
    with pytest.raises(ValueError, match=message):
        BatchNorm(name="norm1", momentum=1)
