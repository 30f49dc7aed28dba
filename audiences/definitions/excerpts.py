"""The line of a file that a problem is about, underlined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from audiences.errors import Problem
from audiences.language.places import Source
from audiences.language.tree import Span

_TOKEN: Final = re.compile(r"""[\w.-]+|'[^'\n]*'|"[^"\n]*"|.""")


def with_excerpts(problems: Iterable[Problem], texts: Mapping[str, str]) -> tuple[Problem, ...]:
    """The problems, those with a line in a known file (name → text) and without an excerpt with one."""
    lines = {name: text.splitlines() for name, text in texts.items()}
    return tuple(_with_excerpt(problem, lines.get(problem.where.file, [])) for problem in problems)


def _with_excerpt(problem: Problem, lines: list[str]) -> Problem:
    line, column = problem.where.line, problem.where.column
    if problem.excerpt or not 0 < line <= len(lines) or not lines[line - 1].strip():
        return problem
    text = lines[line - 1]
    start = min(max(column - 1, 0), len(text) - 1)
    token = _TOKEN.match(text, start)
    end = token.end() if token is not None else start + 1
    return replace(problem, excerpt=Source(text).excerpt(Span(start, end)))
