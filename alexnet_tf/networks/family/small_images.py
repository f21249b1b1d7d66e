"""The networks of the family for small pictures: CIFAR-10, digits, and our quickstart."""

from alexnet_tf.config.layer_rows import (
    Activate,
    Activation,
    Conv,
    Dense,
    Local,
    Lrn,
    Pool,
    Rbf,
    Sparse,
    SpatialNorm,
    Subsample,
)
from alexnet_tf.config.network import DropoutMode, Init, NetworkConfig
from alexnet_tf.networks.family.member import Member, Published, changed
from pipelines.config import ChannelOrder, InputConfig

CIFAR = "CIFAR-10 test"
CUDA_CONVNET = "cuda-convnet"
LINEAR = Activation.LINEAR

# layers-18pct.cfg; the file's per-layer weight decay (.004, fc10 1) is no part of a network.
EIGHTEEN_LAYERS = (
    Conv(name="conv1", filters=32, kernel=5, pad=(2, 2), std=1e-4, activation=LINEAR),
    Pool(name="pool1", round_up=True),
    Activate(name="relu1"),
    SpatialNorm(name="rnorm1", size=3, alpha=5e-5 / 9),
    Conv(name="conv2", filters=32, kernel=5, pad=(2, 2)),
    Pool(name="pool2", is_mean=True, round_up=True),
    SpatialNorm(name="rnorm2", size=3, alpha=5e-5 / 9),
    Conv(name="conv3", filters=64, kernel=5, pad=(2, 2)),
    Pool(name="pool3", is_mean=True, round_up=True),
    Dense(name="fc10", units=0, activation=LINEAR),
)
LOCAL_LAYERS = (
    Conv(name="conv1", filters=64, kernel=5, pad=(2, 2), std=1e-4),
    Pool(name="pool1", round_up=True),
    Conv(name="conv2", filters=64, kernel=5, pad=(2, 2)),
    Pool(name="pool2", round_up=True),
    Local(name="local3", filters=32, kernel=3, pad=(1, 1), std=0.04),
    Local(name="local4", filters=32, kernel=3, pad=(1, 1), std=0.04),
    Dense(name="fc10", units=0, activation=LINEAR),
)
FIRST_LRN = {"radius": 2, "bias": 1.0, "alpha": 1e-3 / 5}
LAST_LRN = {"radius": 4, "bias": 1.0, "alpha": 1e-3 / 9}
FIGURE1_LAYERS = (
    Conv(name="conv1", filters=32, kernel=5, pad=(2, 2)),
    Pool(name="pool1", round_up=True),
    Conv(name="conv2", filters=32, kernel=5, pad=(2, 2)),
    Pool(name="pool2", round_up=True),
    Conv(name="conv3", filters=64, kernel=5, pad=(2, 2)),
    Pool(name="pool3", round_up=True),
    Dense(name="fc4", units=0, activation=LINEAR),
)

SQUASH = Activation.SCALED_TANH
# Table I of LeCun et al. 1998: six maps see three neighbors, six see four, three see two pairs,
# and one sees all.
C3_CONNECTIONS = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6) for i in range(3)),
    tuple(range(6)),
)
LENET_LAYERS = (
    Conv(name="c1", filters=6, kernel=5, std=0.2, activation=SQUASH),
    Subsample(name="s2", activation=SQUASH),
    Sparse(
        name="c3",
        filters=16,
        kernel=5,
        std=0.1,
        activation=SQUASH,
        connections=tuple(tuple(sorted(inputs)) for inputs in C3_CONNECTIONS),
    ),
    Subsample(name="s4", activation=SQUASH),
    Conv(name="c5", filters=120, kernel=5, std=0.05, activation=SQUASH),
    Dense(name="f6", units=84, std=0.09, activation=SQUASH),
    Rbf(name="output"),
)
MODERN_LAYERS = (
    Conv(name="c1", filters=6, kernel=5, activation=Activation.TANH),
    Pool(name="s2", size=2, is_mean=True),
    Conv(name="c3", filters=16, kernel=5, activation=Activation.TANH),
    Pool(name="s4", size=2, is_mean=True),
    Conv(name="c5", filters=120, kernel=5, activation=Activation.TANH),
    Dense(name="f6", units=84, activation=Activation.TANH),
    Dense(name="output", units=0, activation=LINEAR),
)
# White on black: 0 becomes -0.1 and 255 becomes 1.175.
DIGITS = InputConfig(
    size=32, resize=32, mean=(20.0, 20.0, 20.0), scale=0.005, channel_order=ChannelOrder.GRAY
)
OBJECTS = InputConfig(size=32, resize=32)
CROPS = InputConfig(size=24, resize=32)


