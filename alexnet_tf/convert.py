"""Takes other programs' weights: python -m alexnet_tf.convert --from=FILE --network.name=... ...

    --from=alexnet.pth --network.name=torchvision --output=runs/torchvision
    --from=bvlc_alexnet.caffemodel --network.name=caffe --classes=names.txt --output=runs/caffe
    --from=tuned.caffemodel --network.name=caffenet --rename=fc8_flickr=fc8 --output=runs/tuned
    --from=runs/torchvision --output=alexnet.safetensors       and back
    --check=blobs.npz --network.name=caffe                     against another program's activations

What is read: torchvision's `.pth` and `.safetensors`, Caffe's `.caffemodel`, dictionaries such as
`bvlc_alexnet.npy`, `.npz` with a checkpoint's names, and run directories. What is written: a
directory that `evaluate`, `export` and `predict` take like a run's and `train --start_from` begins
with, or a file. No code inside a file is run. The directory stores the network's preprocessing.

The last line of standard output is one JSON object: from, output, network, num_classes,
parameters. With --check it is check, network, layers (a list of layer, largest_difference,
largest_value, in the order of the network) and skipped (names of layers). BUILD.md, "Weights of
other programs", has the layouts and the keys.
"""

import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from alexnet_tf.command_line import flags
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.config.run import Config
from alexnet_tf.errors import UserError, make_output
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.training import checkpoint, converted
from alexnet_tf.weights import formats, layouts
from pipelines.text_files import text_lines

STRANGE_ENDS = (".h5", ".hdf5", ".keras", ".onnx", ".pb", ".pkl", ".tflite")
"""Of files with weights that nothing here writes; as the name of a directory they are a mistake."""
Converted = tuple[NetworkConfig, dict[str, np.ndarray], tuple[str, ...]]
"""A network, its arrays by our names, and the names of its classes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Reads the weights of another program, or writes weights in its layout.

    A directory made so is evaluated and exported like any run, and train --start_from begins with
    it; name the network that the weights belong to with --network.name.
    """

    shared_default: ClassVar[str] = "the named network's own"

    from_: str = ""
    """File with weights: .pth, .pt, .safetensors (torchvision), .caffemodel, .npy (the dictionary
    bvlc_alexnet.npy), .npz (arrays by our names); or a run directory, whose best checkpoint is
    used, or a converted one."""
    output: str = ""
    """Directory to make, which serves like a run's; or a file that ends in .npz (our names), .pth
    or .safetensors (torchvision's)."""
    classes: str = ""
    """File with the names of the classes, one a line in the order of the outputs; without it they
    are called class_0000, class_0001,..., or as the run calls them."""
    rename: tuple[str, ...] = ()
    """Layers that the file calls otherwise, as OLD=NEW,...: --rename=fc8_flickr=fc8. NEW is a name
    of ours or of the file's program; OLD may be the beginning of several names."""
    check: str = ""
    """Compare each layer with the activations in this .npz (BUILD.md has its keys), and write
    nothing."""

    def __post_init__(self):
        """Refuses incomplete arguments."""
        if self.check and (self.from_ or self.output or self.classes or self.rename):
            raise ValueError(
                f"check={self.check}: expected no from, output, classes or rename, since it "
                "converts nothing. Leave them out."
            )
        for pair in self.rename:
            if not all(pair.partition("=")) or pair.count("=") > 1:
                raise ValueError(
                    f"rename={pair}: expected OLD=NEW, such as --rename=fc8_flickr=fc8."
                )
        for name, value in (("from", self.from_), ("output", self.output)):
            if not self.check and not value:
                raise ValueError(f"{name}: expected a value. Add --{name}=...; see --help.")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    call = flags.parse(argv, Arguments, shared=["network"])
    arguments = call.arguments
    if arguments.check:
        from alexnet_tf.weights import comparison

        named = call.override(Config()).network if call.typed else None
        print(json.dumps(comparison.check(arguments.check, named)), flush=True)
        return 0
    output = pathlib.Path(arguments.output)
    _check_output(output)
    is_file = bool(formats.format_of(arguments.output))
    if is_file and arguments.classes:
        print("classes: a file of weights has no place for them; a directory has", file=sys.stderr)
    if os.path.isdir(arguments.from_):
        network, arrays, classes = _of_run(call)
    else:
        network, arrays, classes = _of_file(call)
        if not (is_file or arguments.classes):
            called = f"{classes[0]} to {classes[-1]}"
            print(f"classes: called {called}; --classes=FILE gives them names", file=sys.stderr)
    if arguments.classes:
        classes = read_classes(arguments.classes, len(classes))
    if is_file:
        formats.store(arguments.output, arrays, network)
    else:
        write_weights(output, network, arrays, classes, arguments.from_)
    result = {"from": arguments.from_, "output": arguments.output, "network": network.name}
    result["num_classes"] = len(classes)
    result["parameters"] = sum(row.parameters for row in table(network))
    print(json.dumps(result), flush=True)
    return 0


