"""The contenders of each benchmark, and their environments. No TensorFlow here."""

import dataclasses
from collections.abc import Sequence

from alexnet_tf.benchmarking.contenders.contender import FAST, PASSIVE, STOCK, Contender
from alexnet_tf.benchmarking.contenders.on_several import SCALING, SMALLEST, STRATEGY
from alexnet_tf.benchmarking.spec import Spec, What
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.networks.family.names import FAMILY
from alexnet_tf.networks.tables.options import layers_of

PAPER = "paper"
"""Key of the contender that predicts a network's speed."""

LIMIT = "squares"
"""Key of what no chain can be faster than, where it makes whole squares."""

PYTORCH = "pytorch"
"""What `beside` calls all forms of PyTorch together."""


def paper() -> NetworkConfig:
    """Builds the config of the network from whose speed that of others is predicted."""
    member = FAMILY["paper"]
    return member.config.with_num_classes(member.num_classes)


def _on_first_device(spec: Spec) -> Spec:
    """Puts the network on the first device alone, without towers."""
    run = spec.config.run
    run = dataclasses.replace(run, towers=1, devices=run.devices[:1])
    return dataclasses.replace(spec, config=dataclasses.replace(spec.config, run=run))


def _of_paper(spec: Spec) -> Spec:
    """Replaces the network by the paper's."""
    spec = _on_first_device(spec)
    return dataclasses.replace(spec, config=dataclasses.replace(spec.config, network=paper()))


DECODING = ("packed", "checked", "decoded", "read", "pytorch_bicubic", "dali")
"""Contenders of the input that need files of pictures: squares leave them nothing to do."""


def _rivals(function: str) -> tuple[Contender, ...]:
    """Lists this project, the others at the same work, and the peak."""
    return (
        Contender(
            key="alexnet_tf",
            label="alexnet_tf",
            module="ours",
            function=function,
            environment=FAST,
        ),
        Contender(
            key="one_device",
            label="on one device",
            module="ours",
            function=function,
            environment=FAST,
            adapt=_on_first_device,
            can_be_missed=True,
            note="the same weights in the single-device form, on the first device",
        ),
        Contender(
            key=PAPER,
            label="paper",
            module="ours",
            function=function,
            environment=FAST,
            adapt=_of_paper,
            can_be_missed=True,
            note="the paper's network, whose speed and multiply-adds predict this one's speed",
        ),
        Contender(
            key="plain_keras",
            label="plain Keras",
            module="plain_keras",
            function=function,
            environment=STOCK,
            can_be_missed=True,
            note="Conv2D(groups=2), TensorFlow's own gradient of local response normalization, "
            "TensorFlow's default environment (commands of ours set oneDNN and huge pages on)",
        ),
        *_forms_of_pytorch(function),
        Contender(
            key="matrix_product",
            label="matrix product",
            module="matrix_product",
            function="product",
            environment=FAST,
            note="the peak: square matrices, as if they were pictures",
        ),
    )


def _forms_of_pytorch(function: str) -> tuple[Contender, ...]:
    """Lists PyTorch as its users tune it, and compiled with its normalization rewritten."""
    forms = [(how, place, False) for how in ("eager", "compiled") for place in ("first", "last")]
    forms += [("compiled", place, True) for place in ("first", "last")]
    return tuple(
        Contender(
            key=f"{PYTORCH}_{how}_channels_{place}" + "_lrn_rewritten" * is_rewritten,
            label=f"PyTorch {how}, channels {place}" + ", LRN rewritten" * is_rewritten,
            module="pytorch",
            function=function,
            environment=PASSIVE,
            options={
                "is_compiled": how == "compiled",
                "is_channels_last": place == "last",
                "is_rewritten": is_rewritten,
            },
            can_be_missed=True,
            needs="torch",
            program=PYTORCH,
            form=f"{how}, channels {place}",
            is_rewritten=is_rewritten,
        )
        for how, place, is_rewritten in forms
    )


def _stage(key: str, label: str, note: str = "") -> Contender:
    """A part of our chain, in one plain map."""
    return Contender(
        key=key,
        label=label,
        module="our_input",
        function="stage",
        environment=FAST,
        options={"name": key},
        note=note,
    )