def _cifar(name: str, layers, inputs: InputConfig = CROPS, **settings) -> NetworkConfig:
    return NetworkConfig(name=name, layers=layers, input=inputs, groups=1, **settings)


SMALL_PICTURES = (
    Member(
        config=NetworkConfig(
            name="small",
            input=InputConfig(size=96, resize=104, scale=1 / 64),
            width=0.25,
            fc_width=512,
            init=Init.HE,
            dropout=DropoutMode.INVERTED,
            dropout_rate=0.3,
        ),
        source="ours: paper at a quarter of the width, for the quickstart's pictures of 96 pixels",
        num_classes=10,
    ),
    Member(
        config=_cifar("cifar_18pct", EIGHTEEN_LAYERS, OBJECTS),
        source="cuda-convnet layers-18pct.cfg",
        num_classes=10,
        published=(Published(top1_error=0.18, data=CIFAR, by=CUDA_CONVNET),),
        note="Its weight decay differed by layer: .004 and, for fc10, 1.",
    ),
    Member(
        config=_cifar("cifar_13pct", LOCAL_LAYERS),
        source="cuda-convnet layers-conv-local-13pct.cfg",
        num_classes=10,
        published=(Published(top1_error=0.13, data=CIFAR, views=9, by=CUDA_CONVNET),),
        note="No decay in conv1 and conv2, .004 above; nine views, not mirrored.",
    ),
    Member(
        config=_cifar(
            "cifar_11pct",
            changed(
                LOCAL_LAYERS,
                after={
                    "conv1": Lrn(name="norm1", **FIRST_LRN),
                    "conv2": Lrn(name="norm2", **FIRST_LRN),
                },
            ),
        ),
        source="cuda-convnet layers-conv-local-11pct.cfg of 2012-03-13: 13pct with LRN alone",
        num_classes=10,
        published=(Published(top1_error=0.11, data=CIFAR, views=9, by="the paper, section 3.3"),),
    ),
    Member(
        config=_cifar(
            "cifar_11pct_final",
            changed(
                LOCAL_LAYERS,
                local3={"filters": 64},
                after={
                    "pool1": Lrn(name="norm1", **LAST_LRN),
                    "conv2": Lrn(name="norm2", **LAST_LRN),
                },
            ),
        ),
        source="cuda-convnet layers-conv-local-11pct.cfg as it was last released",
        num_classes=10,
        published=(Published(top1_error=0.11, data=CIFAR, views=9, by=CUDA_CONVNET),),
    ),
    Member(
        config=_cifar("figure1", FIGURE1_LAYERS, OBJECTS, init=Init.HE, dropout=DropoutMode.NONE),
        source="ours: a four-layer network for the paper's figure 1, whose own is unpublished",
        num_classes=10,
    ),
    Member(
        config=NetworkConfig(
            name="lenet5", layers=LENET_LAYERS, input=DIGITS, groups=1, dropout=DropoutMode.NONE
        ),
        source="LeCun, Bottou, Bengio, Haffner 1998",
        num_classes=10,
        published=(Published(top1_error=0.0095, data="MNIST test", by="the paper"),),
        note="The codes of the ten outputs are drawn by us in the manner of its figure 3.",
    ),
    Member(
        config=NetworkConfig(
            name="lenet5_modern",
            layers=MODERN_LAYERS,
            input=DIGITS,
            groups=1,
            init=Init.HE,
            dropout=DropoutMode.NONE,
        ),
        source="the usual re-implementation: all connections, softmax output",
        num_classes=10,
    ),
)
