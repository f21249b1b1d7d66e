"""The networks of the family from the paper and its programs, for ImageNet."""

from alexnet_tf.config.layer_rows import Activate, Activation, Conv, Layer, SpatialNorm
from alexnet_tf.config.network import DropoutMode, NetworkConfig
from alexnet_tf.networks.family.member import Member, Published, changed
from pipelines.config import ChannelOrder, InputConfig, ResizeFilter, ResizeRule

LOG = "Krizhevsky's lab log (computerhistory/AlexNet-Source-Code)"
LINEAR = {"activation": Activation.LINEAR}
PROGRAM_LRN = {"alpha": 2e-5}
"""1e-4, which the program divided by n = 5."""

# Layers 1 and 5 are linear up to their pooling; layer 2 has a second, spatial normalization.
PROGRAM_LAYERS = changed(
    conv1=LINEAR,
    norm1=PROGRAM_LRN,
    norm2=PROGRAM_LRN,
    conv5=LINEAR,
    after={
        "pool1": Activate(name="relu1"),
        "norm2": SpatialNorm(name="rnorm2"),
        "pool5": Activate(name="relu5"),
    },
)


def _program(name: str, layers: tuple[Layer, ...], **settings) -> NetworkConfig:
    return NetworkConfig(name=name, layers=layers, **settings)


def _caffe(name: str, layers: tuple[Layer, ...]) -> NetworkConfig:
    return NetworkConfig(
        name=name,
        layers=layers,
        lrn_across_towers=True,
        dropout=DropoutMode.INVERTED,
        input=InputConfig(
            size=227,
            resize=256,
            mean=(123.0, 117.0, 104.0),
            channel_order=ChannelOrder.BGR,
            resize_rule=ResizeRule.WARP,
            resize_filter=ResizeFilter.BILINEAR,
        ),
    )


CAFFE_LRN = {"alpha": 2e-5, "bias": 1.0}
CAFFE_ROWS = {
    "conv1": {"pad": (0, 0)},
    "norm1": CAFFE_LRN,
    **{name: {"round_up": True} for name in ("pool1", "pool2", "pool5")},
    "norm2": CAFFE_LRN,
    "conv3": {"std": 0.01},
    "conv4": {"std": 0.01},
    "conv5": {"std": 0.01},
    "fc6": {"std": 0.005},
    "fc7": {"std": 0.005},
}
CAFFENET_LAYERS = changed(**CAFFE_ROWS)
CAFFE_LAYERS = changed(
    CAFFENET_LAYERS, **{name: {"bias": 0.1} for name in ("conv2", "conv4", "conv5", "fc6", "fc7")}
)


def _swapped(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Moves each pooling before the normalization of the same number."""
    result = list(layers)
    for number in (1, 2):
        place = [layer.name for layer in result].index(f"norm{number}")
        result[place], result[place + 1] = result[place + 1], result[place]
    return tuple(result)


CONV6 = Conv(name="conv6", filters=256, kernel=3, pad=(1, 1), std=0.03, bias=1.0)

IMAGENET = (
    Member(
        config=NetworkConfig(),
        source="Krizhevsky, Sutskever, Hinton 2012, the text",
        published=(
            Published(top1_error=0.407, top5_error=0.182, views=10, by="the paper, table 2"),
            Published(
                top1_error=0.375,
                top5_error=0.170,
                views=10,
                data="ILSVRC-2010 test",
                by="the paper, table 1",
            ),
            Published(
                top1_error=0.390,
                top5_error=0.183,
                data="ILSVRC-2010 test",
                by="the paper, footnote 5",
            ),
        ),
    ),
    Member(
        config=_program("run2012", PROGRAM_LAYERS),
        source="layers-145.cfg of the 2012 program",
        published=(Published(top1_error=0.40664, top5_error=0.18210, views=10, by=LOG),),
        note="Train it with optimizer.bias_rate=2; biases do not decay.",
    ),
    Member(
        config=_program(
            "one_gpu_half",
            changed(
                PROGRAM_LAYERS,
                conv1={"filters": 48},
                conv2={"filters": 128},
                conv3={"filters": 192},
                conv4={"filters": 192},
            ),
            groups=1,
        ),
        source="#145-half of the 2012 program: one tower, but for conv5 and fc6, fc7",
        published=(
            Published(
                top1_error=0.39168, top5_error=0.18229, views=10, data="ILSVRC-2010 test", by=LOG
            ),
        ),
    ),
    Member(
        config=_program("no_lrn", changed(PROGRAM_LAYERS, without=("norm1", "norm2", "rnorm2"))),
        source="#148 of the 2012 program: no normalization at all",
        published=(Published(top1_error=0.42034, top5_error=0.19362, views=10, by=LOG),),
    ),
    Member(
        config=_program(
            "pool22",
            changed(
                PROGRAM_LAYERS,
                conv2={"pad": (1, 1)},
                conv5={"pad": (0, 0)},
                **{name: {"size": 2, "round_up": True} for name in ("pool1", "pool2", "pool5")},
            ),
        ),
        source="#147 of the 2012 program: windows of 2 every 2 pixels, other paddings",
        published=(Published(top1_error=0.41058, top5_error=0.18510, views=10, by=LOG),),
    ),
    Member(
        config=_program(
            "conv6",
            changed(PROGRAM_LAYERS, after={"relu5": CONV6}),
        ),
        source="#146 of the 2012 program: a sixth convolution over the last pooling; its error is "
        "after pre-training on ImageNet Fall 2011 (1 CNN* of the paper)",
        published=(
            Published(
                top1_error=0.38990,
                top5_error=0.16622,
                views=10,
                by=f"{LOG}; pre-trained on ImageNet Fall 2011 (the paper's 1 CNN*)",
            ),
        ),
    ),
    Member(
        config=_caffe("caffe", CAFFE_LAYERS),
        source="BVLC/caffe models/bvlc_alexnet",
        published=(Published(top1_error=0.429, top5_error=0.198, by="BVLC/caffe"),),
    ),
    Member(
        config=_caffe("caffenet", _swapped(CAFFENET_LAYERS)),
        source="BVLC/caffe models/bvlc_reference_caffenet",
        published=(Published(top1_error=0.426, top5_error=0.196, by="BVLC/caffe"),),
    ),
)
