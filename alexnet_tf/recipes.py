"""Named settings of whole runs, each with its command and its measured result."""

import dataclasses
from collections.abc import Callable

from alexnet_tf.config.network import DropoutMode, Init, Normalization
from alexnet_tf.config.optimizer import OptimizerConfig, Schedule
from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.networks.family.names import network
from pipelines.config import Cache, DataConfig


def quickstart() -> Config:
    """A small network learns the shapes that the program draws itself.

    python -m alexnet_tf.train
    Top-1 error 2.4, 3.7 and 3.0 % with seeds 0, 1 and 2, each after less than a minute on 2 cores
    of an AMD EPYC (2026-11-28).
    """
    return Config(
        recipe="quickstart",
        network=network("small"),
        data=DataConfig(source="shapes"),
        optimizer=OptimizerConfig(learning_rate=0.015, schedule=Schedule.COSINE, warmup_epochs=1),
        run=RunConfig(epochs=10, global_batch_size=32, log_every_steps=100),
    )


def imagenette() -> Config:
    """The whole network on ten classes of photographs, from random weights.

    With the 2012 initialization and so few pictures, the loss stays flat for long. With He's, zero
    biases, and inputs scaled to about -2..2, it falls from the first epoch.

    python -m alexnet_tf.train --recipe=imagenette --data.source=folder:imagenette-224
    Top-1 error 20.9 % at the center window, 19.6 % of ten views, after 76 minutes on 2 cores of an
    AMD EPYC (2026-11-24, seed 0).
    """
    paper = network("paper")
    return Config(
        recipe="imagenette",
        network=dataclasses.replace(
            paper,
            input=dataclasses.replace(paper.input, scale=1 / 64),
            init=Init.HE,
            dropout=DropoutMode.INVERTED,
        ),
        data=DataConfig(source="folder:imagenette-224", cache=Cache.MEMORY),
        optimizer=OptimizerConfig(learning_rate=0.015, schedule=Schedule.COSINE, warmup_epochs=1),
        run=RunConfig(epochs=16, global_batch_size=64),
    )


def imagenette_modern() -> Config:
    r"""What recipes since 2012 add to the network of 2012 on ten classes of photographs.

    Batch normalization keeps fc7 at the same size, so fc8, which has none, needs a lower rate: with
    that of the others its loss rises from the first epoch on.

    python -m alexnet_tf.train --recipe=imagenette_modern --precision=bfloat16 \
        --data.source=folder:imagenette-224
    Top-1 error 15.1 and 15.2 % at the center window with seeds 0 and 1 (of the averages 15.2 and
    15.1; of their ten views, seed 0: 14.6), in less than an hour on 2 cores of an AMD EPYC with
    avx512_bf16 (2026-11-28; with seed 0 averages had no statistics of their own).
    """
    plain = imagenette()
    return dataclasses.replace(
        plain,
        recipe="imagenette_modern",
        network=dataclasses.replace(plain.network, normalization=Normalization.BATCH),
        data=dataclasses.replace(plain.data, least_crop=0.3, mixup=0.2),
        optimizer=dataclasses.replace(
            plain.optimizer,
            learning_rate=0.02,
            rates=("fc8=0.05",),
            label_smoothing=0.1,
            average=0.998,
        ),
        run=dataclasses.replace(plain.run, epochs=36),
    )


def paper() -> Config:
    """The run of the paper's section 5: 90 epochs, the rate divided by 10 when the error stalls.

    python -m alexnet_tf.train --recipe=paper --data.source=folder:imagenet
    Top-1 error: not measured.
    """
    return Config(
        recipe="paper",
        network=network("paper"),
        data=DataConfig(source="folder:imagenet"),
        optimizer=OptimizerConfig(schedule=Schedule.PLATEAU),
        run=RunConfig(epochs=90, global_batch_size=128),
    )


RECIPES: dict[str, Callable[[], Config]] = {
    "quickstart": quickstart,
    "imagenette": imagenette,
    "imagenette_modern": imagenette_modern,
    "paper": paper,
}


def recipe(name: str) -> Config:
    """Looks up a recipe by name.

    Raises:
      UserError: no recipe has this name.
    """
    if name not in RECIPES:
        raise UserError(expected_one_of("recipe", name, RECIPES))
    return RECIPES[name]()
