"""Text files from any editor: with or without a byte order mark, with any line ends."""

import codecs
import re

MARKS = {  # UTF-32's first: it begins like UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def text_lines(contents: bytes) -> tuple[str, ...]:
    """Splits text into lines, without spaces around them and empty lines at the end.

    Args:
      contents: UTF-8, or what a byte order mark says; invalid bytes are kept as escapes.

    Raises:
      ValueError: it is not text.
    """
    encoding = next((x for mark, x in MARKS.items() if contents.startswith(mark)), "utf-8")
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    try:
        text = contents.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it begins as {encoding}, but {error.reason}. Save it as UTF-8."
        ) from error
    if "\0" in text:
        raise ValueError("it has zero bytes; expected text. Save it as UTF-8.")
    lines = [line.strip() for line in re.split("\r\n|\r|\n", text)]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)
