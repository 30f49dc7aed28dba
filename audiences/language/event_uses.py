"""How a definition uses each event: what it reads of it, and how far back it looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from audiences.language import tree
from audiences.language.selections import selection
from audiences.language.walk import children


@dataclass(frozen=True, slots=True)
class EventUse:
    """One use of an event. Only events that are at most ``oldest`` microseconds old (None: of any age) and not before
    ``since`` (UTC; None: any) can count.
    """

    event: str
    properties: frozenset[tree.Path] = frozenset()
    contexts: frozenset[tree.Path] = frozenset()
    oldest: int | None = None
    since: datetime | None = None


@dataclass(slots=True)
class _Open:
    """An event whose parts are being looked at."""

    event: str
    oldest: int | None
    properties: set[tree.Path] = field(default_factory=set)
    contexts: set[tree.Path] = field(default_factory=set)


def event_uses(expression: tree.Expression, since: datetime | None = None) -> frozenset[EventUse]:
    """All uses of events in a definition; ``since`` is the computation's ``events_since`` (UTC).

    An event nested in another one is later than it, so it is never looked at farther back than its parent.
    """
    found: list[_Open] = []
    _collect(expression, (), found)
    return frozenset(
        EventUse(use.event, frozenset(use.properties), frozenset(use.contexts), use.oldest, since) for use in found
    )


def _collect(node: tree.Node, around: tuple[_Open, ...], found: list[_Open]) -> None:
    match node:
        case tree.Property(path=path, of_parent=of_parent):
            around[-2 if of_parent else -1].properties.add(path)
        case tree.Context(path=path):
            around[-1].contexts.add(path)
        case _ if isinstance(node, tree.Reduction):
            own = _Open(node.stream.event, min(_ages(node.stream, around), default=None))
            found.append(own)
            around = (*around, own)
    for child in children(node):
        _collect(child, around, found)


def _ages(stream: tree.Stream, around: tuple[_Open, ...]) -> Iterator[int]:
    for oldest in (selection(stream).oldest, around[-1].oldest if around else None):
        if oldest is not None:
            yield oldest
