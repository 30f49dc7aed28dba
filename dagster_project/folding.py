"""Long lines of definitions, broken where they may be: the cells of a page are narrow, and code in them isn't wrapped.

What comes out means the same as what went in, so it can be copied from the page.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

WIDTH = 56

_IN_QUERY = re.compile(r"\.[a-z_]+\(| (AND|OR)\b|(?<=,) ")


class _Break(NamedTuple):
    """A position before which a line may be broken, and how many brackets are open there."""

    position: int
    depth: int


def fold_query(text: str, width: int = WIDTH) -> str:
    """The query language may be broken between any two tokens; here: before calls, ``AND``, ``OR``, after commas."""
    return _fold(text, lambda line, at: _IN_QUERY.match(line, at) is not None, width)


def fold_yaml(text: str, width: int = WIDTH) -> str:
    """YAML may be broken after the commas of ``{…}`` and ``[…]``; a break in a text stands for a blank there."""
    return _fold(text, lambda line, at: line[at - 1 : at + 1] == ", ", width)


def _fold(text: str, may_break: Callable[[str, int], bool], width: int) -> str:
    folded: list[str] = []
    for line in text.splitlines():
        breaks = [one for one in _outside_quotes(line) if may_break(line, one.position)]
        folded += _fold_line(line, breaks, width)
    return "\n".join(folded)


def _fold_line(line: str, breaks: list[_Break], width: int) -> Iterator[str]:
    """What follows a break is indented more than the line. Few brackets open is better than a full line."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    start, prefix = 0, ""
    while len(prefix) + len(line) - start > width:
        ahead = [one for one in breaks if line[start : one.position].strip()]
        if not ahead:
            break
        fitting = [one for one in ahead if len(prefix) + one.position - start <= width]
        end = min(fitting, key=lambda one: (one.depth, -one.position)) if fitting else ahead[0]
        yield prefix + line[start : end.position].rstrip()
        start = end.position + (line[end.position] == " ")
        prefix = indent
    yield prefix + line[start:]


def _outside_quotes(line: str) -> Iterator[_Break]:
    """The positions that are in no string literal. A backslash takes the meaning from the quote that follows it."""
    quote, depth = "", 0
    for position, character in enumerate(line):
        if not quote:
            depth += (character in "([{") - (character in ")]}")
            yield _Break(position, depth)
        if character in "'\"" and quote in ("", character) and line[position - 1 : position] != "\\":
            quote = "" if quote else character
