"""Pickles read as values: an interpreter of ours that calls nothing that a file names.

A pickle is a program that may call anything. Here a few names in it are replaced by functions of
ours that only store their arguments; any other name, and whatever would be made with it, becomes
an Inert, which does nothing. So weights can be read from a file that contains anything else.

Python's own interpreter is safe too if `find_class` is replaced, but it takes all the memory that a
file asks for: eight bytes can ask for gigabytes. Ours takes a limited number of steps, each of a
few bytes or of those that are in the file, and leaves long contents there.
"""

import codecs
import dataclasses
import os
import pathlib
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from alexnet_tf.weights.stored import Span, Text

MOST_STEPS = 1_000_000
"""Of one pickle; a tensor takes about 30, a number beside them 2."""
MOST_ARGUMENTS = 16
"""Of what is made."""
LONGEST_KEY = 500
"""Of a dictionary, in letters; a few steps could put it before a million names."""
LONG_BYTES = 4096
"""Contents above this stay in the file."""

FIXED = {
    **dict.fromkeys((b"K", b"h", b"q", b"\x80", b"\x82"), "<B"),
    **dict.fromkeys((b"M", b"\x83"), "<H"),
    **dict.fromkeys((b"J", b"\x84"), "<i"),
    **dict.fromkeys((b"j", b"r"), "<I"),
    b"\x95": "<Q",
    b"G": ">d",
}
"""Operations that are followed by a number."""
COUNTED = {
    **{b"U": ("<B", "latin1"), b"T": ("<i", "latin1")},  # strings of Python 2: any bytes
    **{b"\x8c": ("<B", "utf-8"), b"X": ("<I", "utf-8"), b"\x8d": ("<Q", "utf-8")},
    **{b"C": ("<B", "bytes"), b"B": ("<I", "bytes"), b"\x8e": ("<Q", "bytes")},
    **{b"\x96": ("<Q", "bytes"), b"\x8a": ("<B", "number"), b"\x8b": ("<i", "number")},
}
"""Operations that are followed by a number of bytes, and those; what the bytes are."""
LINES = {**dict.fromkeys((b"I", b"L", b"F", b"S", b"V", b"p", b"g", b"P"), 1), b"c": 2, b"i": 2}
"""Operations that are followed by lines of text, and how many."""


@dataclasses.dataclass(slots=True, eq=False)
class Inert:
    """Replaces an unknown name, or an object that would be made with it."""

    module: str
    """Module of the function or class."""
    attribute: str
    """Its name in the module."""
    state: Any = None
    """The state that the object would have."""
    entries: dict = dataclasses.field(default_factory=dict)
    """The items that the object would have, by key."""

    @property
    def name(self) -> str:
        """The full name, as in a program."""
        return f"{self.module}.{self.attribute}"


