"""Who takes part in which benchmark, and in which environment. No TensorFlow here."""

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping, Sequence

from alexnet_tf.benchmarking.spec import Spec, What
from alexnet_tf.command_line.environment import FAST
from alexnet_tf.config.network import NetworkConfig
from alexnet_tf.errors import UserError, expected_one_of
from alexnet_tf.networks.family.names import FAMILY

PAPER = "paper"
"""Key of the contender that predicts a network's speed."""

STOCK = dict.fromkeys(FAST)
"""TensorFlow as it comes: oneDNN is off on some processors (TF 2.21)."""

PASSIVE = STOCK | {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""PyTorch as it comes, but for threads of OpenMP, which wait without spinning."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contender:
    """One worker process and its row of the table."""

    key: str
    """Its name in JSON."""
    label: str
    """Its name in the table."""
    module: str
    """The file of this package that does its work."""
    function: str
    """The function there that makes the Work."""
    environment: Mapping[str, str | None]
    """Variables to set for its process, or with None to take away."""
    adapt: Callable[[Spec], Spec] = lambda spec: spec
    """What it measures instead of the network that was asked for."""
    can_be_missed: bool = False
    """Whether the benchmark goes on without it, by choice or because it cannot run."""
    needs: str = ""
    """A package that we do not require: without it the contender is left out."""
    note: str = ""
    """What a reader of the table should know."""

    def absence(self) -> str | None:
        """Why it cannot take part here, as far as is known without starting it."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            return f"{self.needs} is not installed; pip install {self.needs}"
        return None


def paper() -> NetworkConfig:
    """The network that the speed of others is predicted from."""
    member = FAMILY["paper"]
    return dataclasses.replace(member.config, num_classes=member.num_classes)


def _on_first_device(spec: Spec) -> Spec:
    """The same network without towers, on the first of the devices."""
    one = spec.config.on_one_device()
    run = dataclasses.replace(one.run, devices=spec.config.run.devices[:1])
    return dataclasses.replace(spec, config=dataclasses.replace(one, run=run))


def _of_paper(spec: Spec) -> Spec:
    """The paper's network instead of another."""
    spec = _on_first_device(spec)
    return dataclasses.replace(spec, config=dataclasses.replace(spec.config, network=paper()))


def _rivals(function: str) -> tuple[Contender, ...]:
    """Ours, the others at the same work, and the peak."""
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
        Contender(
            key="pytorch",
            label="PyTorch",
            module="pytorch",
            function=function,
            environment=PASSIVE,
            can_be_missed=True,
            needs="torch",
            note="the same network, eager, default environment, the faster one of channels first "
            "and channels last",
        ),
        Contender(
            key="matrix_product",
            label="matrix product",
            module="matrix_product",
            function="product",
            environment=FAST,
            note="the peak: square matrices, as if they were pictures",
        ),
    )


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
}
"""Of each benchmark, in the order of the table; the first one is what the others compare with."""


def contenders_of(spec: Spec, beside: Sequence[str] = ()) -> tuple[Contender, ...]:
    """Those that say something about a network: other forms only where it is another form.

    Args:
      spec: what is measured.
      beside: keys of those that can be missed and are wanted; all where empty.

    Raises:
      UserError: `beside` names none of them.
    """
    network = spec.config.network
    is_paper = dataclasses.replace(network, towers=1) == paper()
    idle = {"one_device": network.towers == 1, PAPER: is_paper}
    useful = [one for one in CONTENDERS[spec.what] if not idle.get(one.key, False)]
    optional = [one.key for one in useful if one.can_be_missed]
    for key in beside:
        if not optional:
            raise UserError(f"beside={key}: loop always measures the same. Leave it out.")
        if key not in optional:
            raise UserError(expected_one_of("beside", key, optional))
    return tuple(one for one in useful if not (beside and one.can_be_missed) or one.key in beside)


def contender(what: What, key: str) -> Contender:
    """Looks up a contender by its key."""
    return next(one for one in CONTENDERS[what] if one.key == key)
