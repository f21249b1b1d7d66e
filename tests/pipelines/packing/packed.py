"""What the tests of packing share: small sets, packed and read again."""

import hashlib
import io
import pathlib
import tarfile

import tensorflow as tf

from pipelines.packing.inventory import Inventory, take_inventory
from pipelines.packing.pack import pack
from pipelines.packing.settings import Packing
from pipelines.records import description, index
from pipelines.records.description import Description

JPEG = b"\xff\xd8\xff\xe0 a picture"
TWO = (("a/1.jpg", JPEG + b"1"), ("b/1.jpg", JPEG + b"2"))
"""A member of each of two classes."""


def packed(source, output, **settings) -> Description:
    """Packs quietly."""
    packing = Packing(input=str(source), output=str(output), **settings)
    return pack(packing, lambda done, total: None, lambda text: None)


def described(folder) -> Description:
    return description.from_text((pathlib.Path(folder) / description.FILE).read_text())


def examples(folder, split: str) -> list[dict]:
    """The examples of a split, in order: values by key, and the row of the index."""
    found = []
    for shard in described(folder).splits[split].shards:
        path = pathlib.Path(folder) / shard.name
        rows = index.from_bytes(path.with_name(path.name + index.SUFFIX).read_bytes())
        for place, record in enumerate(tf.data.TFRecordDataset(str(path))):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            values = {
                key: (list(x.int64_list.value) or list(x.bytes_list.value))[0]
                for key, x in features.items()
            }
            found.append(values | {"row": rows.rows[place], "name": rows.name(place)})
    return found


def digests(folder) -> dict[str, str]:
    """SHA-256 of every file, by name."""
    paths = sorted(pathlib.Path(folder).iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def tar_of(folder: pathlib.Path, path: pathlib.Path, arcname: str = "", mode: str = "w"):
    """Makes a tar file of a folder."""
    with tarfile.open(path, mode) as tar:
        tar.add(folder, arcname=arcname or folder.name)
    return path


def tar_with(path: pathlib.Path, *members: tuple[str, bytes], **fields):
    """Makes a tar file of names and contents."""
    with tarfile.open(path, "w", encoding="utf-8", errors="surrogateescape") as tar:
        for name, contents in members:
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(contents))
    return path


def inventory(typed, tmp_path, **settings) -> Inventory:
    """Looks into an input without packing it."""
    packing = Packing(input=str(typed), output=str(tmp_path / "output"), **settings)
    return take_inventory(packing, tmp_path, lambda text: None)


def names(found: Inventory, split="all") -> list[str]:
    return list(found.parts[split].names)
