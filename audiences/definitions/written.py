"""Where definitions were written: for what is found out about them after they were loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from audiences.definitions.entries import Draft
from audiences.definitions.excerpts import with_excerpts
from audiences.definitions.positions import YamlFile
from audiences.errors import Problem
from audiences.language import tree

_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


class Written:
    """The files of definitions, and for each computation that loaded its tree with the places of all nodes."""

    def __init__(self, files: Mapping[str, YamlFile], drafts: Iterable[Draft]) -> None:
        self._files = files
        self._drafts = {draft.key: draft for draft in drafts if draft.computation is not None and not draft.problems}

    def with_excerpts(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """The problems, each with the line of the file that it is about, underlined."""
        return with_excerpts(problems, self._files)

    def expression(self, key: str) -> tree.Expression:
        """The tree of a computation, its nodes with spans. Raises ``KeyError`` for one that was not read here."""
        computation = self._drafts[key].computation
        if computation is None:
            raise KeyError(key)
        return computation.expression

    def problem(self, key: str, node: tree.Node, what: str, hint: str = "") -> Problem:
        """A problem at a node of a computation's tree: at the name in it, if it is an event, trait or field."""
        draft = self._drafts[key]
        span = node.span
        if isinstance(node, tree.Stream | tree.Trait | tree.Property | tree.Context):
            span = _name(node, draft.source)
        place = draft.locate(span)
        (problem,) = self.with_excerpts([Problem(place.where, what, hint, key=key, length=place.length)])
        return problem


def _name(node: tree.Stream | tree.Trait | tree.Property | tree.Context, source: str) -> tree.Span | None:
    """Where the name in a node is written: in quotes, or as the value of a YAML key."""
    span = (node.event_span or node.span) if isinstance(node, tree.Stream) else node.span
    if span is None:
        return None
    quoted = _QUOTED.search(source, span.start, span.end)
    return tree.Span(*quoted.span()) if quoted is not None else span
