"""The line of a file that a problem is about, with exactly the wrong part underlined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Final

from audiences.definitions.positions import YamlFile
from audiences.definitions.scalar_positions import offset_of
from audiences.definitions.yaml_nodes import YamlList, YamlMapping, YamlNode
from audiences.errors import Problem
from audiences.language.places import Source
from audiences.language.tree import Span

_WORD: Final = re.compile(r"""[\w.-]+|'[^'\n]*'|"[^"\n]*"|.""")


def with_excerpts(problems: Iterable[Problem], files: Mapping[str, YamlFile]) -> tuple[Problem, ...]:
    """The problems, those with a line in one of the files (by name) and without an excerpt with one.

    What is underlined is ``Problem.length`` characters, else the YAML value or key that begins at the problem's place,
    else the word there; never more than is on the first line of it.
    """
    pages = {name: _Page(file) for name, file in files.items()}
    return tuple(_with_excerpt(problem, pages.get(problem.where.file)) for problem in problems)


def _with_excerpt(problem: Problem, page: _Page | None) -> Problem:
    line, column = problem.where.line, problem.where.column
    if page is None or problem.excerpt or not 0 < line <= len(page.lines) or not page.lines[line - 1].strip():
        return problem
    text = page.lines[line - 1]
    start = min(max(column - 1, 0), len(text))
    length = problem.length or page.lengths.get(offset_of(page.text, problem.where), 0)
    if not length:
        word = _WORD.match(text, start)
        length = word.end() - start if word is not None else 1
    return replace(problem, excerpt=Source(text).excerpt(Span(start, start + length)))


class _Page:
    """A file that was read, looked at closely only if something is wrong with it."""

    def __init__(self, file: YamlFile) -> None:
        self.text = file.text
        self._root = file.root

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def lengths(self) -> dict[int, int]:
        """How long the innermost node is that begins at an offset."""
        ends: dict[int, int] = {}
        waiting: list[YamlNode] = [self._root] if self._root is not None else []
        seen: set[int] = set()
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            ends[node.start] = min(node.end, ends.get(node.start, node.end))
            if isinstance(node, YamlList):
                waiting.extend(node.items)
            elif isinstance(node, YamlMapping):
                waiting.extend(child for entry in node.entries for child in (entry.key, entry.value))
        return {start: end - start for start, end in ends.items()}
