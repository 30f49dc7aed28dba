"""What each computation costs in a pass that serves all: shared work is divided among those that share it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import copy
from time import perf_counter

import polars as pl

from audiences.costs import NOTHING, Cost, Costs, EventCost
from audiences.definitions.computation import Level
from audiences.language.selections import Measure
from audiences.plan import Plan
from audiences.stages import UserQuestion, measures, questions

Part = Measure | UserQuestion | str
"""What takes time: a measure, a question to users, or a computation by its key."""


class Meter:
    """Seconds by key of the computation, and the cost of each event name.

    Measures of one event name are taken together: each has an equal part of the time, and each computation that uses
    a measure an equal part of that. Finding the events in the inputs is nobody's share.
    """

    def __init__(self, plan: Plan) -> None:
        self.seconds: dict[str, float] = {item.key: 0.0 for item in plan.order}
        self.events: dict[tuple[Level, str], Cost] = {}
        self._users: dict[Part, list[str]] = {}
        for item in plan.order:
            asked = tuple(dict.fromkeys(questions(item)))
            parts: list[Part] = [
                item.key,
                *measures(item),
                *asked,
                *(part for step in asked for part in measures(step)),
            ]
            for part in dict.fromkeys(parts):
                self._users.setdefault(part, []).append(item.key)

    def part(self) -> Meter:
        """A meter for a part of the work, which starts at zero."""
        made = copy(self)
        made.seconds = dict.fromkeys(self.seconds, 0.0)
        made.events = {}
        return made

    def add(self, part: Meter) -> None:
        """Adds what was measured for a part of the work."""
        for key, seconds in part.seconds.items():
            self.seconds[key] += seconds
        for name, cost in part.events.items():
            self.events[name] = self.events.get(name, NOTHING) + cost

    def costs(self) -> Costs:
        """What was measured so far."""
        events = (
            EventCost(level=level, event=event, rows=cost.rows, bytes=cost.bytes, seconds=cost.seconds)
            for (level, event), cost in self.events.items()
        )
        return Costs(events=tuple(events), definitions=dict(self.seconds))

    @contextmanager
    def looking_at(self, level: Level, event: str, rows: pl.DataFrame) -> Iterator[None]:
        """Measures the block, in which everything is computed of the events of a name in a bucket."""
        size = int(rows.estimated_size())
        started = perf_counter()
        yield
        cost = Cost(rows.height, size, perf_counter() - started)
        self.events[level, event] = self.events.get((level, event), NOTHING) + cost

    @contextmanager
    def running(self, parts: Collection[Part]) -> Iterator[None]:
        """Measures the block, and divides its time among those that use ``parts``."""
        started = perf_counter()
        yield
        share = (perf_counter() - started) / max(len(parts), 1)
        for part in parts:
            users = self._users.get(part, ())
            for key in users:
                self.seconds[key] += share / len(users)
