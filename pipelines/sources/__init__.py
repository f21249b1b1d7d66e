"""Where examples come from: the sources there are, by name."""

from pipelines.config import DataConfig, Split
from pipelines.source import Source
from pipelines.sources.layout import SPLITS, look


def open_source(
    config: DataConfig, split: Split, seed: int, classes: tuple[str, ...] = ()
) -> Source:
    """Opens what `data.source` names.

    Args:
      config: names the source.
      split: train, val, or all for both.
      seed: the run's seed; only sources that draw their examples use it.
      classes: the classes of a network that is only evaluated; a folder need not have them all.
        By default the source's own.

    Raises:
      ValueError: there is nothing to read, or a class that is not one of `classes`.
    """
    if split not in list(Split):
        raise ValueError(f"split={split!r}: expected train, val or all.")
    kind, _, place = config.source.partition(":")
    if kind == "folder":
        from pipelines.sources.folder import folder

        return folder(place, split, config.held_out, classes)
    from pipelines.sources.shapes import shapes

    drawn = shapes(seed, str(split))  # as text, since its digest quotes it
    if classes and drawn.classes != classes:
        raise ValueError(
            f"data.source=shapes has the classes {', '.join(drawn.classes)}; expected those of the "
            "network. Name a folder that holds some of them: --data.source=folder:DIR."
        )
    return drawn


def own_splits(config: DataConfig) -> tuple[str, ...]:
    """Lists which of train and val the source has; neither for a plain folder.

    Raises:
      ValueError: there is nothing to read.
    """
    kind, _, place = config.source.partition(":")
    return tuple(look(place).pictures) if kind == "folder" else SPLITS
