"""Which pixels the logit of a class depends on, by four kinds of gradients."""

import numpy as np

from alexnet_tf.figures import grids
from alexnet_tf.laboratory import classes, randomization
from alexnet_tf.laboratory.attribution import gradients
from alexnet_tf.laboratory.backward import Rule, has_relus
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.settings import Saliency
from alexnet_tf.laboratory.subject import Subject

ABOUT = About(
    title="Pixels that a class depends on",
    method=(
        "Gradient: that of the class's logit. SmoothGrad: its mean over copies of the picture with "
        "noise. Integrated gradients: the picture times the mean gradient on the straight way from "
        "the network's mean color to the picture. Guided backpropagation: a ReLU lets down only "
        "what is positive, where its input was positive. Each is drawn as the sum of its "
        "magnitudes over the colors, white from the 99th percentile on."
    ),
    source=(
        "Simonyan, Vedaldi and Zisserman 2013, section 3; Smilkov et al. 2017, section 2; "
        "Sundararajan, Taly and Yan 2017, section 3; Springenberg et al. 2015, section 3.4"
    ),
    limits=(
        "A gradient says what a small change of a pixel does, not what the network would say "
        "without an object. What looks sharp need not be of the network: guided backpropagation "
        "was found to draw edges that hardly depend on class and weights (Adebayo et al. 2018); "
        "--check measures whether it does here."
    ),
)
TITLES = {
    "gradient": "gradient",
    "smoothgrad": "SmoothGrad",
    "integrated": "integrated gradients",
    "guided": "guided backpropagation",
}
MOST_PICTURES = 6
WHITE_PERCENTILE = 99
CHECK_PICTURES, CHECK_POINTS = 3, 16
"""Of the check: pictures, and copies and parts of the way for each."""


def show(subject: Subject, settings: Saliency) -> Exhibit:
    """Draws a row for each picture and a column for each method.

    Raises:
      UserError: the network has no classes with weights, or none of the name.
    """
    subject.need_output("saliency")
    pictures = subject.some(MOST_PICTURES)
    x = subject.preprocessed(pictures.image).numpy()
    numbers, probabilities = classes.chosen(subject, x, settings.class_)
    rules = (Rule.GRADIENT, Rule.GUIDED)
    computes = {rule: gradients.of_logits(subject.model, rule) for rule in rules}
    found, differences = _methods(computes, x, numbers, settings)
    sums = found["integrated"].sum(axis=(1, 2, 3))
    gap = float(np.abs(sums - differences).sum() / max(np.abs(differences).sum(), 1e-12))
    drawn = {name: drawing(values) for name, values in found.items()}
    titles = classes.titles(subject, pictures, numbers, probabilities)
    rows = [
        [grids.Picture(image=pictures.image[n], title=titles[n])]
        + [grids.Picture(image=drawn[name][n]) for name in TITLES]
        for n in range(len(x))
    ]
    page = grids.image_grid(rows, column_titles=["picture", *TITLES.values()])
    seen = (
        f"{subject.told(pictures)}, shown to {subject.what}. SmoothGrad with "
        f"{settings.samples} copies and noise of {settings.noise:g} of the range, integrated "
        f"gradients in {settings.steps} steps: their sums miss the differences of the logits by "
        f"{gap:.1%}."
    )
    if not has_relus(subject.model):
        seen += " The network has no ReLU, so guided backpropagation is the gradient."
    values = {
        "classes": [subject.classes[n] for n in numbers],
        "probability": probabilities.tolist(),
        "sum_of_integrated": sums.tolist(),
        "difference_of_logits": differences.tolist(),
        "missed": gap,
    }
    exhibit = Exhibit(
        name="saliency",
        about=ABOUT,
        seen=seen,
        picture=page,
        numbers=values | {"pictures": list(pictures.name)},
        arrays=found | {"class": numbers},
    )
    if not settings.check:
        return exhibit
    some = slice(CHECK_PICTURES)

    def maps():
        found, _ = _methods(computes, x[some], numbers[some], settings, CHECK_POINTS)
        return {title: np.abs(found[name]).sum(axis=3) for name, title in TITLES.items()}

    check = randomization.check(subject, subject.rows[-1].name, maps)
    how = f"of {len(x[some])} pictures, with {CHECK_POINTS} copies and {CHECK_POINTS} steps"
    return randomization.added(exhibit, {exhibit.name: check}, how)


def _methods(computes, x, numbers, settings: Saliency, points: int = 0):
    """Computes all methods; `points` replaces the numbers of copies and of steps.

    Returns:
      By method, float32 [N, H, W, C]; and what integrated gradients should add up to.
    """
    compute = computes[Rule.GRADIENT]
    samples, steps = points or settings.samples, points or settings.steps
    integrated, differences = gradients.integrated(compute, x, numbers, steps)
    found = {
        "gradient": compute(x, numbers)[1],
        "smoothgrad": gradients.smoothed(
            compute, x, numbers, samples, settings.noise, settings.seed
        ),
        "integrated": integrated,
        "guided": computes[Rule.GUIDED](x, numbers)[1],
    }
    return found, differences


def drawing(values: np.ndarray) -> np.ndarray:
    """Draws magnitudes, added over the colors: float [N, H, W, C] -> uint8 [N, H, W, 3]."""
    sums = np.abs(values).sum(axis=3)
    white = np.percentile(sums, WHITE_PERCENTILE, axis=(1, 2), keepdims=True)
    gray = np.clip(sums / np.where(white > 0, white, 1), 0, 1)
    return np.rint(255 * gray[..., None]).astype(np.uint8).repeat(3, axis=3)
