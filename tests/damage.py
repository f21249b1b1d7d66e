"""Damages weight files and reads them all in this process: python damage.py DIR COUNT SEED.

DIR holds whole files, each named after the network that it belongs to: torchvision.1.pth,... The
last line is one JSON object: how many were read, refused, or ended in another way; the longest
time; and the memory above what this process had after its imports.
"""

import io
import json
import pathlib
import random
import resource
import struct
import sys
import time
import zipfile

import foreign

from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.weights import formats

EXTREMES = [0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1]
HEADER_BYTES = 600


def truncated(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data))]


def flipped(draw: random.Random, data: bytes) -> bytes:
    """Flips some bits of the whole, or of its first or last bytes, where headers and lists are."""
    changed = bytearray(data)
    start, end = draw.choice(
        [(0, len(data)), (0, min(HEADER_BYTES, len(data))), (max(0, len(data) - 1200), len(data))]
    )
    for _ in range(draw.choice([1, 1, 2, 8, 50])):
        changed[draw.randrange(start, end)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def oversized(draw: random.Random, data: bytes) -> bytes:
    """Overwrites 1, 2, 4 or 8 bytes, in front, at the end or anywhere, by an extreme number."""
    width = draw.choice([1, 2, 4, 8])
    number = (draw.choice(EXTREMES) & (2 ** (8 * width) - 1)).to_bytes(width, "little")
    place = draw.randrange(draw.choice([len(data), min(HEADER_BYTES, len(data))]))
    place = draw.choice([place, max(0, len(data) - 1 - place % 1200)])
    return data[:place] + number + data[place + width :]


def spliced(draw: random.Random, data: bytes) -> bytes:
    """Removes, doubles or moves a part."""
    a, b = sorted(draw.randrange(len(data)) for _ in range(2))
    b = min(b, a + draw.choice([1, 10, 1000, len(data)]))
    return draw.choice(
        [data[:a] + data[b:], data[:b] + data[a:], data[b:] + data[:b], data[:a] + bytes(b - a)]
    )


def reworded(draw: random.Random, data: bytes) -> bytes:
    """Shapes, types and offsets that are written as text get other digits or letters."""
    words = [
        b"<f4",
        b"F32",
        b"(",
        b", ",
        b"[",
        b'"shape"',
        b"True",
        b"False",
        b"1",
        b"2",
        b"6",
        b"3",
    ]
    others = [
        b"<f8",
        b"|O",
        b"<U9",
        b"BF16",
        b"F8_E4M3",
        b"-1",
        b"9" * 12,
        b"0",
        b"((",
        b"]",
        b"{",
        b"",
    ]
    word = draw.choice([x for x in words if x in data] or [data[:1]])
    places = [i for i in range(min(len(data), 5000)) if data.startswith(word, i)] or [0]
    place = draw.choice(places)
    return data[:place] + draw.choice(others) + data[place + len(word) :]


def renumbered(draw: random.Random, data: bytes) -> bytes:
    """Small numbers of a pickle become extreme ones: sizes, steps, offsets, places to look up."""
    places = [i for i in range(len(data) - 2) if data[i] in b"KhqM" and i < 50_000]
    if not places:
        return oversized(draw, data)
    place = draw.choice(places)
    number = struct.pack("<Q", draw.choice(EXTREMES))
    new = draw.choice(
        [b"\x8a\x08" + number, b"J" + number[:4], b"r" + number[:4], b"N", b"]", b")"]
    )
    return data[:place] + new + data[place + 2 :]


CHANGES = [truncated, flipped, flipped, oversized, oversized, spliced, reworded, renumbered]


def repacked(draw: random.Random, data: bytes) -> bytes:
    """Damages one entry of an archive and packs it anew, so that its checksum is right again."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        names = old.namelist()
        chosen = draw.choice([*names, *[name for name in names if name.endswith(".pkl")] * 20])
        for name in names:
            contents = old.read(name)
            if name == chosen:
                contents = draw.choice([*CHANGES, bomb])(draw, contents)
            new.writestr(name, contents, draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    return file.getvalue()


def bomb(draw: random.Random, data: bytes) -> bytes:
    """Returns the start of an entry, followed by zeros, which compress well."""
    return data[: draw.choice([0, 128])] + bytes(draw.choice([10**4, 10**6, 3 * 10**7]))


def damaged(draw: random.Random, data: bytes) -> bytes:
    change = draw.choice([*CHANGES, *[repacked] * 6 * data.startswith(b"PK")])
    data = change(draw, data)
    return draw.choice(CHANGES)(draw, data) if data and draw.random() < 0.2 else data


def outcome(path: pathlib.Path, name: str) -> str:
    """Reads a file and says how that ends: read, refused, or as it should not."""
    try:
        formats.load(str(path), foreign.small(name.partition(".")[0], num_classes=0))
    except (UserError, RunFailed) as error:
        text = str(error)
        return "refused" if text.isprintable() and len(text) < 2500 else f"no sentence: {text!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "read"


def main(directory: str, count: str, seed: str) -> None:
    draw, ends, slowest = random.Random(int(seed)), {}, 0.0
    files = sorted(pathlib.Path(directory).iterdir())
    wholes = {path.name: path.read_bytes() for path in files}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(int(count)):
        name = list(wholes)[index % len(wholes)]
        path = pathlib.Path(directory, f"damaged{''.join(pathlib.Path(name).suffixes[1:])}")
        path.write_bytes(damaged(draw, wholes[name]))
        start = time.monotonic()
        end = outcome(path, name)
        slowest = max(slowest, time.monotonic() - start)
        ends.setdefault(end, []).append(f"{index} {name}")
        path.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {"ends": {end: len(x) for end, x in ends.items()}, "slowest_seconds": slowest}
    result["odd"] = {end: x[:5] for end, x in ends.items() if end not in ("read", "refused")}
    print(json.dumps(result | {"mebibytes": (peak - before) / 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
