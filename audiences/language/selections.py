"""What a reduction asks of the events, normalised, so that equal questions are recognised and answered once.

A ``Selection`` says which events of a profile count; a ``Measure`` says what is computed from them. Both are
frozen and hashable and don't depend on as-of: windows are kept as ages in microseconds, those of a nested
event also as microseconds after its parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from audiences.errors import NotYetError
from audiences.language import tree

MICROSECONDS: Final = {
    tree.Unit.SECOND: 1_000_000,
    tree.Unit.MINUTE: 60_000_000,
    tree.Unit.HOUR: 3_600_000_000,
    tree.Unit.DAY: 86_400_000_000,
}


class Statistic(StrEnum):
    """What a measure computes. ``LEAST_TEXT`` and ``GREATEST_TEXT`` are ``min`` and ``max`` ``as string``."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "avg"
    MINIMUM = "min"
    MAXIMUM = "max"
    LEAST_TEXT = "min as string"
    GREATEST_TEXT = "max as string"
    MOST_FREQUENT = "mode"
    FIRST = "first"
    LAST = "last"
    UNIQUE_LIST = "unique"
    UNIQUE_COUNT = "unique count"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events count: ``as_of - oldest <= timestamp < as_of - newest`` and everything else below.

    ``oldest`` and ``newest`` are ages in microseconds (``oldest`` None: all history). ``since`` is the
    instant (UTC) before which events don't count. All ``conditions`` must hold; their order means nothing, so
    it is fixed here. ``session`` is the gap in microseconds after which a new session starts; only the last
    session counts.

    An event inside another one's ``where`` is always later than it: from ``parent_nearest`` (at least 1,
    whatever it says) to ``parent_farthest`` (None: until as-of) microseconds later, both included.
    """

    event: str
    oldest: int | None = None
    newest: int = 0
    since: datetime | None = None
    conditions: tuple[tree.Condition, ...] = ()
    excluded_sources: tuple[str, ...] = ()
    session: int | None = None
    parent_nearest: int = 0
    parent_farthest: int | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One value per profile, or per event that it is nested in: a statistic of an operand over a selection.

    ``COUNT`` has no operand.
    """

    selection: Selection
    statistic: Statistic
    operand: tree.Property | tree.Context | None = None
    minimum_frequency: int = 0  # of MOST_FREQUENT


def microseconds(duration: tree.Duration) -> int:
    """The length of a duration in microseconds; a day is 24 hours."""
    return duration.amount * MICROSECONDS[duration.unit]


def measure(reduction: tree.Reduction, since: datetime | None = None) -> Measure:
    """The measure that a reduction asks for; ``since`` is the computation's ``events_since`` (UTC).

    It holds for nested events as well: their conditions are kept as they are written, and asked with the
    same ``since``.
    """
    selected = selection(reduction.stream, since)
    match reduction:
        case tree.Count():
            return Measure(selected, Statistic.COUNT)
        case tree.Aggregate(function=function, operand=operand):
            return Measure(selected, aggregate_statistic(function, operand.cast), operand.value)
        case tree.MostFrequent(operand=operand, minimum_frequency=minimum):
            return Measure(selected, Statistic.MOST_FREQUENT, operand.value, minimum)
        case tree.First(operand=operand):
            return Measure(selected, Statistic.FIRST, operand.value)
        case tree.Last(operand=operand):
            return Measure(selected, Statistic.LAST, operand.value)
        case tree.UniqueList(operand=operand):
            return Measure(selected, Statistic.UNIQUE_LIST, operand.value)
        case tree.UniqueCount(operand=operand):
            return Measure(selected, Statistic.UNIQUE_COUNT, operand.value)
    raise NotYetError(f"the reducer {type(reduction).__name__}: not yet")


def aggregate_statistic(function: tree.Function, cast: tree.Cast | None) -> Statistic:
    """``as string`` changes ``min`` and ``max`` only: to the order of text."""
    if cast is tree.Cast.STRING and function is tree.Function.MINIMUM:
        return Statistic.LEAST_TEXT
    if cast is tree.Cast.STRING and function is tree.Function.MAXIMUM:
        return Statistic.GREATEST_TEXT
    return Statistic(function.value)


def selection(stream: tree.Stream, since: datetime | None = None) -> Selection:
    """All filters of a stream in one: windows intersect, conditions and excluded sources add up.

    The order in which filters are written means nothing: the session window looks at what all others leave.
    """
    oldest: list[int] = []
    newest: list[int] = [0]
    nearest: list[int] = [0]
    farthest: list[int] = []
    conditions: set[tree.Condition] = set()
    excluded: set[str] = set()
    sessions: list[int] = []
    for item in stream.filters:
        match item:
            case tree.Where(condition=condition):
                conditions.update(conjuncts(condition))
            case tree.Sources(exclude=sources):
                excluded.update(sources)
            case tree.Within(duration=duration, of_parent=of_parent):
                (farthest if of_parent else oldest).append(microseconds(duration))
            case tree.Between(of_parent=of_parent):
                least, most = sorted((microseconds(item.nearest), microseconds(item.farthest)))
                (nearest if of_parent else newest).append(least)
                (farthest if of_parent else oldest).append(most)
            case tree.ExpiresAfter(duration=duration):
                sessions.append(microseconds(duration))
            case _:
                raise NotYetError(f"the filter {type(item).__name__}: not yet")
    return Selection(
        event=stream.event,
        oldest=min(oldest, default=None),
        newest=max(newest),
        since=since,
        conditions=tuple(sorted(conditions, key=repr)),
        excluded_sources=tuple(sorted(excluded)),
        session=min(sessions, default=None),
        parent_nearest=max(nearest),
        parent_farthest=min(farthest, default=None),
    )


def conjuncts(condition: tree.Condition) -> Iterator[tree.Condition]:
    """The conditions that must all hold."""
    if isinstance(condition, tree.And):
        for operand in condition.operands:
            yield from conjuncts(operand)
    else:
        yield condition


def reductions(expression: tree.Expression) -> Iterator[tree.Reduction]:
    """The reductions of an expression in reading order, without those nested in a ``where``, ANY or ALL.

    What stands inside ANY or ALL is asked of each user of an account: those conditions have their own reductions.
    """
    match expression:
        case tree.And(operands=operands) | tree.Or(operands=operands):
            for operand in operands:
                yield from reductions(operand)
        case tree.Not(operand=condition):
            yield from reductions(condition)
        case tree.Comparison(left=left):
            yield from reductions(left)
        case tree.AnyUser() | tree.AllUsers() | tree.Trait() | tree.Property() | tree.Context():
            return
        case _:
            yield expression