def _check_output(output: pathlib.Path) -> None:
    """Refuses an output that could not be written, before minutes of work.

    Raises:
      UserError: nothing can be written there, or something is there.
    """
    kind = formats.format_of(output.name)
    is_strange = output.suffix.lower() in STRANGE_ENDS
    if is_strange or (kind and not kind.write):
        what = "not written" if is_strange else "only read"
        ends = ", ".join(end for end, kind in formats.FORMATS.items() if kind.write)
        raise UserError(
            f"output={str(output)!r}: files of this kind are {what}; expected a directory, or "
            f"a file that ends in {ends}."
        )
    if os.path.lexists(output) and not (output.is_dir() and not os.listdir(output)):
        raise UserError(
            f"output={str(output)!r} exists; expected a new place or an empty directory. Name "
            "another, or remove it."
        )
    if kind:
        make_output(output, is_file=True)


def _of_run(call: flags.Call) -> Converted:
    """Reads the best checkpoint of a run."""
    typed = [*call.typed, *(["rename"] if call.arguments.rename else [])]
    if typed:
        raise UserError(
            f"{', '.join(typed)}: expected no settings of the network, which the run "
            f"from={call.arguments.from_!r} has stored. Leave them out."
        )
    stored = checkpoint.load(call.arguments.from_, name="from")
    return stored.config.network, stored.weights(), stored.classes


def _of_file(call: flags.Call) -> Converted:
    """Reads the weights of another program."""
    path, kind = call.arguments.from_, formats.format_of(call.arguments.from_)
    if kind and "network.name" not in call.typed:
        raise UserError(
            f"network.name: expected the network that from={path!r} belongs to. Add "
            f"--network.name=NAME; in such files it is usually {kind.networks}."
        )
    network = call.override(Config()).network
    if network.input.mean == "dataset":
        raise UserError(
            "network.input.mean=dataset: expected the mean color that these weights were trained "
            "with. Add --network.input.mean=RED,GREEN,BLUE."
        )
    network, arrays = formats.load(path, network, call.arguments.rename)
    digits = max(4, len(str(network.num_classes - 1)))
    return network, arrays, tuple(f"class_{i:0{digits}}" for i in range(network.num_classes))


def read_classes(path: str, num_classes: int) -> tuple[str, ...]:
    """Reads the names of the classes, one a line.

    Raises:
      UserError: the file cannot be read, or has another number of names.
    """
    try:
        names = text_lines(pathlib.Path(path).read_bytes())
    except OSError as error:
        raise UserError(
            f"classes={path!r}: {error.strerror}; expected a file with a name in each line."
        ) from error
    except ValueError as error:
        raise UserError(f"classes={path!r}: {error}") from error
    if len(names) != num_classes or not all(names):
        raise UserError(
            f"classes={path!r} has {sum(map(bool, names))} names in {len(names)} lines; expected "
            f"{num_classes}, one for each output of the network, in their order."
        )
    return names


def write_weights(
    directory: pathlib.Path,
    network: NetworkConfig,
    arrays: layouts.Arrays,
    classes: tuple[str, ...],
    source: str,
) -> None:
    """Writes a directory that can be used like a run's, and that a run can start from.

    Args:
      directory: a new or empty directory.
      network: the network, with its number of classes K.
      arrays: float32 weights by our names, such as `conv1/kernel`.
      classes: K names.
      source: file or directory that the weights were read from.

    Raises:
      UserError: the disk has no room, or the directory cannot be written.
      RunFailed: writing fails later, such as on a full disk.
    """
    from alexnet_tf.training import run_directory, versions

    make_output(directory)
    run_directory.check_space(directory, sum(x.nbytes for x in arrays.values()), "output")
    run_directory.write_text(directory / "classes.txt", "\n".join(classes))
    converted.write(directory, arrays, network, classes, source, versions.versions())


if __name__ == "__main__":
    flags.run_command(main)
