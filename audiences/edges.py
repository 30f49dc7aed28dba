"""What the passing of time changes: the events that enter or leave a window between two instants.

A profile whose events, traits and accounts are the same has the same values at both instants, unless one of its
events crosses the edge of a window, or a date crosses one that is relative to as-of. So an incremental run computes
anew only the profiles that own an event in one of these intervals; what compares dates with as-of is computed for
everyone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audiences.clock import microseconds_since_epoch
from audiences.definitions.computation import Computation
from audiences.language import tree
from audiences.language.selections import Selection, selection
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


def compares_with_now(computation: Computation) -> bool:
    """Whether a definition compares a date with as-of: then a value may change with no event at any edge."""
    return any(
        isinstance(node, tree.Comparison) and node.operator in RELATIVE_DATES for node in walk(computation.expression)
    )
