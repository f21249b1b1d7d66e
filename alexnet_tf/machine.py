"""The processor of this machine."""

import pathlib
import platform

CPUINFO = pathlib.Path("/proc/cpuinfo")
HALVES = {"bfloat16": ("avx512_bf16", "amx_bf16"), "float16": ("avx512_fp16", "amx_fp16")}
"""Instructions of x86 processors for numbers of 16 bits, as the system names them."""
VECTORS = ("avx2", "avx512f", *HALVES["bfloat16"], *HALVES["float16"])
"""What decides which kernels compute. A virtual machine may hide some of its processor's."""


def processor() -> str:
    """Returns the processor's model, as the system names it."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def instructions() -> str:
    """Lists those of VECTORS that the processor has, as a text; empty where that is unknown."""
    return " ".join(name for name in VECTORS if name in (_flags() or ()))


def computes_in(precision: str) -> bool:
    """Tells whether the processor has instructions for a precision; True where that is unknown.

    Args:
      precision: float32, tf32, bfloat16 or float16.
    """
    there = _flags()
    known = HALVES.get(precision)
    return there is None or known is None or not there.isdisjoint(known)


def _flags() -> set[str] | None:
    """Reads what an x86 processor can do; None of others, which have other names for all of it."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "flags":
                return {*value.split()}
    return None
