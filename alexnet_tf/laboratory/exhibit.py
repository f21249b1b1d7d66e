"""What `visualize` has made: a picture, the numbers behind it, and what to know about both."""

import dataclasses
import io
import json
import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.errors import writing
from pipelines import files


@dataclasses.dataclass(frozen=True, kw_only=True)
class About:
    """What to know of a kind of picture."""

    title: str
    """A few words."""
    method: str
    """How it is computed."""
    source: str
    """Paper and section."""
    limits: str
    """What it does not show."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One picture with its numbers."""

    name: str
    """Of its files, such as filters."""
    about: About
    """What holds for all pictures of this kind."""
    seen: str
    """What one sees here, with its numbers."""
    picture: np.ndarray
    """uint8 [H, W, 3]."""
    numbers: dict
    """What .json gets."""
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """What .npz gets; no file where there are none."""
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    """Further files by their paths inside the output directory."""

    def write(self, output: pathlib.Path) -> list[str]:
        """Writes NAME.png, NAME.json, NAME.npz and further files, each whole; returns their names.

        Raises:
          RunFailed: they cannot be written.
        """
        contents = {f"{self.name}.png": png(self.picture)}
        caption = dataclasses.asdict(self.about) | {"seen": self.seen}
        if caption.keys() & self.numbers.keys():
            raise ValueError(f"{self.name}: a number is called as a part of its caption")
        contents[f"{self.name}.json"] = json.dumps(caption | self.numbers, indent=1).encode()
        contents |= self.files
        if self.arrays:
            file = io.BytesIO()
            np.savez_compressed(file, **self.arrays)
            contents[f"{self.name}.npz"] = file.getvalue()
        for name, data in contents.items():
            path = output / name
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_bytes(path, data)
        return list(contents)


def png(picture: np.ndarray) -> bytes:
    """Encodes uint8 [H, W, 3]."""
    return tf.io.encode_png(picture).numpy()
