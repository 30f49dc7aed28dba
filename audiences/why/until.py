"""Until when an answer holds if no new event arrives: the first instant at which the engine says something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Final

from audiences.definitions.computation import Computation
from audiences.plan import Plan
from audiences.why.bench import Bench
from audiences.why.changes import Change, RelativeDate, Window, watches
from audiences.why.events import Timeline
from audiences.why.explanation import Until
from audiences.why.instants import readable

MOST: Final = 300
"""So many instants are tried: one takes a few milliseconds."""

LEAST: Final = 30
"""So many are tried even where there are so many events that one takes longer."""

MOST_EVENTS: Final = 3_000_000
"""So many events are gone through in all."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def until(bench: Bench, plan: Plan, computation: Computation, subject: str, as_of: datetime) -> Until:
    """Until when ``computation`` has the answer for ``subject`` that it has at ``as_of`` (UTC).

    ``plan`` is that of the computation. No event is later than ``as_of`` on the bench, so none arrives. The engine
    is asked at each instant at which something may change, in order, until its answer is another one.
    """
    found = [
        watch for item in plan.order for watch in watches(item, bench.computations, name_it=item.key != computation.key)
    ]
    known = [watch for watch in found if isinstance(watch, Window) or watch.part is None]
    moving = [watch for watch in found if isinstance(watch, RelativeDate) and watch.part is not None]
    timeline = Timeline(bench)
    once = bench.question([], [watch.part for watch in known if watch.part is not None]).at(as_of)
    question = bench.question([computation.key], [watch.part for watch in moving if watch.part is not None])
    now = question.at(as_of)
    answer = now.answer(computation, subject)
    ahead = Ahead(as_of)
    ahead.add(change for watch in known for change in watch.changes(timeline, once))
    for _ in range(min(MOST, max(LEAST, MOST_EVENTS // max(1, timeline.frame.height)))):
        ahead.add(change for watch in moving for change in watch.changes(timeline, now))
        changes = ahead.take()
        if not changes:
            return Until()
        moment = instant(changes[0].at)
        now = question.at(moment)
        if now.answer(computation, subject) != answer:
            return Until(moment, now.answer(computation, subject), reason(changes))
    ahead.add(change for watch in moving for change in watch.changes(timeline, now))
    rest = ahead.take()
    return Until(checked=instant(rest[0].at)) if rest else Until()


class Ahead:
    """The changes after an instant, in order, each once."""

    def __init__(self, as_of: datetime) -> None:
        self._done = (as_of - EPOCH) // timedelta(microseconds=1)
        self._changes: list[Change] = []
        self._known: set[Change] = set()

    def add(self, changes: Iterable[Change]) -> None:
        """Takes note of those that are still to come, within the calendar."""
        for change in changes:
            if self._done < change.at <= END and change not in self._known:
                self._known.add(change)
                heappush(self._changes, change)

    def take(self) -> list[Change]:
        """All that changes at the next instant; nothing if there is none."""
        taken: list[Change] = []
        while self._changes and (not taken or self._changes[0].at == taken[0].at):
            taken.append(heappop(self._changes))
        if taken:
            self._done = taken[0].at
        return taken


def instant(microseconds: int) -> datetime:
    """Microseconds since 1970 as an instant, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


def reason(changes: Sequence[Change]) -> str:
    """What happens, in words: ``when the event of 2010-09-21 leaves the window (Order Completed, within 90 days)``."""
    parts = [event_text(change) if change.events else date_text(change) for change in changes[:2]]
    more = f" (and {len(changes) - 2} more)" if len(changes) > 2 else ""
    return "when " + " and ".join(parts) + more


def event_text(change: Change) -> str:
    """What events do."""
    day = instant(change.when).date().isoformat()
    if change.events == 1:
        return f"the event of {day} {change.does}s the window ({change.detail})"
    return f"{change.events:,} events of {day} {change.does} the window ({change.detail})"


def date_text(change: Change) -> str:
    """What a date does."""
    return f"{change.detail} ({readable(instant(change.when))}) {change.does}"
