"""The experiment that takes the recipe of today apart. No TensorFlow."""

from alexnet_tf.config.optimizer import Rule
from alexnet_tf.experiments.on_imagenette import base
from alexnet_tf.experiments.table import Claim, Direction, Experiment, Row, Size
from alexnet_tf.recipes import imagenette

_WITHOUT, _WITH = Direction.HIGHER, Direction.LOWER
_NO_BATCH_NORM = {
    "network.normalization": "table",
    "optimizer.rates": (),
    "optimizer.learning_rate": imagenette().optimizer.learning_rate,
}
_LAMB = {
    "optimizer.rule": Rule.LAMB,
    "optimizer.rates": (),
    "optimizer.learning_rate": 0.004,
    "optimizer.weight_decay": 0.01,
}
PARTS = (
    ("no_batch_norm", _NO_BATCH_NORM, "Batch normalization", "Ioffe and Szegedy 2015", _WITHOUT),
    (
        "no_resized_crops",
        {"data.least_crop": 0.0},
        "Cutting windows of random size",
        "Szegedy et al. 2014",
        _WITHOUT,
    ),
    ("no_mixup", {"data.mixup": 0.0}, "Mixup", "Zhang et al. 2017", _WITHOUT),
    (
        "no_smoothing",
        {"optimizer.label_smoothing": 0.0},
        "Label smoothing",
        "Szegedy et al. 2015",
        _WITHOUT,
    ),
    (
        "no_average",
        {"optimizer.average": 0.0},
        "Averaging weights",
        "Polyak and Juditsky 1992",
        _WITHOUT,
    ),
    (
        "cutmix",
        {"data.cutmix": 1.0, "data.mixup": 0.0},
        "CutMix instead of mixup",
        "Yun et al. 2019",
        _WITH,
    ),
    ("rand_augment", {"data.rand_augment": 2}, "RandAugment", "Cubuk et al. 2019", _WITH),
    ("erasing", {"data.erasing": 0.25}, "Random erasing", "Zhong et al. 2017", _WITH),
    (
        "sgdw",
        {"optimizer.rule": Rule.SGDW, "optimizer.weight_decay": 5e-3},
        "Weight decay beside the gradient",
        "Loshchilov and Hutter 2017",
        _WITH,
    ),
    ("lamb", _LAMB, "A length of step for each layer", "You et al. 2019", _WITH),
)
"""Rows: name, changes, what it is about, who says so, what the row's error is claimed to be."""


def modern(size: Size, source: str) -> Experiment:
    """What each part of a recipe of today adds."""
    return Experiment(
        name="modern",
        title="Parts of the recipe imagenette_modern, taken away or added",
        base=base(size, "", "imagenette_modern"),
        minutes=14,
        note="No number is published for these in this network: the claim is only that each part "
        "lowers the error. Without batch normalization the rates are those of the recipe "
        "imagenette. Rates of sgdw and lamb are ours: sgdw decays ten times as much, since no "
        "momentum adds to it; lamb was made for batches of thousands. The error is that of the "
        "center window and of the averages.",
        rows=(
            Row(name="base"),
            *(
                Row(
                    name=name,
                    changes=changes,
                    claim=Claim(sentence=f"{what} lowers the error.", source=who, direction=error),
                )
                for name, changes, what, who, error in PARTS
            ),
        ),
    )
