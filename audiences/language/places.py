"""From offsets in a definition's text to line, column and an underlined excerpt."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Final

from audiences.errors import Location, Problem
from audiences.language.tree import Span

NOWHERE: Final = Location()

EXCERPT_WIDTH: Final = 100
"""Longer lines are cut around the underlined part."""

INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class Source:
    """A definition's text and the place of its first character.

    Further lines are taken to begin at the same column as the first, as they do in a YAML block. Without a
    line in ``where``, lines and columns count within the text.
    """

    text: str
    where: Location = NOWHERE

    def location(self, offset: int) -> Location:
        """File, line and column of an offset; the column is 0 where only the file's line is known."""
        before = self.text[:offset]
        line = before.count("\n")
        column = offset - (before.rfind("\n") + 1)
        if not self.where.line:
            return Location(self.where.file, line + 1, column + 1)
        first_column = self.where.column
        return Location(self.where.file, self.where.line + line, first_column + column if first_column else 0)

    def excerpt(self, span: Span) -> str:
        """The line a span begins on, without its indentation, and the span underlined: ``^^^^``."""
        line_start = self.text.rfind("\n", 0, span.start) + 1
        line_end = self.text.find("\n", line_start)
        line = self.text[line_start : line_end if line_end >= 0 else len(self.text)].rstrip()
        start = min(span.start - line_start, len(line))
        end = max(min(span.end - line_start, len(line)), start + 1)
        indentation = min(len(line) - len(line.lstrip()), start)
        line, start, end = _cut(line[indentation:], start - indentation, end - indentation)
        shown = "".join(" " if character.isspace() else character for character in line)
        return f"{INDENT}{shown}\n{INDENT}{' ' * _width(line[:start])}{'^' * max(_width(line[start:end]), 1)}"

    def problem(self, span: Span, what: str, hint: str = "", *, not_yet: bool = False) -> Problem:
        """A problem at a span of this text."""
        where, length = self.location(span.start), max(span.end - span.start, 1)
        return Problem(where, what, hint, self.excerpt(span), not_yet=not_yet, length=length)

    def written(self, span: Span) -> str:
        """The text of a span on one line, for use inside a message."""
        return " ".join(self.text[span.start : span.end].split())


def _cut(line: str, start: int, end: int) -> tuple[str, int, int]:
    """The part of a long line around the span, with ``…`` where something is left out."""
    if _width(line) <= EXCERPT_WIDTH:
        return line, start, end
    before = EXCERPT_WIDTH // 3
    if _width(line[start:]) < EXCERPT_WIDTH - before:
        before = EXCERPT_WIDTH - _width(line[start:])
    first = start
    while first and _width(line[first - 1 : start]) <= before:
        first -= 1
    last = max(start, first)
    while last < len(line) and _width(line[first : last + 1]) <= EXCERPT_WIDTH:
        last += 1
    left, right = "…" if first else "", "…" if last < len(line) else ""
    shift = len(left) - first
    return left + line[first:last] + right, start + shift, min(end, last) + shift


def _width(text: str) -> int:
    """Columns of a terminal: East Asian wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


@dataclass(slots=True)
class Report:
    """Collects the problems of one definition, so that all of them can be told at once."""

    source: Source
    problems: list[Problem] = field(default_factory=list)

    def add(self, span: Span, what: str, hint: str = "", *, not_yet: bool = False) -> None:
        """One more problem at a span of the text."""
        self.problems.append(self.source.problem(span, what, hint, not_yet=not_yet))

    def in_order(self) -> list[Problem]:
        """In the order of the text; of several problems at one place the first, which leads to the others."""
        first = {problem.where: problem for problem in reversed(self.problems)}
        return [first[where] for where in sorted(first)]
