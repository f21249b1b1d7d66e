"""The environment that every command runs in. Has to act before TensorFlow is imported."""

import os
import sys

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
"""Our own sentences should be seen."""

FAST = {
    "TF_ENABLE_ONEDNN_OPTS": "1",  # off by default on AMD CPUs (TF 2.21)
    # Large tensors on a CPU come and go with each step; in pages of 4 KB the kernel's work with
    # them takes a twelfth of it.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""What makes steps on a CPU fast; what a user has set himself stays."""


def prepare() -> None:
    """Sets the variables, and starts a command once more if the C library has to read one."""
    is_late = sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ
    for name, value in (QUIET | FAST).items():
        os.environ.setdefault(name, value)
    spec = sys.modules["__main__"].__spec__
    is_command = spec is not None and spec.name.startswith("alexnet_tf.")
    if is_late and is_command:  # glibc reads its tunables when a process starts
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
