"""The wrong answers of which a network is surest."""

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.figures.grids import Picture, image_grid
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.sets.answers import answers, resized
from alexnet_tf.laboratory.settings import Mistakes
from alexnet_tf.laboratory.subject import Subject

ABOUT = About(
    title="Most confident mistakes",
    method=(
        "All pictures of the set are classified by their central window. Those whose likeliest "
        "class is not their label are sorted by its probability, the softmax of the logits."
    ),
    source=(
        "Krizhevsky, Sutskever and Hinton 2012, figure 4 (left) shows single answers, right and "
        "wrong ones; the order is ours"
    ),
    limits=(
        "Wrong means other than the label: some pictures show both classes, and some labels are "
        "wrong. The probability is the network's own; `calibration` says what it is worth."
    ),
)
COLUMNS, SIDE_PIXELS = 6, 144
SURE = 0.9
"""How many mistakes are above it is counted."""


def show(subject: Subject, settings: Mistakes) -> Exhibit:
    """Draws the most confident wrong answers.

    Raises:
      UserError: there are no classes to compare, the set is too small, or nothing is wrong.
    """
    subject.need_classes("mistakes")
    found = answers(subject, "mistakes")
    names, guess = subject.classes, found.guess
    confidence = found.probabilities.max(axis=1)
    wrong = np.flatnonzero(guess != found.label)
    if not len(wrong):
        raise UserError(
            f"data.source={subject.config.data.source!r}: expected mistakes to show, but all "
            f"{len(guess)} pictures are classified right. Name another set."
        )
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    shown = wrong[: settings.count]
    images = resized(subject.at(found.index[shown].tolist()).image, SIDE_PIXELS).numpy()
    drawn = [
        Picture(
            image=image,
            title=(
                f"is {names[found.label[i]]}\ntaken for {names[guess[i]]}\np = {confidence[i]:.4f}"
            ),
        )
        for image, i in zip(images, shown, strict=True)
    ]
    num_sure = int((confidence[wrong] > SURE).sum())
    return Exhibit(
        name="mistakes",
        about=ABOUT,
        seen=(
            f"{subject.what} is wrong about {len(wrong)} of {subject.told_set(len(guess))}, and "
            f"gives its answer more than {100 * SURE:.0f} % in {num_sure} of these. Shown are the "
            f"{len(shown)} of highest probability."
        ),
        picture=image_grid([drawn[i : i + COLUMNS] for i in range(0, len(drawn), COLUMNS)]),
        numbers={
            "pictures": len(guess),
            "wrong": len(wrong),
            "wrong_above_0.9": num_sure,
            "shown": [
                {
                    "name": subject.source.name(int(found.index[i])),
                    "class": names[found.label[i]],
                    "taken_for": names[guess[i]],
                    "probability": float(confidence[i]),
                }
                for i in shown
            ],
        },
        arrays={
            "index": found.index[wrong],
            "label": found.label[wrong],
            "guess": guess[wrong],
            "probability": confidence[wrong],
        },
    )
