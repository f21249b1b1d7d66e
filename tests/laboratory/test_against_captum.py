"""Backward passes equal Captum's on PyTorch, with the same weights; pytest -s prints the table."""

import dataclasses

import foreign
import numpy as np
import pytest
import tensorflow as tf
import torch_twin

from alexnet_tf.laboratory.attribution import gradients, occlusion
from alexnet_tf.laboratory.backward import Rule, in_batches, passage, sent_down
from alexnet_tf.networks.alexnet import alexnet
from alexnet_tf.networks.named_weights import assign, named_weights

captum = pytest.importorskip("captum.attr", reason="Captum is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Captum's about its own hooks

CLASSES = np.array([2, 0])
STEPS = 7
NETWORKS = {
    # Windows of maxima overlap, conv2, conv4 and conv5 have two groups, conv1 is padded unevenly.
    "paper": dataclasses.replace(foreign.small("paper"), normalization="none", dropout="none"),
    "round_up": dataclasses.replace(
        foreign.small("zfnet", size=75), normalization="none", dropout="none"
    ),
}


class Pair:
    """A network of ours and of PyTorch, and pictures."""

    def __init__(self, config):
        weights = foreign.weights(config)
        self.model, self.twin = alexnet(config), torch_twin.twin(config, weights)
        assign(named_weights(self.model), weights)
        size = config.input.size
        self.x = np.random.default_rng(1).normal(size=(2, size, size, 3)).astype(np.float32)
        self.torch_x = torch_twin.first(self.x)


@pytest.fixture(scope="module", params=["paper", pytest.param("round_up", marks=pytest.mark.slow)])
def pair(request):
    return Pair(NETWORKS[request.param])


@pytest.fixture(scope="module")
def compare():
    """Compares with Captum's values, whose largest is 1 afterwards, and prints what is found."""
    found = []

    def to(name, ours, theirs):
        largest = np.abs(theirs).max()
        difference = np.abs(ours - theirs).max()
        found.append(f"{name:<45}{largest:>12.4g}{difference:>12.2g}{difference / largest:>12.2g}")
        assert largest > 1e-3
        np.testing.assert_allclose(ours / largest, theirs / largest, atol=1e-5, rtol=0)

    yield to
    print(f"\n{'':<45}{'largest':>12}{'difference':>12}{'ratio':>12}", *found, sep="\n")


def torch_classes():
    return pytest.importorskip("torch").from_numpy(CLASSES)


def test_the_twin_gives_the_same_logits(pair, compare, request):
    theirs = pair.twin(pair.torch_x).detach().numpy()
    compare(f"{request.node.callspec.id}: logits", pair.model(pair.x).numpy(), theirs)


@pytest.mark.parametrize(
    "rule, name",
    [
        (Rule.GRADIENT, "Saliency"),
        (Rule.GUIDED, "GuidedBackprop"),
        (Rule.DECONVNET, "Deconvolution"),
    ],
)
def test_what_comes_down_from_a_class_is_captums(pair, compare, rule, name, request):
    options = {"abs": False} if name == "Saliency" else {}
    method = getattr(captum, name)(pair.twin)
    theirs = torch_twin.last(
        method.attribute(pair.torch_x.clone().requires_grad_(), target=torch_classes(), **options)
    )
    _, ours = gradients.of_logits(pair.model, rule)(pair.x, CLASSES)
    compare(f"{request.node.callspec.id}", ours, theirs)


@pytest.mark.parametrize("layer", ["conv2", "conv5"])
def test_what_comes_down_from_a_unit_is_captums(pair, compare, layer, request):
    climb = passage(pair.model, Rule.DECONVNET, upto=layer)
    y = climb(tf.constant(pair.x)).numpy()
    unit = np.unravel_index(y[0].argmax(), y.shape[1:])
    seed = np.zeros_like(y)
    seed[:, *unit] = 1
    down = tf.function(lambda x: sent_down(climb, x, lambda _: seed)[1], autograph=False)
    ours = down(tf.constant(pair.x)).numpy()
    names = list(dict(pair.twin.named_children()))
    part = pair.twin[: names.index(f"{layer}_relu") + 1]
    theirs = captum.Deconvolution(part).attribute(
        pair.torch_x.clone().requires_grad_(), target=(unit[2], unit[0], unit[1])
    )
    compare(request.node.callspec.id, ours, torch_twin.last(theirs))


def test_integrated_gradients_are_captums_and_complete(pair, compare, request):
    compute = gradients.of_logits(pair.model)
    ours, difference = gradients.integrated(compute, pair.x, CLASSES, STEPS)
    theirs, missed = captum.IntegratedGradients(pair.twin).attribute(
        pair.torch_x,
        target=torch_classes(),
        n_steps=STEPS,
        method="riemann_middle",
        return_convergence_delta=True,
    )
    compare(f"{request.node.callspec.id}: IntegratedGradients", ours, torch_twin.last(theirs))
    np.testing.assert_allclose(
        ours.sum(axis=(1, 2, 3)) - difference, missed.numpy(), atol=1e-4 * np.abs(difference).max()
    )


def test_occlusion_is_captums(pair, compare, request):
    """Captum gives each pixel the mean fall of the logit over the squares that hide it."""
    size, square = pair.x.shape[1], 27
    stride = (size - square) // 2
    watch = lambda x: in_batches(lambda part: (pair.model(part),), 16, x)  # noqa: E731
    theirs = captum.Occlusion(pair.twin).attribute(
        pair.torch_x,
        target=torch_classes(),
        sliding_window_shapes=(3, square, square),
        strides=(3, stride, stride),
    )
    ours = np.zeros((len(pair.x), size, size, 1))
    for n, (one, number) in enumerate(zip(pair.x, CLASSES, strict=True)):
        (said,) = occlusion.slid(watch, one, square, stride)
        falls = pair.model(pair.x).numpy()[n, number] - said[..., number]
        hidden = np.zeros((size, size, 1))
        for i, j in np.ndindex(falls.shape):
            part = np.s_[i * stride : i * stride + square, j * stride : j * stride + square]
            ours[n][part] += falls[i, j]
            hidden[part] += 1
        assert hidden.all()  # the squares of Captum and ours are the same
        ours[n] /= hidden
    compare(f"{request.node.callspec.id}: Occlusion", ours, torch_twin.last(theirs)[..., :1])


def test_grad_cam_is_captums(pair, compare, request):
    likely = pair.model(pair.x).numpy().argmax(axis=1)
    ours = gradients.activation_maps(pair.model, "conv3")(pair.x, likely)
    method = captum.LayerGradCam(pair.twin, pair.twin.conv3_relu)
    target = pytest.importorskip("torch").from_numpy(likely)
    theirs = method.attribute(pair.torch_x, target=target, relu_attributions=True)
    compare(f"{request.node.callspec.id}: LayerGradCam", ours, theirs.detach().numpy()[:, 0])
