"""Experiments on CIFAR-10, the small pictures of the paper's figure 1 and section 3.3.

No TensorFlow.
"""

import dataclasses

from alexnet_tf.config.network import Init
from alexnet_tf.config.optimizer import OptimizerConfig, Schedule
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.experiments.table import Claim, Direction, Experiment, Measure, Row, Size
from alexnet_tf.networks.family.names import network
from pipelines.config import DataConfig

SOURCE = "folder:cifar10"
QUARTER_EPOCH = 98
"""Steps of 128 that show a quarter of CIFAR-10's 50,000 training pictures."""
RATES = (0.01, 0.03, 0.003, 0.1, 0.001)
AT_THE_END = 1_000_000


def lrn_cifar(size: Size, source: str) -> Experiment:
    """Response normalization on CIFAR-10: the pair of cuda-convnet's networks."""
    without, with_lrn = network("cifar_13pct"), network("cifar_11pct")
    epochs, drops = (30.0, (26.0, 28.0)) if size == Size.BENCH else (470.0, (450.0, 460.0))
    base = Config(
        network=dataclasses.replace(
            without, input=dataclasses.replace(without.input, mean="dataset")
        ),
        data=DataConfig(source=SOURCE, color_noise=0.0),
        optimizer=OptimizerConfig(
            learning_rate=0.001,
            bias_rate=2.0,
            weight_decay=0.004,
            schedule=Schedule.STEP,
            drop_epochs=drops,
        ),
        run=RunConfig(
            epochs=epochs,
            global_batch_size=128,
            log_every_steps=QUARTER_EPOCH,
            evaluate_every_epochs=AT_THE_END,
            save_every_seconds=60.0,
            tensorboard=False,
        ),
    )
    return Experiment(
        name="lrn_cifar",
        source=SOURCE,
        title="Local response normalization on CIFAR-10",
        base=base,
        minutes=15,
        note="The pair is cuda-convnet's: layers-conv-local-13pct and the first version of "
        "11pct, which differ in nothing but the normalization. Ours: one weight decay for all "
        "layers (.004; theirs was 0 in conv1 and conv2), the mean color instead of the mean "
        f"picture, the center window instead of nine. Of {epochs:g} epochs (theirs: 470) the rate "
        "is divided twice near the end, as theirs.",
        rows=(
            Row(name="base"),
            Row(
                name="normalized",
                changes={"network.name": with_lrn.name, "network.layers": with_lrn.layers},
                claim=Claim(
                    sentence="A four-layer CNN has 13 % error without normalization and 11 % with.",
                    source="Krizhevsky, Sutskever, Hinton 2012, section 3.3",
                    direction=Direction.LOWER,
                    published=-0.02,
                ),
            ),
        ),
    )


def figure1(size: Size, source: str) -> Experiment:
    """Epochs to 25 % training error with ReLU and with tanh: figure 1."""
    four_layers = network("figure1")
    base = Config(
        network=dataclasses.replace(
            four_layers,
            input=dataclasses.replace(four_layers.input, scale=1 / 64, mean="dataset"),
            init=Init.TORCH,
        ),
        data=DataConfig(source=SOURCE, mirror=False, random_crop=False, color_noise=0.0),
        optimizer=OptimizerConfig(schedule=Schedule.CONSTANT, weight_decay=0.0),
        run=RunConfig(
            epochs=40,
            global_batch_size=128,
            log_every_steps=QUARTER_EPOCH,
            evaluate_every_epochs=AT_THE_END,
            save_every_seconds=60.0,
            tensorboard=False,
        ),
    )
    return Experiment(
        name="figure1",
        source=SOURCE,
        title="Epochs to 25 % training error, ReLU and tanh",
        base=base,
        minutes=3,
        measure=Measure.EPOCHS_TO,
        note="The paper's network is not published; this one has three convolutions and a fully "
        "connected layer, with PyTorch's small initial weights for both: with He's the first "
        "logits are so large that the first steps of some seeds leave most ReLUs dead. No weight "
        "decay, dropout, augmentation; batches of 128, momentum 0.9, a constant rate. The "
        "training error is that of the examples just before each update, averaged over windows of "
        "98 steps (of CIFAR-10 a quarter of an epoch); the crossing is interpolated between the "
        "centers of two windows. The rate is the best of "
        f"{', '.join(f'{x:g}' for x in sorted(RATES))} for each activation, by one run each with a "
        "seed of its own, which ends once it is slower than the best before it by a window and a "
        "half.",
        rows=(
            Row(name="relu", changes={"network.activation": "relu"}, rates=RATES),
            Row(
                name="tanh",
                changes={"network.activation": "tanh"},
                rates=RATES,
                claim=Claim(
                    sentence="ReLUs reach 25 % training error six times faster than tanh.",
                    source="Krizhevsky, Sutskever, Hinton 2012, figure 1",
                    direction=Direction.HIGHER,
                    published=6.0,
                ),
            ),
        ),
    )