class Values:
    """Reads one pickle.

    Args:
      file: open for reading bytes, at the start of the pickle.
      known: what replaces each (module, name): functions of ours, or values.
      persistent: returns the value of a persistent identifier.
      path: path of the file, if long contents are to be left in it.
    """

    def __init__(
        self,
        file: BinaryIO,
        known: Mapping[tuple[str, str], Any],
        persistent: Callable[[Any], Any] | None = None,
        path: pathlib.Path | None = None,
    ):
        """Stores the arguments; `load` reads."""
        self._file, self._persistent, self._path = file, persistent, path
        self._names = dict(known)
        start = file.tell()
        self._end = file.seek(0, os.SEEK_END)
        file.seek(start)
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self._below: list[list[Any]] = []

    def load(self) -> Any:
        """Reads the value, and leaves the file at the end of the pickle.

        Raises:
          Exception: of several kinds, if it is not a pickle or a damaged one.
        """
        for _ in range(MOST_STEPS):
            code = self._take(1)
            if code == b".":
                return self.stack.pop()
            if code not in OPERATIONS:
                raise ValueError(f"no pickle has the operation {code!r}")
            OPERATIONS[code](self, self._argument(code))
        raise ValueError(f"a pickle of more than {MOST_STEPS:,} steps")

    def _take(self, num_bytes: int) -> bytes:
        contents = self._file.read(num_bytes)
        if len(contents) != num_bytes:
            raise EOFError("it ends inside of a value")
        return contents

    def _argument(self, code: bytes) -> Any:
        """Reads the argument of an operation."""
        if code in FIXED:
            return struct.unpack(FIXED[code], self._take(struct.calcsize(FIXED[code])))[0]
        if code in COUNTED:
            return self._counted(*COUNTED[code])
        return [self._line() for _ in range(LINES.get(code, 0))]

    def _counted(self, size: str, what: str) -> Any:
        """Reads bytes with a length before them, or leaves them in the file."""
        (length,) = struct.unpack(size, self._take(struct.calcsize(size)))
        start = self._file.tell()
        if not 0 <= length <= self._end - start:
            raise EOFError("it ends inside of a value")
        if length > LONG_BYTES and self._path:
            self._file.seek(length, os.SEEK_CUR)
            return (Text if what == "utf-8" else Span)(self._path, start, length)
        contents = self._take(length)
        if what == "number":
            return int.from_bytes(contents[:LONG_BYTES], "little", signed=True)
        return contents if what == "bytes" else contents.decode(what, "surrogatepass")

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("it ends inside of a line")
        return line[:-1].decode("latin1")

    def push(self, value: Any) -> None:
        """Pushes a value on the stack."""
        self.stack.append(value)

    def mark(self) -> None:
        """Starts a row of values on the stack."""
        self._below.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        """Pops the values since the last mark."""
        row, self.stack = self.stack, self._below.pop()
        return row

    def last(self, count: int) -> list[Any]:
        """Pops `count` values."""
        return [self.stack.pop() for _ in range(count)][::-1]

    def pop(self) -> None:
        """Pops a value, or a mark if there is no value above it."""
        if self.stack:
            self.stack.pop()
        else:
            self.marked()

    def name(self, module: str, name: str) -> None:
        """Pushes what replaces a name."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        if (module, name) not in self._names:
            self._names[module, name] = Inert(module, name)
        self.stack.append(self._names[module, name])

    def make(self, maker: Any, arguments: Any) -> None:
        """Calls a function of ours; makes an Inert for any other maker."""
        if not callable(maker):
            is_named = isinstance(maker, Inert)
            made = Inert(maker.module, maker.attribute) if is_named else Inert("unknown", "object")
        elif isinstance(arguments, tuple | list) and len(arguments) <= MOST_ARGUMENTS:
            made = maker(*arguments)
        else:
            raise ValueError("a call without a list of arguments")
        self.stack.append(made)

    def make_of(self, row: list[Any]) -> None:
        """Makes an object from a row: the maker, then its arguments."""
        self.make(row[0], row[1:])

    def fill(self) -> None:
        """Passes the state to an object that takes one."""
        state = self.stack.pop()
        filled = self.stack[-1]
        if isinstance(filled, Inert):
            filled.state = state
        elif hasattr(filled, "fill"):
            filled.fill(state)

    def extend(self, items: list[Any]) -> None:
        """Appends values to a list."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        """Adds alternating keys and values to a dictionary of any kind."""
        filled = getattr(self.stack[-1], "entries", self.stack[-1])
        if isinstance(filled, dict):
            filled.update(mapping(_pairs(items)))

    def ask(self, identifier: Any) -> None:
        """Pushes the value of a persistent identifier."""
        if self._persistent is None:
            raise ValueError("a persistent identifier, expected values")
        self.stack.append(self._persistent(identifier))


def mapping(pairs: Any = (), *unused) -> dict:
    """Makes a dictionary of a list of pairs, and empties the list: a file could repeat the call.

    Only integers and short text or bytes are taken as keys: hashing deeply nested tuples crashes
    Python.
    """
    found = {}
    if isinstance(pairs, list):
        for key, value in pairs:
            if isinstance(key, int) or isinstance(key, str | bytes) and len(key) <= LONGEST_KEY:
                found[key] = value
        pairs.clear()
    return found


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(items[::2], items[1::2], strict=True))


def _quoted(text: str) -> str:
    """Removes the quotes around a string of protocol 0."""
    return codecs.escape_decode(text.strip()[1:-1].encode("latin1"))[0].decode("latin1")


OPERATIONS: dict[bytes, Callable[[Values, Any], Any]] = {
    **dict.fromkeys((b"\x80", b"\x95"), lambda v, _: None),  # the protocol; the length of a part
    # values
    b"N": lambda v, _: v.push(None),
    b"\x88": lambda v, _: v.push(True),
    b"\x89": lambda v, _: v.push(False),
    **dict.fromkeys((*COUNTED, b"K", b"M", b"J", b"G"), lambda v, x: v.push(x)),
    **dict.fromkeys((b"I", b"L"), lambda v, x: v.push(int(x[0].removesuffix("L")))),
    b"F": lambda v, x: v.push(float(x[0])),
    b"S": lambda v, x: v.push(_quoted(x[0])),
    b"V": lambda v, x: v.push(x[0].encode("latin1").decode("raw-unicode-escape")),
    **dict.fromkeys(
        (b"\x82", b"\x83", b"\x84"), lambda v, x: v.push(Inert("copyreg", f"extension {x}"))
    ),
    # the stack, and what is remembered of it
    b"(": lambda v, _: v.mark(),
    b"0": lambda v, _: v.pop(),
    b"1": lambda v, _: v.marked(),
    b"2": lambda v, _: v.push(v.stack[-1]),
    b"p": lambda v, x: v.memo.update({int(x[0]): v.stack[-1]}),
    **dict.fromkeys((b"q", b"r"), lambda v, x: v.memo.update({x: v.stack[-1]})),
    b"\x94": lambda v, _: v.memo.update({len(v.memo): v.stack[-1]}),
    b"g": lambda v, x: v.push(v.memo[int(x[0])]),
    **dict.fromkeys((b"h", b"j"), lambda v, x: v.push(v.memo[x])),
    # collections; sets stay empty
    b")": lambda v, _: v.push(()),
    b"]": lambda v, _: v.push([]),
    b"}": lambda v, _: v.push({}),
    b"\x8f": lambda v, _: v.push(Inert("builtins", "set")),
    b"t": lambda v, _: v.push(tuple(v.marked())),
    b"\x85": lambda v, _: v.push(tuple(v.last(1))),
    b"\x86": lambda v, _: v.push(tuple(v.last(2))),
    b"\x87": lambda v, _: v.push(tuple(v.last(3))),
    b"l": lambda v, _: v.push(v.marked()),
    b"a": lambda v, _: v.extend(v.last(1)),
    b"e": lambda v, _: v.extend(v.marked()),
    b"d": lambda v, _: v.push(mapping(_pairs(v.marked()))),
    b"s": lambda v, _: v.update(v.last(2)),
    b"u": lambda v, _: v.update(v.marked()),
    b"\x90": lambda v, _: v.marked(),
    b"\x91": lambda v, _: v.make(Inert("builtins", "frozenset"), v.marked()),
    # names, and what would be made with them
    b"c": lambda v, x: v.name(*x),
    b"\x93": lambda v, _: v.name(*v.last(2)),
    **dict.fromkeys((b"R", b"\x81"), lambda v, _: v.make(*v.last(2))),
    b"\x92": lambda v, _: v.make(*v.last(3)[:2]),
    b"o": lambda v, _: v.make_of(v.marked()),
    b"i": lambda v, x: (v.name(*x), v.make(v.stack.pop(), v.marked())),
    b"b": lambda v, _: v.fill(),
    b"P": lambda v, x: v.ask(x[0]),
    b"Q": lambda v, _: v.ask(v.stack.pop()),
}
