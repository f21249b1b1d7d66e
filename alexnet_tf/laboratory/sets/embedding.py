"""Pictures placed by their activations."""

import dataclasses

import numpy as np

from alexnet_tf.errors import UserError
from alexnet_tf.figures.scatter import scatter
from alexnet_tf.laboratory.exhibit import About, Exhibit
from alexnet_tf.laboratory.picking import equally_apart
from alexnet_tf.laboratory.sets import neighbors, projector
from alexnet_tf.laboratory.sets.answers import Answers, answers
from alexnet_tf.laboratory.sets.components import principal
from alexnet_tf.laboratory.settings import Embedding, Method
from alexnet_tf.laboratory.subject import Subject

NUM_COMPONENTS = 50
"""What the projector and t-SNE get."""
PERPLEXITY, SEED, NEIGHBORS = 30, 0, 6
ABOUT = About(
    title="Pictures in a plane",
    method=(
        "The activations of a layer, by default the last hidden one (of maps their means over "
        "places), are divided by their length, so that their direction counts, centered, and "
        "turned to their principal components, the directions of most variance. With --method=pca "
        "each picture stands where its first two say; with --method=tsne the first "
        f"{NUM_COMPONENTS} go through t-SNE (scikit-learn, perplexity {PERPLEXITY}, or a third of "
        "the pictures but one where that is less, a fixed seed). "
        "A picture is drawn in the cell of a grid that its place falls into; of several the one "
        "nearest the middle of the cell, and the half percent that lies farthest out at each side "
        "at the edge. Frames are the classes, where they are ten or fewer. The folder projector "
        f"has the first {NUM_COMPONENTS} for TensorBoard: tensorboard --logdir=OUTPUT/projector."
    ),
    source=(
        "Krizhevsky, Sutskever and Hinton 2012, section 6.1 for the activations as vectors; van "
        "der Maaten and Hinton 2008 for t-SNE after 30 components (here 50)"
    ),
    limits=(
        "Two dimensions cannot keep the distances of thousands; how many neighbors a picture still "
        "has of its own class says how much is lost. t-SNE keeps neighbors together, but neither "
        "the sizes of groups nor the distances between them mean anything."
    ),
)


def show(subject: Subject, settings: Embedding) -> Exhibit:
    """Draws pictures at their places, and makes the projector's files.

    Raises:
      UserError: there is no such layer, the set is too small or has one class, or scikit-learn is
        needed and not installed.
    """
    if settings.method == Method.TSNE:
        _tsne()
    whole = answers(subject, "embedding", settings.layer)
    found = _part(whole, settings.count)
    lengths = np.linalg.norm(found.features, axis=1, keepdims=True)
    directions = found.features / np.where(lengths > 0, lengths, 1)
    scores, shares = principal(directions, NUM_COMPONENTS)
    if not scores.any():
        raise UserError(
            f"layer={found.layer}: all {len(directions)} pictures point the same way there; "
            "expected activations that differ. Name another --layer."
        )
    scores = np.pad(scores, [(0, 0), (0, max(0, 2 - scores.shape[1]))])  # a plane has two
    of_two, of_all = float(shares[:2].sum()), float(shares.sum())
    if settings.method == Method.TSNE:
        points = _placed(scores)
        how = f"t-SNE of {len(shares)} principal components"
    else:
        points = scores[:, :2]
        how = f"the first two principal components, {100 * of_two:.1f} % of the variance"
    picture, shown = scatter(points, found.thumbnails, found.label, subject.source.classes)
    near = min(NEIGHBORS, len(points) - 1)
    own = {
        "plane": _share(found.label, points, near),
        "layer": _share(found.label, directions, near),
    }
    files = projector.files(scores, _columns(subject, found), found.thumbnails)
    return Exhibit(
        name="embedding",
        about=ABOUT,
        seen=(
            f"{len(points)} of {subject.told_set(len(whole.label))}, {len(shown)} of them drawn, "
            f"by {found.layer} of {subject.what}: {how}. Of the {near} nearest pictures in the "
            f"plane {100 * own['plane']:.1f} % are of the same class; in the layer's "
            f"{directions.shape[1]} dimensions {100 * own['layer']:.1f} %. The {len(shares)} "
            f"components in the folder projector hold {100 * of_all:.1f} % of the variance."
        ),
        picture=picture,
        numbers={
            "layer": found.layer,
            "placed_by": str(settings.method),
            "pictures": len(points),
            "drawn": len(shown),
            "variance_of_two": of_two,
            "variance_in_projector": of_all,
            "neighbors_of_own_class": own,
        },
        arrays={
            "index": found.index,
            "label": found.label,
            "points": points,
            "components": scores,
        },
        files={f"projector/{name}": data for name, data in files.items()},
    )


def _part(whole: Answers, most: int) -> Answers:
    """Takes pictures at equal distances in the order of their classes."""
    order = np.argsort(whole.label, kind="stable")
    chosen = np.sort(order[equally_apart(len(order), most)])
    return dataclasses.replace(
        whole,
        index=whole.index[chosen],
        label=whole.label[chosen],
        features=whole.features[chosen],
        thumbnails=whole.thumbnails[chosen],
        logits=None if whole.logits is None else whole.logits[chosen],
    )


def _share(label: np.ndarray, vectors: np.ndarray, count: int) -> float:
    """Computes which share of the nearest pictures is of the same class."""
    places, _ = neighbors.nearest(vectors, vectors, count, is_same=True)
    return float(neighbors.own_class(label, places).mean())


def _columns(subject: Subject, found: Answers) -> dict[str, list[str]]:
    """Lists what the projector says of each picture."""
    columns = {
        "class": [subject.source.classes[x] for x in found.label],
        "name": [subject.source.name(int(x)) for x in found.index],
    }
    if found.logits is not None:
        columns["taken for"] = [subject.classes[x] for x in found.guess]
    return columns


def _tsne():
    """Finds scikit-learn's t-SNE.

    Raises:
      UserError: it is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise UserError(
            'method=tsne needs scikit-learn; expected pip install "alexnet-tf[lab]", or '
            "--method=pca."
        ) from error
    return TSNE


def _placed(scores: np.ndarray) -> np.ndarray:
    """Places rows [N, C] in a plane by t-SNE: float64 [N, 2]."""
    perplexity = min(PERPLEXITY, (len(scores) - 1) / 3)
    tsne = _tsne()(2, perplexity=perplexity, init="pca", random_state=SEED)
    return tsne.fit_transform(scores.astype(np.float32)).astype(np.float64)
