"""What the grammar reads as calls and arguments, unpacked: names, spans, labels (``parent:``), ``as`` types.

Braces and brackets around arguments mean nothing: ``where({…})``, ``sources({exclude: …})`` and
``one_of(['a'])`` are ``where(…)``, ``sources(exclude: …)`` and ``one_of('a')``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lark import Token, Tree

from audiences.language.tree import Span

Branch = Tree[Token] | Token


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument as it was read; ``label`` is the word before a colon, ``cast`` the one after ``as``."""

    value: Branch
    span: Span
    label: Token | None = None
    cast: Token | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a chain."""

    name: str
    name_span: Span
    span: Span
    arguments: tuple[Argument, ...]


def span_of(branch: Branch) -> Span:
    """Where a part of the parse tree was written."""
    if isinstance(branch, Token):
        return Span(branch.start_pos or 0, branch.end_pos or 0)
    return Span(branch.meta.start_pos, branch.meta.end_pos)


def bare_word(branch: Branch) -> str | None:
    """The word, if a part is nothing but a word without quotes."""
    if isinstance(branch, Tree) and branch.data == "chain" and len(branch.children) == 1:
        branch = branch.children[0]
    return str(branch) if isinstance(branch, Token) and branch.type == "NAME" else None


def read_call(branch: Tree[Token]) -> Call:
    """A ``call`` of the grammar."""
    name = branch.children[0]
    arguments = tuple(
        argument
        for part in branch.children[1:]
        if isinstance(part, Tree)
        for written in part.children
        for argument in _unpacked(written)
    )
    return Call(str(name), span_of(name), span_of(branch), arguments)


def _unpacked(branch: Branch, label: Token | None = None) -> Iterator[Argument]:
    if isinstance(branch, Tree):
        if branch.data == "group":
            for part in branch.children:
                if isinstance(part, Tree):
                    for inner in part.children:
                        yield from _unpacked(inner, label)
            return
        if branch.data == "named":
            name, value = branch.children
            yield from _unpacked(value, name if isinstance(name, Token) else None)
            return
        if branch.data == "cast":
            value, _, kind = branch.children
            yield Argument(value, span_of(branch), label, kind if isinstance(kind, Token) else None)
            return
    yield Argument(branch, span_of(branch), label)
