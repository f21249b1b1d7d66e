"""The kind of a file, told by its first bytes."""

JPEG, PNG, BMP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"
"""What files begin with that can be decoded."""

NUM_BYTES = 64
"""Enough of a file to know its kind."""

_KINDS = {
    JPEG: "a JPEG picture",
    PNG: "a PNG picture",
    BMP: "a BMP picture",
    b"GIF8": "a GIF picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"II+\0": "a TIFF picture",
    b"MM\0+": "a TIFF picture",
    b"\0\0\1\0": "an icon",
    b"\0\0\2\0": "a cursor",
    b"BA": "an OS/2 bitmap array",
    b"8BPS": "a Photoshop document",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\x76\x2f\x31\x01": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance picture",
    b"qoif": "a QOI picture",
    b"%PDF": "a PDF document",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a pointer of Git LFS and not the picture itself",
    **{b"P%d" % i + end: "a Netpbm picture" for i in range(1, 8) for end in (b"\n", b" ")},
}
_BRANDS = {"a HEIC picture": (b"hei", b"hev", b"mif", b"msf"), "an AVIF picture": (b"avi",)}
_MARKUP = {b"<svg": "an SVG drawing", b"<!doctype html": "a web page", b"<html": "a web page"}


def kind(head: bytes) -> str | None:
    """Names the kind of a file.

    Args:
      head: its first NUM_BYTES bytes, or all where it has fewer.

    Returns:
      Words such as "a GIF picture"; None for an unknown kind.
    """
    if head[4:8] == b"ftyp":
        brands = ((name, start) for name, starts in _BRANDS.items() for start in starts)
        return next((name for name, start in brands if head[8:].startswith(start)), "a film")
    if head[:4] == b"RIFF":
        return "a WebP picture" if head[8:12] == b"WEBP" else "a RIFF file"
    found = (name for start, name in _KINDS.items() if head.startswith(start))
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    markup = (name for start, name in _MARKUP.items() if text.startswith(start))
    return next(found, None) or next(markup, None)
