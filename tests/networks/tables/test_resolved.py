"""Tables of layers that do not fit each other, or their classes, are refused by the layer."""

import dataclasses

import pytest

from alexnet_tf.config.layer_rows import Conv, Dense, Lrn, Pool, Sparse
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.family.names import network
from alexnet_tf.networks.tables.resolved import table
from pipelines.config import InputConfig

TOP = Dense(name="fc", units=0, activation="linear")
THREE = Conv(name="conv1", filters=3, kernel=3)


@pytest.mark.parametrize(
    "rows, groups, text",
    [
        (
            (Dense(name="fc6", units=5), Pool(name="pool1"), TOP),
            1,
            "network.layers: pool1 expects a picture, but fc6 gives a vector. Change their order",
        ),
        (
            (THREE, Conv(name="conv2", filters=4, kernel=3, grouped=True), TOP),
            2,
            "network.groups=2: conv2 cannot share 3 channels. Change network.width",
        ),
        (
            (Conv(name="conv1", filters=4, kernel=3, grouped=True), Lrn(name="norm1"), TOP),
            4,
            "network.groups=4: conv1 cannot share 3 channels",
        ),
        (
            (THREE, Sparse(name="c3", filters=2, kernel=3, connections=((0,), (1, 3))), TOP),
            1,
            "the connections of c3 are 2 filters that see channels up to 3; expected 2 filters, "
            "channels below 3",
        ),
    ],
)
def test_rows_that_do_not_fit_each_other_are_refused(rows, groups, text):
    config = NetworkConfig(
        num_classes=4, layers=rows, groups=groups, input=InputConfig(size=16, resize=16)
    )
    with pytest.raises(ValueError, match=text):
        table(config)


def test_ten_pictures_of_digits_are_compared_for_ten_classes_alone():
    config = dataclasses.replace(network("lenet5"), num_classes=7)
    text = "network.num_classes=7: output of lenet5 compares 84 outputs with 10 digits, got"
    with pytest.raises(ValueError, match=text):
        table(config)
