"""Pictures of every bad kind, and mutations of good ones: python bad_pictures.py COUNT SEED.

The command packs COUNT mutated pictures and prints how many could be decoded and why the others
could not. A run of 10,000 takes minutes.
"""

import collections
import io
import pathlib
import random
import sys
import tempfile

import numpy as np
import packed
from PIL import Image

COLORS = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def claimed(width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    contents = bytearray(encoded(Image.fromarray(COLORS), "JPEG"))
    place = contents.index(b"\xff\xc0") + 5
    contents[place : place + 4] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(contents)


def good() -> dict[str, bytes]:
    """Odd ones that can be decoded."""
    image = Image.fromarray(COLORS)
    exif = Image.Exif()
    exif[0x0112] = 6
    sixteen = Image.fromarray(COLORS[..., 0].astype(np.uint16) << 8)
    return {
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "grey.jpg": encoded(image.convert("L"), "JPEG"),
        "png.JPEG": encoded(image, "PNG"),
        "sixteen.png": encoded(sixteen, "PNG"),
        "palette.png": encoded(image.convert("P"), "PNG"),
        "transparent.png": encoded(image.convert("RGBA"), "PNG"),
        "turned.jpg": encoded(image, "JPEG", exif=exif),
        "progressive.jpg": encoded(image, "JPEG", progressive=True),
        "dot.jpg": encoded(image.crop((0, 0, 1, 1)), "JPEG"),
        "strip.png": encoded(image.resize((3000, 1)), "PNG"),
        "bitmap.bmp": encoded(image, "BMP"),
        "\udcff\udcfe.jpg": encoded(image, "JPEG"),
        "a b\n'.jpg": encoded(image, "JPEG"),
    }


def bad() -> dict[str, tuple[bytes, str]]:
    """Those that cannot, each with the reason that the report has for it."""
    image = Image.fromarray(COLORS)
    jpeg, png = encoded(image, "JPEG", quality=95), encoded(image, "PNG")
    damaged = "its {} bytes are damaged, cut short or of an unknown variety"
    return {
        "cut.jpg": (jpeg[:300], damaged.format(300)),
        "cut.png": (png[: len(png) // 2], damaged.format(len(png) // 2)),
        "empty.jpg": (b"", "its 0 bytes do not begin like a JPEG, PNG or BMP picture"),
        "text.jpg": (b"hello", "its 5 bytes do not begin like a JPEG, PNG or BMP picture"),
        "huge.jpg": (
            claimed(65000, 65000),
            "it claims 65000 x 65000 pixels; at most 100000000 are taken",
        ),
        "web.webp": (
            encoded(image, "WEBP"),
            "it is a WebP picture; convert it to JPEG, PNG or BMP",
        ),
        "film.gif": (encoded(image, "GIF"), "it is a GIF picture; convert it to JPEG, PNG or BMP"),
        "gif.jpg": (encoded(image, "GIF"), "it is a GIF picture; convert it to JPEG, PNG or BMP"),
    }


def mutated(draw: random.Random) -> bytes:
    """A picture with some of its bytes changed, cut, doubled or moved."""
    contents = bytearray(draw.choice([*good().values()]))
    for _ in range(draw.choice([1, 1, 2, 5])):
        place, way = draw.randrange(max(len(contents), 1)), draw.randrange(5)
        head = min(place, draw.choice([place, 64]))
        length = draw.choice([1, 4, 100, len(contents)])
        if way == 0 and contents:
            contents[head] ^= 1 << draw.randrange(8)
        elif way == 1:
            del contents[place:]
        elif way == 2:
            contents[head : head + 4] = draw.randbytes(4)
        elif way == 3:
            contents[place:place] = contents[head : head + length]
        else:
            del contents[place : place + length]
    return bytes(contents)


def write_corpus(folder: pathlib.Path, count: int, seed: int) -> None:
    """Writes mutated pictures into two classes."""
    draw = random.Random(seed)
    for name in "ab":
        (folder / name).mkdir(parents=True)
    for number in range(count):
        (folder / "ab"[number % 2] / f"{number:06}.jpg").write_bytes(mutated(draw))


def pack_corpus(folder: pathlib.Path, count: int, seed: int) -> collections.Counter:
    """Packs mutated pictures; returns how many came to which end, all accounted for."""
    write_corpus(folder / "corpus", count, seed)
    found = packed.packed(folder / "corpus", folder / "set", size=32)
    examples = packed.examples(folder / "set", "all")
    reasons = {one.index: one.reason for one in found.undecoded}
    assert len(examples) == found.splits["all"].num_examples == count
    for index, example in enumerate(examples):
        assert bool(example["image/encoded"]) == (index not in reasons)
    assert found.statistics.num_examples == count - len(reasons)
    kinds = ("".join(x for x in text if not x.isdigit()) for text in reasons.values())
    return collections.Counter({"decoded": count - len(reasons)}) + collections.Counter(kinds)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for reason, count in pack_corpus(pathlib.Path(folder), *map(int, sys.argv[1:])).items():
            print(f"{count:7,}  {reason}")
