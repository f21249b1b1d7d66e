"""Reads TensorBoard's event files and cuts them back to a step."""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

GRAPH_TAG = "graph"  # ours alone: an event with a graph has no tag


def cut(folder: Path, keep_step: int | None) -> dict[str, int]:
    """Removes records of steps after `keep_step`, incomplete and repeated ones from event files.

    A file is replaced whole, by renaming: a kill leaves the old one or the new one.

    Args:
      folder: a folder with any number of event files.
      keep_step: None removes everything.

    Returns:
      The last step left of each tag.
    """
    new = folder / "rewritten"  # TensorBoard would read a file with "tfevents" in its name
    new.unlink(missing_ok=True)
    seen = set()
    for path in sorted(folder.glob("*tfevents*")):
        if keep_step is None:
            path.unlink()
            continue
        with tf.io.TFRecordWriter(str(new)) as writer:
            for record in _records(path):
                event = tf.compat.v1.Event.FromString(record)
                keys = {(tag, event.step) for tag in _tags(event)}
                if event.step <= keep_step and not keys & seen:
                    writer.write(record)
                    seen |= keys
        new.replace(path)
    last_steps = {}
    for tag, step in seen:
        last_steps[tag] = max(step, last_steps.get(tag, 0))
    return last_steps


def _records(path: Path) -> Iterator[bytes]:
    """Yields the records of an event file, up to one that a kill left incomplete."""
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.DataLossError:
        return


def _tags(event: tf.compat.v1.Event) -> list[str]:
    """Lists the tags of an event; the version that opens a file has none."""
    if event.WhichOneof("what") == "graph_def":
        return [GRAPH_TAG]
    return [value.tag for value in event.summary.value]