INPUT = (
    Contender(
        key="alexnet_tf",
        label="alexnet_tf",
        module="our_input",
        function="windows",
        environment=FAST,
        note="files to batches of uint8 windows, cut and mirrored at random",
    ),
    Contender(
        key="floats",
        label="to floats on the device",
        module="our_input",
        function="floats",
        environment=FAST,
        note="what the first layer sees: color noise added, mean subtracted",
    ),
    Contender(
        key="not_augmented",
        label="without augmentation",
        module="our_input",
        function="windows",
        environment=FAST,
        options={"is_augmented": False},
    ),
    _stage(LIMIT, "read, decode and resize", "the limit: one plain map, to whole squares"),
    _stage(
        "packed", "read, decode, resize and encode", "what packing squares as JPEGs costs at least"
    ),
    _stage("checked", "read and decode, header first"),
    _stage("decoded", "read and decode"),
    _stage("read", "read"),
    Contender(
        key=PYTORCH,
        label="PyTorch's DataLoader",
        module="torch_input",
        function="windows",
        environment=PASSIVE,
        can_be_missed=True,
        needs="torchvision",
        note="Pillow and torchvision's transforms (v2) on uint8, a process for each core",
    ),
    Contender(
        key="pytorch_bicubic",
        label="the same, bicubic",
        module="torch_input",
        function="windows",
        environment=PASSIVE,
        options={"interpolation": "bicubic"},
        can_be_missed=True,
        needs="torchvision",
        note="as alexnet_tf enlarges by default; torchvision's own default is bilinear",
    ),
    Contender(
        key="dali",
        label="NVIDIA DALI",
        module="dali_input",
        function="windows",
        environment=PASSIVE,
        can_be_missed=True,
        needs="nvidia.dali",
        package="nvidia-dali-cuda120",
        note="without a GPU, a thread for each core",
    ),
)
"""The chain, its stages, and others at the same work."""

CONTENDERS: dict[What, tuple[Contender, ...]] = {
    What.STEP: _rivals("step"),
    What.INFERENCE: _rivals("inference"),
    What.LOOP: tuple(
        Contender(key=key, label=label, module="ours", function=key, environment=FAST)
        for key, label in (
            ("step", "step"),
            ("loop_in_memory", "loop over squares in memory"),
            ("loop_encoded", "loop over encoded pictures"),
            ("decoder", "decoder alone"),
        )
    ),
    What.INPUT: INPUT,
    What.STRATEGY: STRATEGY,
    What.SCALING: SCALING,
}
"""Of each benchmark, in the order of the table; the first one is what the others compare with."""


def contenders_of(spec: Spec, beside: Sequence[str] = ()) -> tuple[Contender, ...]:
    """Lists the contenders of a benchmark, without those that would measure the same again.

    Args:
      spec: what is measured.
      beside: keys or programs of the optional contenders that are wanted; all if empty.

    Raises:
      UserError: `beside` names an unknown contender.
    """
    idle = {
        "one_device": spec.config.run.towers == 1,
        PAPER: spec.config.network == paper(),
        SMALLEST: max(spec.workers, default=2) == 2,  # half the batch is measured anyway
    }
    has_lrn = any(layer.kind == "lrn" for layer in layers_of(spec.config.network))
    useful = [
        one
        for one in CONTENDERS[spec.what]
        if not idle.get(one.key, False)
        and (has_lrn or not one.is_rewritten)
        and not (spec.has_squares and one.key in DECODING)
    ]
    optional = [one for one in useful if one.can_be_missed]
    names = list(dict.fromkeys(name for one in optional for name in _names(one)))
    for key in beside:
        if not optional:
            raise UserError(f"beside={key}: {spec.what} always measures the same. Leave it out.")
        if key not in names:
            raise UserError(expected_one_of("beside", key, names))
    return tuple(
        one
        for one in useful
        if not (beside and one.can_be_missed) or set(_names(one)) & set(beside)
    )


def _names(one: Contender) -> list[str]:
    """Lists the names of a contender that `beside` takes."""
    return [one.program, one.key] if one.program else [one.key]


def contender(what: What, key: str) -> Contender:
    """Looks up a contender by its key."""
    return next(one for one in CONTENDERS[what] if one.key == key)
