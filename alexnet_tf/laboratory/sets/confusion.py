"""Which classes a network takes for which, and pictures of the pairs that it confuses most."""

import numpy as np

from alexnet_tf.figures import sheets
from alexnet_tf.figures.confusion import heat_map
from alexnet_tf.figures.grids import Picture, image_grid
from alexnet_tf.figures.plots import bars
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.sets.answers import Answers, answers, resized
from alexnet_tf.laboratory.settings import Confusion
from alexnet_tf.laboratory.subject import Subject
from alexnet_tf.training import per_class

ABOUT = About(
    title="Confusion of classes",
    method=(
        "All pictures of the set are classified by their central window, as `evaluate --per_class` "
        "does. A row of the matrix is a true class, a column the class that it was taken for; the "
        "shade is the square root of the share of the row. Recall is the share of a class's "
        "pictures that were found, precision the share of right ones among those taken for it. "
        "Below are the pairs with most mistakes, and of each the pictures whose wrong class has "
        "the highest probability."
    ),
    source="Krizhevsky, Sutskever and Hinton 2012, section 6.1, looks at single answers; the "
    "matrix is common practice",
    limits=(
        "One answer counts for each picture, however sure; a picture that shows two things has one "
        "label. Shares of classes with few pictures are uncertain: of 100 pictures the standard "
        "error is up to 5 points."
    ),
)
NUM_PAIRS, NUM_PICTURES, SIDE_PIXELS = 6, 7, 96


def show(subject: Subject, settings: Confusion) -> Exhibit:
    """Draws the confusion matrix, recall and precision, and the most confused pairs.

    Raises:
      UserError: there are no classes to compare, or the set is too small or has one class.
    """
    subject.need_classes("confusion")
    found = answers(subject, "confusion")
    names = subject.classes
    confusion = counted(found.label, found.guess, len(names))
    measures = per_class.measures(confusion, names)
    pairs = most_confused(confusion, NUM_PAIRS)
    right = int(confusion.trace())
    seen = (
        f"{subject.what} is right about {right} of {subject.told_set(len(found.label))}, "
        f"{100 * right / len(found.label):.1f} %."
    )
    if pairs:
        true, taken, count = pairs[0]
        seen += (
            f" Most often {names[true]} is taken for {names[taken]}, {count} of "
            f"{measures[true]['examples']} times."
        )
    lowest = sorted(measures, key=lambda x: (x["recall"] is None, x["recall"]))
    parts = [heat_map(confusion, names), _bars(lowest)]
    if pairs:
        rows = [_row(subject, found, true, taken) for true, taken, _ in pairs]
        words = [
            f"{names[true]}\ntaken for\n{names[taken]}\n{count} of {measures[true]['examples']}"
            for true, taken, count in pairs
        ]
        parts.append(image_grid(rows, words))
    columns = zip(*map(dict.values, measures), strict=True)
    arrays = dict(zip(measures[0], (np.array(x) for x in columns), strict=True))
    for ratio in ("recall", "precision"):
        arrays[ratio] = arrays[ratio].astype(np.float64)  # None becomes NaN
    return Exhibit(
        name="confusion",
        about=ABOUT,
        seen=seen,
        picture=sheets.stacked(*parts),
        numbers={
            "pictures": len(found.label),
            "accuracy": right / len(found.label),
            "pairs": [
                {"class": names[a], "taken_for": names[b], "count": count} for a, b, count in pairs
            ],
            "lowest_recall": lowest[: per_class.NUM_SHOWN],
        },
        arrays=arrays | {"confusion": confusion},
    )


def counted(label: np.ndarray, guess: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts answers by true class (row) and answer (column): int64 [K, K]."""
    confusion = np.zeros([num_classes, num_classes], np.int64)
    np.add.at(confusion, (label, guess), 1)
    return confusion


def most_confused(confusion: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """Lists pairs of true class, answer and count, most frequent first; of equal ones the first."""
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(a), int(b), int(wrong[a, b])) for a, b in pairs if wrong[a, b]]


def _row(subject: Subject, found: Answers, true: int, taken: int) -> list[Picture]:
    """Draws the surest mistakes of a pair."""
    places = np.flatnonzero((found.label == true) & (found.guess == taken))
    chance = found.probabilities[places, taken]
    order = np.argsort(-chance, kind="stable")[:NUM_PICTURES]
    images = subject.at(found.index[places[order]].tolist()).image
    return [
        Picture(image=image, title=f"p = {p:.3f}")
        for image, p in zip(resized(images, SIDE_PIXELS).numpy(), chance[order], strict=True)
    ]


def _bars(measures: list[dict]) -> np.ndarray:
    """Draws recall and precision in percent, lowest recall first; of many classes the first."""
    shown = measures[: per_class.NUM_SHOWN]
    values = {
        name: [np.nan if x[name] is None else 100 * x[name] for x in shown]
        for name in ("recall", "precision")
    }
    title = "Recall and precision by class" + (
        f", the {len(shown)} of lowest recall" if len(shown) < len(measures) else ""
    )
    return bars([x["class"] for x in shown], values, title, "percent")
