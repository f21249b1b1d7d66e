"""Grad-CAM equals tf-keras-vis', occlusion equals tf-explain's, on the same network."""

import dataclasses

import foreign
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from alexnet_tf.laboratory.attribution import gradients, occlusion
from alexnet_tf.laboratory.backward import in_batches
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, of older versions
CLASSES = np.array([4, 1])


@pytest.fixture(scope="module")
def model():
    # In two groups, what follows reads the groups apart: the joined maps would have no gradient.
    config = dataclasses.replace(tiny_run.NETWORK, normalization="none", groups=1)
    made = alexnet(config)
    assign(named_weights(made), foreign.weights(config))
    return made


def pictures() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)


def test_grad_cam_is_that_of_tf_keras_vis(model):
    gradcam = pytest.importorskip(
        "tf_keras_vis.gradcam",
        reason="tf-keras-vis, or a package which it needs, is not installed",
        exc_type=ImportError,
    )
    scores = pytest.importorskip("tf_keras_vis.utils.scores")
    x = pictures()
    theirs = gradcam.Gradcam(model, clone=False)(
        scores.CategoricalScore(CLASSES.tolist()),
        x,
        penultimate_layer="conv5",
        seek_penultimate_conv_layer=False,  # it knows Keras' own
        expand_cam=False,
        normalize_cam=False,
    )
    ours = gradients.activation_maps(model, "conv5")(x, CLASSES)
    assert np.abs(theirs).max() > 1e-3
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_occlusion_is_that_of_tf_explain(model):
    """Its squares are 127.5 in the picture and do not overlap; its maps are 1 - p, stretched."""
    explain = pytest.importorskip(
        "tf_explain.core.occlusion_sensitivity",
        reason="tf-explain, or OpenCV which it needs, is not installed",
        exc_type=ImportError,
    )
    levels = 127.5 + 64 * pictures()[0]
    image = keras.Input((64, 64, 3))
    scaled = keras.layers.Rescaling(1 / 64, offset=-127.5 / 64)(image)
    said = keras.layers.Softmax()(model(scaled))
    theirs = explain.OcclusionSensitivity().get_sensitivity_map(
        keras.Model(image, said), levels, class_index=4, patch_size=16
    )

    def watch(x):
        return in_batches(lambda part: (tf.nn.softmax(model(part)),), 16, x)

    (ours,) = occlusion.slid(watch, (levels - 127.5) / np.float32(64), 16, 16)
    assert np.ptp(theirs) > 1e-3
    wide = tf.image.resize(1 - ours[..., 4:5], (64, 64))[..., 0]  # as theirs is
    np.testing.assert_allclose(wide, theirs, atol=1e-5)
