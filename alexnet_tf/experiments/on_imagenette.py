"""Experiments on ten classes of photographs, or on ImageNet. No TensorFlow."""

from alexnet_tf import recipes
from alexnet_tf.config.fields import replaced
from alexnet_tf.config.layer_rows import PAPER_LAYERS
from alexnet_tf.config.network import Init
from alexnet_tf.config.run import Config
from alexnet_tf.experiments.table import Claim, Direction, Experiment, Row, Size
from alexnet_tf.networks.family.member import changed
from pipelines.config import Cache

BENCH_EPOCHS = 30
AT_THE_END = 1_000_000
"""Epochs between evaluations, so that only the end is evaluated."""
PACKED = "records:"
MIDDLE = ("conv3", "conv4", "fc6", "fc7")
SCALE = recipes.imagenette().network.input.scale
SCALED_LAYERS = changed(**dict.fromkeys(("norm1", "norm2"), {"alpha": 1e-4 / SCALE**2}))
RAW = {"network.input.scale": 1.0, "network.layers": PAPER_LAYERS}
INITS = (
    (
        Init.TEXT,
        RAW,
        Claim(
            sentence="Deviations of .01 in every layer and biases of 1 leave the loss flat.",
            source="BVLC/caffe, models/bvlc_alexnet, whose biases are 0.1 for this reason",
            direction=Direction.HIGHER,
        ),
    ),
    (
        Init.PROGRAM,
        RAW,
        Claim(
            sentence="The program had deviations of .03 in conv3 to conv5; nothing is claimed.",
            source="layers-145.cfg of the 2012 program",
        ),
    ),
    (
        Init.HE,
        {"network.input.scale": SCALE, "network.layers": SCALED_LAYERS},
        Claim(sentence="Nothing is claimed for eight layers.", source="He et al. 2015"),
    ),
)
"""Initial weights, each with the input that it is meant for."""
INIT_NOTES = {
    True: "The rows init_text and init_program take the input as the paper does, undivided, with "
    "the paper's alpha: their deviations are meant for that.",
    False: "The row init_he takes the input divided by 64, with alpha 64 ** 2 times as large: its "
    "deviations are meant for that.",
}
"""By whether the base's input is divided."""
SCALED_NOTE = (
    "The input is divided by 64, as the initialization by He et al. wants it; so alpha of the "
    "local response normalization, which meets squares of it, is 64 ** 2 times the paper's. With "
    "the paper's own it would divide all by the same number. "
)
CENTER_NOTE = "The error is that of the center window; the paper's of ten views."


def base(size: Size, source: str, recipe: str = "imagenette") -> Config:
    """Makes the settings that the rows change.

    bench is half as wide and sees 128 pixels. full is the recipe; of a packed set, the paper's.
    """
    if size == Size.FULL and source.startswith(PACKED):
        return recipes.paper()
    found = recipes.recipe(recipe)
    values = {
        ("network", "layers"): SCALED_LAYERS,
        ("data", "cache"): Cache.NONE,
        ("run", "tensorboard"): False,
    }
    if size == Size.BENCH:
        values |= {
            ("network", "input", "size"): 128,
            ("network", "input", "resize"): 144,
            ("network", "width"): 0.5,
            ("network", "fc_width"): 2048,
            ("run", "epochs"): BENCH_EPOCHS,
            ("run", "evaluate_every_epochs"): AT_THE_END,
            ("run", "save_every_seconds"): 60.0,
        }
    return replaced(found, values)


def _is_scaled(start: Config) -> bool:
    """Whether the input is divided, which the paper's is not."""
    return start.network.input.scale != 1


def _note(start: Config) -> str:
    """Says what is not as in the paper in all rows."""
    return f"{SCALED_NOTE if _is_scaled(start) else ''}{CENTER_NOTE}"


def _higher(
    sentence: str, section: str, published: float | None = None, is_least: bool = False
) -> Claim:
    return Claim(
        sentence=sentence,
        source=f"Krizhevsky, Sutskever, Hinton 2012, section {section}",
        direction=Direction.HIGHER,
        published=published,
        is_least=is_least,
    )


