"""What the passing of time changes: the events that enter or leave a window between two instants.

A profile whose events, traits and accounts are the same has the same values at both instants, unless one of its
events crosses the edge of a window, or a date crosses one that is relative to as-of. So an incremental run computes
anew only the profiles that own an event in one of these intervals, or have a trait that is a date in one. Where another
date than a trait of a profile is compared with as-of, that can't be told, and everyone is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audiences.clock import microseconds_since_epoch
from audiences.definitions.computation import Computation, Level
from audiences.language import tree
from audiences.language.selections import Selection, microseconds, selection
from audiences.language.walk import walk

RELATIVE_DATES: Final = frozenset(
    {
        tree.Operator.WITHIN_LAST,
        tree.Operator.WITHIN_NEXT,
        tree.Operator.BEFORE_LAST,
        tree.Operator.AFTER_NEXT,
    }
)
"""Comparisons of a date with as-of."""

_FARTHEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The events of one name with ``start <= timestamp < end``, in microseconds since 1970 (UTC)."""

    event: str
    start: int
    end: int


def crossing(computations: Iterable[Computation], previous: datetime, as_of: datetime) -> tuple[Interval, ...]:
    """The intervals in which an event counts at one of two instants and not at the other, sorted, none touching.

    ``previous`` is not after ``as_of``; both UTC. Nested events are among them: those of a funnel have lookback windows
    of their own, and the end of one at as-of. Conditions and sources aren't looked at: an event that they leave out
    crosses for nothing.
    """
    before, now = microseconds_since_epoch(previous), microseconds_since_epoch(as_of)
    found = [
        interval
        for computation in computations
        for selected in selections(computation)
        for interval in edges(selected, before, now)
    ]
    return tuple(joined(found))


def selections(computation: Computation) -> Iterator[Selection]:
    """Every selection of events in a definition, nested ones included."""
    for node in walk(computation.expression):
        if isinstance(node, tree.Stream):
            yield selection(node, computation.events_since)


def edges(selected: Selection, before: int, now: int) -> Iterator[Interval]:
    """What enters the window of a selection, and what leaves it, between two instants."""
    ages = [selected.newest] if selected.oldest is None else [selected.newest, selected.oldest]
    since = None if selected.since is None else microseconds_since_epoch(selected.since)
    for age in ages:
        start, end = before - age, now - age
        start = start if since is None else max(start, since)
        if start < end:
            yield Interval(selected.event, start, end)


def joined(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """The same instants in as few intervals as possible, sorted."""
    last: Interval | None = None
    for interval in sorted(intervals):
        if last is None:
            last = interval
        elif interval.event == last.event and interval.start <= last.end:
            last = Interval(last.event, last.start, max(last.end, interval.end))
        else:
            yield last
            last = interval
    if last is not None:
        yield last


@dataclass(frozen=True, slots=True)
class Dates:
    """The values of a trait, ``start`` and ``end`` included, for which a comparison with as-of may turn out otherwise;
    in microseconds since 1970 (UTC).
    """

    path: tree.Path
    start: int
    end: int


def crossing_dates(computation: Computation, previous: datetime, as_of: datetime) -> tuple[Dates, ...] | None:
    """The dates that cross an edge relative to as-of between two instants; None: there may be others than these.

    Only traits of profiles are looked at: a definition at account level has the dates of accounts, too, and dates in
    events or made of them may be anybody's.
    """
    before, now = microseconds_since_epoch(previous), microseconds_since_epoch(as_of)
    found: dict[Dates, None] = {}
    for node in walk(computation.expression):
        if not isinstance(node, tree.Comparison) or node.operator not in RELATIVE_DATES:
            continue
        length = next((item for item in node.arguments if isinstance(item, tree.Duration)), None)
        if not isinstance(node.left, tree.Trait) or tree.EACH in node.left.path or length is None:
            return None
        if computation.level is Level.ACCOUNT:
            return None
        for offset in _offsets(node.operator, microseconds(length)):
            found[Dates(node.left.path, _clamped(before + offset), _clamped(now + offset))] = None
    return tuple(found)


def _clamped(instant: int) -> int:
    """An instant that fits into 64 bits: a duration may reach beyond all of time."""
    return max(-_FARTHEST, min(_FARTHEST, instant))


def _offsets(operator: tree.Operator, length: int) -> tuple[int, ...]:
    """Where the edges are, in microseconds after as-of."""
    match operator:
        case tree.Operator.WITHIN_LAST:
            return -length, 0
        case tree.Operator.WITHIN_NEXT:
            return 0, length
        case tree.Operator.BEFORE_LAST:
            return (-length,)
        case _:
            return (length,)
