"""Sets of a few pictures that TensorFlow Datasets prepares, without network."""

import contextlib
import pathlib
import warnings
from collections.abc import Mapping, Sequence

Example = tuple[bytes, int | list[int], str]
"""A picture, its label or labels, what its file is called."""


def prepare(
    data_dir: pathlib.Path,
    name: str,
    splits: Mapping[str, Sequence[Example]],
    classes: Sequence[str],
    several: str = "",
    has_names: bool = True,
    **how,
) -> pathlib.Path:
    """Prepares a set and returns its directory.

    Args:
      data_dir: what TFDS_DATA_DIR is to name.
      name: of the set, in lower case with underscores.
      splits: its examples.
      classes: names of the labels.
      several: the feature for several labels an example; empty for one each.
      has_names: whether there is a feature for names of files.
      how: given to the builder, such as file_format.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_datasets as tfds

        label = tfds.features.ClassLabel(names=list(classes))
        features = {"image": tfds.features.Image(encoding_format="jpeg")}
        features |= {several: tfds.features.Sequence(label)} if several else {"label": label}
        features |= {"file_name": tfds.features.Text()} if has_names else {}

        def info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", several or "label"),
            )

        def generators(self, manager):
            return {split: examples(number) for number, split in enumerate(splits)}

        def examples(number):
            for place, (encoded, labels, file) in enumerate(list(splits.values())[number]):
                found = {"image": encoded, several or "label": labels}
                yield f"{number}-{place}", found | ({"file_name": file} if has_names else {})

        body = {
            "VERSION": tfds.core.Version("1.2.3"),
            "name": name,
            "_info": info,
            "_split_generators": generators,
            "_generate_examples": lambda self: None,
        }
        tfds.disable_progress_bar()
        with tfds.core.registered.skip_registration(), contextlib.redirect_stdout(None):
            kind = type("Few", (tfds.core.GeneratorBasedBuilder,), body)
            builder = kind(data_dir=str(data_dir), **how)
            builder.download_and_prepare()
        return pathlib.Path(builder.data_dir)


def examples_in(folder: pathlib.Path, classes: Sequence[str]) -> list[Example]:
    """The pictures of a folder of classes."""
    return [
        (path.read_bytes(), classes.index(path.parent.name), f"any/{path.name}")
        for path in sorted(folder.glob("*/*"))
    ]
