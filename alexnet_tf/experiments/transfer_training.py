"""A network trained on one fold, by the ordinary loop on a folder of links."""

import dataclasses
import os
import pathlib
import shutil

import numpy as np

from alexnet_tf.config.run import Config
from alexnet_tf.errors import writing
from alexnet_tf.experiments.folds import Fold
from alexnet_tf.experiments.transfer_pictures import Pictures
from alexnet_tf.training import checkpoint
from alexnet_tf.training.checkpoint import Which
from alexnet_tf.training.evaluation import evaluate
from alexnet_tf.training.run import run
from pipelines.config import Split, Views
from pipelines.source import Source


def trained(
    config: Config, source: Source, pictures: Pictures, fold: Fold, directory: pathlib.Path
) -> tuple[int, float]:
    """Trains on a fold, or goes on with it, and tests the weights of the last step.

    Args:
      config: how to train; the pictures and the run directory are put in.
      source: the source of the pictures, whose names are paths.
      pictures: those that take part.
      fold: places in them.
      directory: for the run and the links; to be removed once the accuracy is kept.

    Returns:
      the exit code, and the mean of the classes' accuracies, 0 to 1; 0 where it was stopped.

    Raises:
      RunFailed: the loss is not finite, or a file cannot be written.
    """
    links = directory / "pictures"
    with writing(directory):
        shutil.rmtree(links, ignore_errors=True)
        for split, places in (("train", fold.train), ("val", fold.test)):
            _link(source, pictures, places, links / split)
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, source=f"folder:{links}"),
        run=dataclasses.replace(config.run, run_dir=str(directory / "run")),
    )
    code, _ = run(config)
    if code:
        return code, 0.0
    stored = checkpoint.load(config.run_dir, Which.LAST)  # the best would be chosen by the test
    confusion = evaluate(stored, config, Views.CENTER, Split.VAL).confusion
    return 0, float(np.mean(confusion.diagonal() / confusion.sum(axis=1)))


def _link(source: Source, pictures: Pictures, places: np.ndarray, split: pathlib.Path) -> None:
    """Makes relative links <class>/<number><ending> to some pictures."""
    for place in places:
        index = int(pictures.index[place])
        target = pathlib.Path(source.name(index)).absolute()
        folder = split / pictures.classes[pictures.label[place]]
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / f"{index:07d}{target.suffix}"
        link.symlink_to(os.path.relpath(target, os.path.realpath(folder)))
