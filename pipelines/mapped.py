"""Files mapped into memory: the system fetches what is asked for, and keeps what fits.

Nothing is copied to open them. A file that is cut short, or a disk that fails, while it is mapped
ends the process with SIGBUS: files of a network's file system are better copied first.
"""

import ctypes
import itertools
import mmap
import os
import weakref
from collections.abc import Sequence

import numpy as np

_MAP_FIXED, _PROT_NONE = 0x10, 0  # on Linux and macOS; Python does not name them


def mapped(paths: Sequence[str], sizes: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    """Maps files one after another into one range of memory, each from the beginning of a page.

    Args:
      paths: of files on this machine.
      sizes: of the files in bytes, each at least 1.

    Returns:
      uint8 [M], which counts as writable, since TensorFlow borrows nothing else, and must not be
      written; and where each file begins in it.

    Raises:
      OSError: a file cannot be opened or is shorter; or there is no room among the addresses.
    """
    pages = [-(-size // mmap.PAGESIZE) * mmap.PAGESIZE for size in sizes]
    begins = [0, *itertools.accumulate(pages)]
    num_bytes = begins.pop()
    start = _map(None, num_bytes, _PROT_NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)
    memory = (ctypes.c_uint8 * num_bytes).from_address(start)
    weakref.finalize(memory, _system().munmap, start, num_bytes).atexit = False
    for path, size, begin in zip(paths, sizes, begins, strict=True):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if os.fstat(descriptor).st_size < size:
                raise OSError(f"{path!r} is shorter than {size} bytes")
            flags = mmap.MAP_SHARED | _MAP_FIXED
            _map(start + begin, size, mmap.PROT_READ, flags, descriptor)
        finally:
            os.close(descriptor)  # the mapping stays
    return np.frombuffer(memory, np.uint8), begins


def _map(start: int | None, num_bytes: int, protection: int, flags: int, descriptor: int) -> int:
    """Calls mmap, of which Python's own leaves no choice of the address."""
    address = _system().mmap(start, num_bytes, protection, flags, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return address


def _system() -> ctypes.CDLL:
    """Gives the C library, its functions declared."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
        ctypes.c_int64,
    )
    library.munmap.argtypes = ctypes.c_void_p, ctypes.c_size_t
    return library
