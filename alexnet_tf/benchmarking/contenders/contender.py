"""What takes part in a benchmark: one worker process, and its environment. No TensorFlow here."""

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.command_line.environment import FAST

STOCK = dict.fromkeys(FAST)
"""TensorFlow as it comes: oneDNN is off on some processors (TF 2.21)."""

PASSIVE = FAST | {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""Huge pages as ours, and threads of OpenMP that wait without spinning."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contender:
    """One worker process and its row of the table."""

    key: str
    """Name in JSON."""
    label: str
    """Name in the table."""
    module: str
    """The file of this package that does its work."""
    function: str
    """The function there that makes the Work."""
    environment: Mapping[str, str | None]
    """Variables to set for its process; None removes one."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further arguments of that function."""
    adapt: Callable[[Spec], Spec] = lambda spec: spec
    """Changes what is measured, where it is not the network that was asked for."""
    is_stopped: bool = True
    """Whether its processes are stopped between its rounds. Workers that watch each other are not:
    after ten seconds without a heartbeat TensorFlow takes the others for lost (TF 2.21)."""
    can_be_missed: bool = False
    """Whether the benchmark goes on without it, by choice or because it cannot run."""
    needs: str = ""
    """A module that is not required; without it the contender is left out."""
    package: str = ""
    """The package that brings that module, where it has another name."""
    program: str = ""
    """The program that it is a form of, where there are several; `beside` names all by it."""
    form: str = ""
    """Name of the form."""
    is_rewritten: bool = False
    """Whether it goes beyond what users of that program tune: its local response normalization is
    written anew."""
    note: str = ""
    """What a reader of the table should know."""

    def absence(self) -> str | None:
        """Says why it cannot take part here, as far as is known without starting it."""
        if self.needs and not _is_installed(self.needs):
            package = self.package or self.needs
            return f"{package} is not installed; pip install {package}"
        return None


def _is_installed(module: str) -> bool:
    """Looks for a module, which may be inside of another."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
