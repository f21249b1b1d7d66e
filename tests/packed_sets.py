"""Packs a folder of pictures in a few lines, without decoding what is kept as it is."""

import hashlib
import os
import pathlib

import numpy as np
import tensorflow as tf

from pipelines.config import SQUARE_FIELDS, InputConfig
from pipelines.decode import decode, to_square
from pipelines.records import description, index, shards
from pipelines.records.description import WHOLE, Description, PackedSplit, Shard, Undecoded
from pipelines.sources.folder import folder
from pipelines.sources.layout import look


def pack(
    root: pathlib.Path,
    output: pathlib.Path | str,
    inputs: InputConfig | None = None,
    per_shard: int = 7,
    size: int | None = None,
    **changes,
) -> str:
    """Packs a folder and returns the place of the set.

    Args:
      root: a folder of pictures.
      output: made where it is missing; any path that TensorFlow takes.
      inputs: packs raw squares of these; by default files as they are.
      per_shard: examples in a shard.
      size: what the description says of it.
      changes: other values in the description.
    """
    tf.io.gfile.makedirs(str(output))
    splits, undecoded = {}, []
    for key in look(str(root)).pictures:
        name = key or WHOLE
        source = folder(str(root), name, 0.5)
        files = [source.files[i : i + per_shard] for i in range(0, source.num_examples, per_shard)]
        done = []
        for number, chunk in enumerate(files):
            path = os.path.join(output, shards.shard_name(name, number, len(files)))
            labels = [source.classes.index(file.split("/")[-2]) for file in chunk]
            contents = [(pathlib.Path(root) / file).read_bytes() for file in chunk]
            stored = [_square(one, inputs) for one in contents] if inputs else contents
            undecoded += [
                Undecoded(split=name, index=number * per_shard + i, name=file, reason="it is odd")
                for i, (file, one) in enumerate(zip(chunk, stored, strict=True))
                if not one
            ]
            done.append(_write(path, stored, [len(one) for one in contents], labels, chunk))
        splits[name] = PackedSplit(
            num_examples=source.num_examples,
            class_counts=source.class_counts,
            digest=source.digest,
            shards=tuple(done),
        )
    squares = {name: getattr(inputs or InputConfig(), name) for name in SQUARE_FIELDS}
    values = {
        "format": "raw" if inputs else "jpeg",
        "size": inputs.resize if inputs else size,
        "squares": squares,
        "classes": source.classes,
        "splits": splits,
        "statistics": None,
        "undecoded": tuple(undecoded),
        "left_out": (),
        "origin": f"folder:{root}",
        "settings": {},
    }
    with tf.io.gfile.GFile(os.path.join(output, description.FILE), "w") as file:
        file.write(description.to_text(Description(**values | changes)))
    return str(output)


def _square(contents: bytes, inputs: InputConfig) -> bytes:
    try:
        image = decode(tf.constant(contents), inputs.orientation)
    except (tf.errors.OpError, UnicodeDecodeError):
        return b""
    square = to_square(image, inputs.resize, inputs.resize_rule, inputs.resize_filter)
    return square.numpy().tobytes()


def _write(path, stored, sizes, labels, names) -> Shard:
    records = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    shards.ENCODED: tf.train.Feature(bytes_list=tf.train.BytesList(value=[one]))
                }
            )
        ).SerializeToString()
        for one in stored
    ]
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    ends = np.cumsum([len(record) + shards.FRAME_BYTES for record in records])
    beside = index.to_bytes(index.make([0, *ends[:-1]], sizes, labels, names))
    with tf.io.gfile.GFile(path + index.SUFFIX, "wb") as file:
        file.write(beside)
    with tf.io.gfile.GFile(path, "rb") as file:
        contents = file.read()

    def sha256(contents: bytes) -> str:
        return hashlib.sha256(contents).hexdigest()

    return Shard(
        name=os.path.basename(path),
        num_examples=len(stored),
        num_bytes=int(ends[-1]),
        sha256=sha256(contents),
        index_sha256=sha256(beside),
    )
