"""Files of the package safetensors: a list of arrays as JSON, then their numbers.

Read without the package, whose reader for NumPy lacks bfloat16.
"""

import json
import os
import pathlib

from alexnet_tf.weights import state_dicts
from alexnet_tf.weights.stored import Span, Stored, axes, stored

MOST_HEADER_BYTES = 2**22
"""Of the list; about 30,000 arrays."""
DTYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E4M3FNUZ": "float8_e4m3fnuz"},
    **{"F8_E5M2": "float8_e5m2", "F8_E5M2FNUZ": "float8_e5m2fnuz"},
    **{
        f"{letter}{n}": f"{sign}int{n}"
        for letter, sign in (("I", ""), ("U", "u"))
        for n in (8, 16, 32, 64)
    },
}
"""Their names of types, and ours."""


def read(path: pathlib.Path) -> dict[str, Stored]:
    """Reads a state dict that safetensors wrote.

    Returns:
      arrays by PyTorch's names without the prefixes of wrappers.

    Raises:
      Exception: of several kinds, if the file is damaged.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MOST_HEADER_BYTES, os.path.getsize(path) - 8):
            raise ValueError(f"a list of arrays of {length:,} bytes")
        listed = json.loads(file.read(length))
    listed.pop("__metadata__", None)
    return state_dicts.by_short_names(
        {name: _stored(path, 8 + length, about) for name, about in listed.items()}
    )


def _stored(path: pathlib.Path, start: int, about: dict) -> Stored:
    """Describes one array of the list, whose numbers begin at `start`."""
    dtype = DTYPES.get(about["dtype"]) or _unknown(str(about["dtype"]))
    first, end = axes(about["data_offsets"])
    span = Span(path, start + first, end - first)
    return stored(span, about["shape"], dtype)


def _unknown(dtype: str) -> str:
    """Calls a type so that it is no counter, unless it has whole numbers or truth values."""
    return dtype if dtype.startswith(("I", "U", "BOOL")) else f"float of type {dtype}"
