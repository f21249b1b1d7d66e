"""Every message of an error is quoted by a test that no other message could satisfy."""

import ast
import pathlib
import re
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
ERRORS = {
    *("UserError", "RunFailed", "NotFinite", "ValueError", "TypeError"),
    *("EOFError", "OSError", "AttributeError"),
}
LEAST = 12
"""Letters of a message, values not counted, that a test has to quote. Shorter ones only pass on."""
ONE_OF = "expected_one_of"
"""The function that writes f"{name}={value}: expected one of ..."."""
ANY = "\0"
"""Stands where a message has a value, and where the pattern of a test has `.*`."""


def text_of(node: ast.expr) -> str:
    """Returns the text of an expression, with ANY for what is known only when it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return re.sub(f"{ANY}+", ANY, "".join(map(text_of, parts)))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return re.sub(f"{ANY}+", ANY, text_of(left) + text_of(right))
        case ast.Call(func=ast.Name(id=function), args=[name, *_]) if function == ONE_OF:
            return f"{text_of(name)}={ANY}: expected one of {ANY}"
    return ANY


def messages_of(tree: ast.Module) -> Iterator[str]:
    """The texts of all errors that a file makes, itself or by a function that returns the text."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for call in ast.walk(tree):
        match call:
            case ast.Call(func=ast.Name(id=name), args=[text, *_]) if name in ERRORS:
                yield text_of(text)
                match text:
                    case ast.Call(func=ast.Name(id=name)) if name in {*functions} - {ONE_OF}:
                        for node in ast.walk(functions[name]):
                            if isinstance(node, ast.Return):
                                yield text_of(node.value)


def messages() -> dict[str, str]:
    """Every message that says something of its own, with a file that it stands in."""
    found = {}
    for package in ("alexnet_tf", "pipelines"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for text in messages_of(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(text, str(path.relative_to(ROOT)))
    return {text: path for text, path in found.items() if sum(map(str.isalpha, text)) >= LEAST}


def quotations() -> set[str]:
    """The texts in tests that could be quoted from a message, whole and between values."""
    found = set()
    for path in (ROOT / "tests").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in docs:
                for text in text_of(node).split("|"):  # of regular expressions the literal parts
                    text = re.sub(r"\.\*|\[.*?\]\+?|\\[dsw]\+?", ANY, text)
                    text = re.sub(r"\\(?=\W)", "", text)
                    found |= {text, *text.split(ANY)}
    return {text for text in found if len(text) >= LEAST and " " in text}


class Messages:
    """Finds the message that a text was cut from, walking through all of them at once.

    Args:
      texts: all messages.
    """

    def __init__(self, texts: Iterable[str]):
        self.texts = list(texts)
        letters = np.array([*"".join(f"^{text}\n" for text in self.texts)])
        self.is_any = letters == ANY
        self.is_any_of_words = self.is_any & (np.roll(letters, 1) != "=")
        self.is_letter = {letter: letters == letter for letter in {*letters} - {"\n"}}
        self.number = np.cumsum(letters == "\n") - (letters == "\n")

    def best(self, quotation: str) -> list[str]:
        """The messages that a text may be cut from and that have the most of its letters.

        A value may be any text; behind an equals sign, any without one.
        """
        never = np.int16(-1000)
        apart = self.number * 10_000  # keeps what was found in one message out of the next
        shared = np.zeros(len(self.is_any), np.int16)  # by the place of the next letter
        for letter in quotation:
            shared[1:] = np.maximum(shared[1:], np.where(self.is_any[:-1], shared[:-1], never))
            if letter == ANY:
                shared = (np.maximum.accumulate(shared + apart) - apart).astype(np.int16)
                continue
            is_any = self.is_any_of_words if letter == "=" else self.is_any
            after = np.where(is_any, shared, never)
            if letter in self.is_letter:
                more = np.where(self.is_letter[letter][:-1], shared[:-1] + 1, never)
                after[1:] = np.maximum(after[1:], more)
            shared = after
        most = shared.max()
        numbers = {*self.number[shared == most]} if most >= LEAST else ()
        return [self.texts[number] for number in numbers]


@pytest.mark.parametrize(
    "quotation, found",
    [
        ("rounds=0: expected at least 1.", ["rounds=\0: expected at least 1."]),
        ("rounds=0: expected at", ["rounds=\0: expected at least 1."]),
        (
            "expected at least 1.",
            ["rounds=\0: expected at least 1.", "steps=\0: expected at least 1."],
        ),
        ("batch=0: expected at least 1.", []),
        ("'a=b' cannot be read: .*. Mend".replace(".*", ANY), ["\0 cannot be read: \0. Mend it."]),
        ("^'a' cannot be read: no", ["\0 cannot be read: \0. Mend it."]),
        ("^run cannot be written: no. Mend it.", []),
    ],
)
def test_a_quotation_is_of_the_message_that_it_was_cut_from(quotation, found):
    texts = ("rounds=\0: expected at least 1.", "steps=\0: expected at least 1.")
    texts += ("\0 cannot be read: \0. Mend it.",)
    assert sorted(Messages(texts).best(quotation)) == found


def test_every_message_is_quoted_by_a_test_that_no_other_could_satisfy():
    known = messages()
    found = Messages(known)
    quoted = [texts[0] for texts in map(found.best, quotations()) if len(texts) == 1]
    assert {text: known[text] for text in known.keys() - {*quoted}} == {}
