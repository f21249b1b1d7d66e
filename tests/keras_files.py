"""Trains a network, saves it as a `.keras` file, and trains it on in a process of its own.

python tests/keras_files.py FOLDER IMPORTS    goes on with each FOLDER/*.keras after IMPORTS
"""

import pathlib
import sys

import numpy as np

STEPS = 2
"""Of training before the file is written, and after it."""


def examples(model) -> tuple[np.ndarray, np.ndarray]:
    """Makes preprocessed pictures and labels to train a model on."""
    draw = np.random.default_rng(0)
    images = draw.normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    return images, np.arange(4) % model.output_shape[-1]


def fit(model, steps: int) -> None:
    """Makes so many steps, all of the same batch."""
    model.fit(*examples(model), batch_size=4, epochs=steps, shuffle=False, verbose=0)


def results(model) -> dict[str, np.ndarray]:
    """Collects weights, optimizer, generators and logits."""
    values = {weight.path: weight.numpy() for weight in model.weights}
    names = [f"optimizer/{i}" for i in range(len(model.optimizer.variables))]
    values |= zip(names, (x.numpy() for x in model.optimizer.variables), strict=True)
    return values | {"logits": model.predict(examples(model)[0], verbose=0)}


def go_on(folder: str, imports: str) -> None:
    """Loads each file as a user who has typed the imports would, trains and stores the results."""
    names = {}
    exec(imports, names)
    is_there = "alexnet_tf.networks.layers.convolution" in sys.modules
    print("our layers:", "imported" if is_there else "not imported")
    load = names["alexnet_tf"].load_model if "keras" not in names else None
    load = load or names["keras"].models.load_model
    for path in sorted(pathlib.Path(folder).glob("*.keras")):
        model = load(path)
        fit(model, STEPS)
        np.savez(path.with_suffix(".npz"), **results(model))
        print(path.stem, model.network.name, ",".join(model.classes))


if __name__ == "__main__":
    go_on(*sys.argv[1:])
