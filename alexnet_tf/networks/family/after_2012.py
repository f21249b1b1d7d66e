"""The networks of the family that came after the paper."""

import math

from alexnet_tf.config.layer_rows import (
    PAPER_LAYERS,
    Activate,
    Activation,
    Conv,
    Dense,
    Drop,
    Layer,
    Lrn,
    Pool,
)
from alexnet_tf.config.network import DropoutMode, Init, NetworkConfig, Normalization
from alexnet_tf.networks.family.member import Member, Published, changed
from pipelines.config import InputConfig, ResizeFilter

LINEAR = {"activation": Activation.LINEAR}
PROGRAM_LRN = {"alpha": 2e-5}
"""1e-4, which cuda-convnet2 divides by n = 5."""


def _conv(number: int, filters: int, kernel: int, pad: int, **row) -> Conv:
    return Conv(name=f"conv{number}", filters=filters, kernel=kernel, pad=(pad, pad), **row)


def _ungrouped(filters: tuple[int, ...], first_pad: tuple[int, int], rows: dict) -> tuple:
    """Makes the convolutions and pools of one-device networks; `rows` has their other fields."""
    kernels, pads = (11, 5, 3, 3, 3), (0, 2, 1, 1, 1)
    result: list[Layer] = []
    for number in range(1, 6):
        stride = 4 if number == 1 else 1
        pad = first_pad if number == 1 else (pads[number - 1],) * 2
        result.append(
            Conv(
                name=f"conv{number}",
                filters=filters[number - 1],
                kernel=kernels[number - 1],
                stride=stride,
                pad=pad,
                **rows.get(f"conv{number}", {}),
            )
        )
        if number in (1, 2, 5):
            result.append(Pool(name=f"pool{number}"))
    return tuple(result)


def _dropped_before(units: int, std: float = 0.01) -> tuple[Layer, ...]:
    """Makes the fully connected layers, with dropout before the first two."""
    return (
        Drop(name="drop6"),
        Dense(name="fc6", units=units, std=std),
        Drop(name="drop7"),
        Dense(name="fc7", units=units, std=std),
        Dense(name="fc8", units=0, std=std, activation=Activation.LINEAR),
    )


def _fan_out(filters: int, kernel: int) -> dict:
    """Returns the standard deviation of He's normal initialization by fan-out, as a field."""
    return {"std": math.sqrt(2 / (filters * kernel**2))}


OWT_FILTERS, TEACHING_FILTERS = (64, 192, 384, 256, 256), (96, 256, 384, 384, 256)
OWT_LAYERS = changed(
    _ungrouped(
        OWT_FILTERS,
        (0, 3),
        {
            "conv1": LINEAR,
            "conv2": {"bias": 1.0},
            "conv3": {"std": 0.03},
            "conv4": {"std": 0.03, "bias": 1.0},
            "conv5": {"std": 0.03, "bias": 1.0} | LINEAR,
        },
    ),
    after={
        "conv1": Lrn(name="norm1", **PROGRAM_LRN),
        "pool1": Activate(name="relu1"),
        "conv2": Lrn(name="norm2", **PROGRAM_LRN),
        "pool5": Activate(name="relu5"),
    },
) + changed(PAPER_LAYERS[-5:], fc8={"bias": -7.0})


def _zeiler(name: str, widths: tuple[int, int, int]) -> NetworkConfig:
    """Makes a network of Zeiler and Fergus.

    Sizes round up; windows reach over the edge at the right and below (224 - 110 - 55 - 26 - 13).
    """
    first, second, third = widths
    layers = (
        Conv(name="conv1", filters=96, kernel=7, stride=2, pad=(0, 1)),
        Pool(name="pool1", round_up=True),
        Lrn(name="norm1"),
        Conv(name="conv2", filters=256, kernel=5, stride=2),
        Pool(name="pool2", round_up=True),
        Lrn(name="norm2"),
        _conv(3, first, 3, 1),
        _conv(4, second, 3, 1),
        _conv(5, third, 3, 1),
        Pool(name="pool5"),
        *changed(PAPER_LAYERS[-5:], fc6={"bias": 0.0}, fc7={"bias": 0.0}),
    )
    return NetworkConfig(name=name, layers=layers, groups=1)


LATER = (
    Member(
        config=NetworkConfig(
            name="torchvision",
            layers=(*_ungrouped(OWT_FILTERS, (2, 2), {}), *_dropped_before(4096)),
            groups=1,
            init=Init.TORCH,
            dropout=DropoutMode.INVERTED,
            input=InputConfig(
                mean=(123.675, 116.28, 103.53),
                stdev=(58.395, 57.12, 57.375),
                resize_filter=ResizeFilter.ANTIALIAS,
            ),
        ),
        source="torchvision models/alexnet.py, after Krizhevsky 2014 (One weird trick)",
        published=(Published(top1_error=0.43478, top5_error=0.20934, by="torchvision"),),
    ),
    Member(
        config=NetworkConfig(name="owt2014", layers=OWT_LAYERS, groups=1),
        source="cuda-convnet2 layers/layers-imagenet-1gpu.cfg (One weird trick, with LRN)",
        note="Published errors of this file's network are not available.",
    ),
    Member(
        config=NetworkConfig(
            name="slim2048",
            layers=(
                *_ungrouped(
                    TEACHING_FILTERS,
                    (1, 2),
                    {
                        f"conv{number}": _fan_out(filters, kernel)
                        for number, filters, kernel in zip(
                            range(1, 6), TEACHING_FILTERS, (11, 5, 3, 3, 3), strict=True
                        )
                    },
                ),
                *_dropped_before(2048),
            ),
            groups=1,
            dropout=DropoutMode.INVERTED,
            input=InputConfig(mean=(127.5, 127.5, 127.5), scale=1 / 127.5),
        ),
        source="the widespread teaching variant; no paper",
    ),
    Member(
        config=NetworkConfig(
            name="batchnorm",
            normalization=Normalization.BATCH,
            init=Init.HE,
            dropout=DropoutMode.INVERTED,
        ),
        source="ours: paper with batch normalization (Ioffe & Szegedy 2015) instead of LRN",
    ),
    Member(
        config=_zeiler("zfnet", (384, 384, 256)),
        source="Zeiler & Fergus 2013, figure 3",
        published=(
            Published(top1_error=0.384, top5_error=0.165, views=10, by="the paper, table 2"),
        ),
        note="LRN constants are not given there; these are Krizhevsky's. Sizes round up.",
    ),
    Member(
        config=_zeiler("zfnet_wide", (512, 1024, 512)),
        source="Zeiler & Fergus 2013, table 2: maps 512, 1024, 512",
        published=(
            Published(top1_error=0.375, top5_error=0.160, views=10, by="the paper, table 2"),
        ),
        note="LRN constants as in zfnet.",
    ),
)
