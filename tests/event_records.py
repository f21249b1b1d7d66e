"""What stands in TensorBoard's event files."""

from pathlib import Path

import tensorflow as tf


def records(folder: Path) -> list[tuple]:
    """Lists (tag, step, content) of every record, in the order of the files."""
    found = []
    for path in sorted(folder.glob("*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            if event.WhichOneof("what") == "graph_def":
                found.append(("graph", event.step, event.graph_def))
            found += [(x.tag, event.step, x.SerializeToString()) for x in event.summary.value]
    return found