def ablations(size: Size, source: str) -> Experiment:
    """What each idea of the paper does, one taken away at a time."""
    start = base(size, source)
    return Experiment(
        name="ablations",
        title="The paper's ideas, one taken away at a time",
        base=start,
        minutes=11,
        note=f"{_note(start)} {INIT_NOTES[_is_scaled(start)]}",
        rows=(
            Row(name="base"),
            Row(
                name="no_normalization",
                changes={"network.normalization": "none"},
                claim=_higher(
                    "Response normalization lowers the error by 1.4 points.", "3.3", 0.014
                ),
            ),
            Row(
                name="plain_pooling",
                changes={"network.pooling": "plain"},
                claim=_higher("Overlapping pooling lowers the error by 0.4 points.", "3.4", 0.004),
            ),
            Row(
                name="no_dropout",
                changes={"network.dropout": "none"},
                claim=_higher("Without dropout the network overfits substantially.", "4.2"),
            ),
            Row(
                name="no_crops",
                changes={"data.random_crop": False, "data.mirror": False},
                claim=_higher(
                    "Without windows and mirror images it suffers from substantial overfitting.",
                    "4.1",
                ),
            ),
            Row(
                name="no_color_noise",
                changes={"data.color_noise": 0.0},
                claim=_higher("Color noise lowers the error by over 1 point.", "4.1", 0.01, True),
            ),
            Row(
                name="one_group",
                changes={"network.groups": 1},
                claim=Claim(
                    sentence="The paper compares two GPUs with one that holds half the kernels, "
                    "and finds 1.7 points less. This row is another comparison: all kernels, each "
                    "of which sees all channels.",
                    source="Krizhevsky, Sutskever, Hinton 2012, section 3.2",
                ),
            ),
            *(
                Row(name=f"init_{init}", changes={"network.init": init, **inputs}, claim=claim)
                for init, inputs, claim in INITS
                if init != start.network.init
            ),
        ),
    )


def _removed(validation: float, train: float) -> Claim:
    """Quotes a line of their table 3: errors in percent less those of the whole network."""
    return Claim(
        sentence=f"The validation error changes by {validation:+.1f} points, the training error "
        f"by {train:+.1f}.",
        source="Zeiler and Fergus 2013, table 3",
        direction=Direction.HIGHER if validation > 0 else Direction.LOWER,
        published=validation / 100,
        published_train=train / 100,
    )


def depth(size: Size, source: str) -> Experiment:
    """What depth and width do: table 3 of Zeiler and Fergus."""
    start = base(size, source)
    units = start.network.fc_width or 4096
    filters = {"conv3": 512, "conv4": 1024, "conv5": 512}
    wide = changed(start.network.layers, **{x: {"filters": n} for x, n in filters.items()})
    return Experiment(
        name="depth",
        title="Layers taken away, and made wider",
        base=start,
        minutes=12,
        has_train_error=True,
        note=f"{_note(start)} The row wide_convolutions was published for their own network, of "
        "7x7 kernels in conv1 and stride 2 in conv2.",
        rows=(
            Row(name="base"),
            *(
                Row(name=name, changes={setting: value}, claim=_removed(validation, train))
                for name, setting, value, validation, train in (
                    ("without_3_4", "network.without", ("conv3", "conv4"), 4.9, 6.7),
                    ("without_7", "network.without", ("fc7",), -0.5, -7.7),
                    ("without_6_7", "network.without", ("fc6", "fc7"), 4.3, -7.7),
                    ("without_3_4_6_7", "network.without", MIDDLE, 30.8, 36.0),
                    ("fc_half", "network.fc_width", units // 2, 1.2, 5.2),
                    ("fc_double", "network.fc_width", units * 2, -0.5, -8.3),
                    ("wide_convolutions", "network.layers", wide, -0.9, -14.3),
                )
            ),
        ),
    )


def _evaluated_as_often(start: Config, part: int) -> dict[str, int]:
    """Keeps the steps between evaluations, for which the paper's schedule waits."""
    every = start.run.evaluate_every_epochs
    return {"evaluate_every_epochs": every * part} if every < AT_THE_END else {}


def data(size: Size, source: str) -> Experiment:
    """What more training pictures do."""
    parts = (1, 2, 4, 8, 16)
    start = base(size, source)
    claim = _higher("Much larger training sets are necessary to recognize objects.", "1")
    return Experiment(
        name="data",
        title="The error by the number of training pictures",
        base=start,
        minutes=11,
        note=f"{_note(start)} All rows make equally many steps, so those with fewer pictures see "
        "each of them more often; the learning rate also rises for equally many steps.",
        rows=tuple(
            Row(
                name="all" if part == 1 else f"1_of_{part}",
                changes={
                    "data.train_part": 1 / part,
                    "optimizer.warmup_epochs": start.optimizer.warmup_epochs * part,
                }
                | _evaluated_as_often(start, part),
                claim=None if part == 1 else claim,
            )
            for part in parts
        ),
    )
