"""The processor of this machine."""

import pathlib
import platform

CPUINFO = pathlib.Path("/proc/cpuinfo")


def processor() -> str:
    """Returns the processor's model, as the system names it."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
