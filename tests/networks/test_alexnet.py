"""The paper's network, number by number (paper, section 3.5 and figure 2)."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import alexnet_tf
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.tables.resolved import table

PAPER = NetworkConfig(num_classes=1000)
TINY = NetworkConfig(
    num_classes=7, width=1 / 16, fc_width=16, input=alexnet_tf.InputConfig(size=67, resize=67)
)
SHAPES = {
    "conv1": (55, 55, 96),
    "norm1": (55, 55, 96),
    "pool1": (27, 27, 96),
    "conv2": (27, 27, 256),
    "norm2": (27, 27, 256),
    "pool2": (13, 13, 256),
    "conv3": (13, 13, 384),
    "conv4": (13, 13, 384),
    "conv5": (13, 13, 256),
    "pool5": (6, 6, 256),
    "fc6": (4096,),
    "fc7": (4096,),
    "fc8": (1000,),
}
PARAMETERS = {
    "conv1": 34_944,
    "conv2": 307_456,
    "conv3": 885_120,
    "conv4": 663_936,
    "conv5": 442_624,
    "fc6": 37_752_832,
    "fc7": 16_781_312,
    "fc8": 4_097_000,
}
MULTIPLY_ADDS = {
    "conv1": 105_415_200,
    "conv2": 223_948_800,
    "conv3": 149_520_384,
    "conv4": 112_140_288,
    "conv5": 74_760_192,
    "fc6": 37_748_736,
    "fc7": 16_777_216,
    "fc8": 4_096_000,
}


@pytest.fixture(scope="module")
def paper():
    return alexnet_tf.build("paper")


def test_every_layer_of_the_model_has_the_papers_shape(paper):
    assert {x.name: tuple(x.output.shape[1:]) for x in paper.layers if x.name in SHAPES} == SHAPES


def test_the_models_input_is_224_pixels_square(paper):
    assert paper.input_shape == (None, 224, 224, 3)
    assert paper.output.dtype == "float32"


def test_the_model_has_60_965_224_parameters(paper):
    assert paper.count_params() == 60_965_224
    assert {x.name: x.count_params() for x in paper.layers if x.count_params()} == PARAMETERS


def test_the_table_counts_what_the_model_has():
    rows = table(PAPER)
    shapes = {row.name: row.output_shape for row in rows if row.layer.kind != "drop"}
    assert shapes == SHAPES
    assert {row.name: row.parameters for row in rows if row.parameters} == PARAMETERS
    assert {row.name: row.multiply_adds for row in rows if row.multiply_adds} == MULTIPLY_ADDS
    assert sum(row.parameters for row in rows) == 60_965_224
    assert sum(row.multiply_adds for row in rows) == 724_406_816
    assert sum(row.neurons for row in rows) == 659_272


def test_without_groups_it_is_the_network_of_62_378_344_parameters():
    rows = table(dataclasses.replace(PAPER, groups=1))
    assert sum(row.parameters for row in rows) == 62_378_344
    assert sum(row.multiply_adds for row in rows) == 1_135_256_096


def test_with_ten_classes_it_has_56_9_million_parameters():
    assert sum(row.parameters for row in table(NetworkConfig(num_classes=10))) == 56_909_194


def test_initial_weights_are_the_programs(paper):
    stds = {x.name: float(np.std(x.kernel)) for x in paper.layers if x.name in PARAMETERS}
    biases = {x.name: set(np.unique(x.bias)) for x in paper.layers if x.name in PARAMETERS}
    expected = dict.fromkeys(PARAMETERS, 0.01) | dict.fromkeys(["conv3", "conv4", "conv5"], 0.03)
    assert stds == pytest.approx(expected, rel=0.02)
    with_ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert biases == {name: {1.0} if name in with_ones else {0.0} for name in PARAMETERS}


def test_init_text_is_one_hundredth_everywhere():
    model = alexnet(dataclasses.replace(TINY, init="text", width=0.5, fc_width=256))
    stds = [float(np.std(x.kernel)) for x in model.layers if x.name in ("conv3", "conv4", "fc6")]
    assert stds == pytest.approx([0.01] * 3, rel=0.05)


def test_init_he_has_no_biases_and_scales_with_the_inputs():
    config = dataclasses.replace(TINY, init="he", width=0.5, fc_width=256)
    model, rows = alexnet(config), {row.name: row for row in table(config)}
    for name in ("conv2", "conv4", "fc6"):
        layer = model.get_layer(name)
        assert np.std(layer.kernel) == pytest.approx((2 / rows[name].fan_in) ** 0.5, rel=0.05)
        assert not np.any(layer.bias)


def test_weights_are_a_function_of_seed_and_layer_alone():
    one, same, other = alexnet(TINY, seed=1), alexnet(TINY, seed=1), alexnet(TINY, seed=2)
    without = dataclasses.replace(
        TINY, layers=tuple(x for x in TINY.layers if x.name not in ("norm1", "fc7"))
    )
    shorter = alexnet(without, seed=1)
    for name in ("conv1", "conv5", "fc6"):
        kernel = np.asarray(one.get_layer(name).kernel)
        np.testing.assert_array_equal(kernel, same.get_layer(name).kernel)
        np.testing.assert_array_equal(kernel, shorter.get_layer(name).kernel)
        assert np.abs(kernel - other.get_layer(name).kernel).max() > 0


def test_channels_first_in_keras_json_does_not_change_the_network():
    expected = [layer.output.shape for layer in alexnet(TINY).layers]
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    try:
        model = alexnet(TINY)
        assert [layer.output.shape for layer in model.layers] == expected
        assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")


def test_conv1_reads_three_columns_of_zeros_at_the_right_and_bottom():
    model = alexnet(dataclasses.replace(TINY, input=alexnet_tf.InputConfig(size=64, resize=64)))
    conv1 = keras.Model(model.input, model.get_layer("conv1").output)
    image = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    padded = np.pad(image, [(0, 0), (0, 3), (0, 3), (0, 0)])
    layer = model.get_layer("conv1")
    corner = np.einsum("hwc,hwcf->f", padded[0, -11:, -11:], layer.kernel) + layer.bias
    np.testing.assert_allclose(conv1(image)[0, -1, -1], np.maximum(corner, 0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_keeps_weights_and_logits_in_float32(precision):
    model = alexnet(TINY, precision=precision)
    image = np.random.default_rng(0).normal(size=(2, 67, 67, 3)).astype(np.float32)
    exact, reduced = alexnet(TINY)(image), model(image)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert model.get_layer("conv2").output.dtype == precision
    assert reduced.dtype == tf.float32
    np.testing.assert_allclose(reduced, exact, atol=0.03)  # bfloat16 has 8 bits


def test_a_model_of_a_notebook_summarizes_fits_and_predicts(capsys):
    model = alexnet_tf.build(TINY)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = np.ones((4, 67, 67, 3), np.float32), np.arange(4)
    model.summary()
    model.fit(images, labels, batch_size=2, verbose=0)
    assert model.predict(images, verbose=0).shape == (4, 7)
    assert "conv5" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, text",
    [
        ({"num_classes": 0}, "network.num_classes=0: expected the number of classes by now"),
        (
            {"input": alexnet_tf.InputConfig(size=40, resize=40)},
            "network.input.size=40: pool.* pixels a side and give none. Raise the size",
        ),
        (
            {"groups": 5, "width": 0.05},
            "network.width=0.05 gives conv2 .* filters, which network.groups=5 cannot share",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_values(change, text):
    with pytest.raises(ValueError, match=text):
        table(dataclasses.replace(TINY, **change))
