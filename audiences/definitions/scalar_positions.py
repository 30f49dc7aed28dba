"""Where a character of a scalar's value stands in its file, whatever style the scalar is written in.

A definition is text inside a YAML scalar: its own line and column say little to someone who looks at the
file. Quotes, escapes, indentation and folded lines are stepped over by walking through the value and the text
of the file side by side: what is not white space is exact in every style, white space up to its run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

from audiences.definitions.yaml_nodes import YamlScalar
from audiences.errors import Location

_ESCAPES: Final = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEXADECIMAL: Final = {"x": 2, "u": 4, "U": 8}
_BREAKS: Final = "\n\r\x85\u2028\u2029"
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class Place(NamedTuple):
    """A part of a file: where it begins, and how many characters it has (0: not known)."""

    where: Location
    length: int = 0


class ScalarPlaces:
    """The places of a scalar's characters. Made once per scalar, then asked for any number of offsets."""

    def __init__(self, scalar: YamlScalar, text: str) -> None:
        self._scalar = scalar
        self._text = text

    @cached_property
    def _offsets(self) -> list[int]:
        return _aligned(self._scalar, self._text) if self._scalar.start >= 0 else []

    def offset(self, value_offset: int) -> int:
        """The offset in the file's text; behind the value's last character: one past that character."""
        if not self._offsets:
            return max(self._scalar.start, 0)
        if value_offset < len(self._offsets):
            return self._offsets[value_offset]
        return self._offsets[-1] + 1

    def location(self, value_offset: int) -> Location:
        """File, line and column. The scalar's own place where it doesn't come from a file."""
        if self._scalar.start < 0:
            return self._scalar.where
        return location_of(self._text, self.offset(value_offset), self._scalar.where.file)

    def place(self, start: int, end: int) -> Place:
        """Where the characters from ``start`` to ``end`` of the value (end exclusive) are written."""
        where = self.location(start)
        if self._scalar.start < 0:
            return Place(where)
        return Place(where, max(self.offset(max(end - 1, start)) + 1 - self.offset(start), 1))


def location_of(text: str, offset: int, file: str) -> Location:
    """Line and column, from 1, of an offset in a file's text; line breaks are those of YAML."""
    line, start = 1, 0
    for found in _LINE_BREAK.finditer(text, 0, offset):
        line, start = line + 1, found.end()
    return Location(file, line, offset - start + 1)


def offset_of(text: str, where: Location) -> int:
    """The offset of a line and column: the way back."""
    at = 0
    for _ in range(where.line - 1):
        found = _LINE_BREAK.search(text, at)
        if found is None:
            break
        at = found.end()
    return min(at + max(where.column - 1, 0), len(text))


def _aligned(scalar: YamlScalar, text: str) -> list[int]:
    """For each character of the value the offset at which it is written."""
    written = list(_written(scalar, text))
    offsets: list[int] = []
    at = 0
    for character in scalar.text:
        if character.isspace():
            # Folding changes the kind and number of blanks: any blank stands for any other.
            if at < len(written) and written[at][0].isspace():
                offsets.append(written[at][1])
                at += 1
            else:
                offsets.append(written[min(at, len(written) - 1)][1] if written else scalar.start)
            continue
        while at < len(written) and written[at][0] != character:
            at += 1
        offsets.append(written[at][1] if at < len(written) else max(scalar.end - 1, scalar.start))
        at += 1
    return offsets


def _written(scalar: YamlScalar, text: str) -> Iterator[tuple[str, int]]:
    """The characters inside the quotes or below the block's header, escapes resolved, with their offsets."""
    start, end = scalar.start, scalar.end
    if scalar.style in ("|", ">"):
        header = next((at for at in range(start, end) if text[at] in _BREAKS), end)
        yield from ((text[at], at) for at in range(header + 1, end))
    elif scalar.style == "'":
        at = start + 1
        while at < end - 1:
            yield text[at], at
            at += 2 if text.startswith("''", at) else 1
    elif scalar.style == '"':
        yield from _double_quoted(text, start + 1, end - 1)
    else:
        yield from ((text[at], at) for at in range(start, end))


def _double_quoted(text: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    at = start
    while at < end:
        if text[at] != "\\":
            yield text[at], at
            at += 1
            continue
        escape = text[at + 1 : at + 2]
        if escape in _HEXADECIMAL:
            digits = _HEXADECIMAL[escape]
            yield chr(int(text[at + 2 : at + 2 + digits], 16)), at
            at += 2 + digits
        elif escape and escape in _BREAKS:
            at += 2  # a line break that is escaped stands for nothing
        else:
            yield _ESCAPES.get(escape, escape), at
            at += 2
