"""What a run spent on what: rows, bytes and seconds of each part of its plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

from audiences.definitions.computation import Level


@dataclass(frozen=True, slots=True)
class Cost:
    """``rows`` looked at, the ``bytes`` that they take in memory, and ``seconds`` of wall time."""

    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.rows + other.rows, self.bytes + other.bytes, self.seconds + other.seconds)


NOTHING: Final = Cost()


class EventCost(BaseModel):
    """What all measures of one event name cost together, in the passes over users or those over accounts."""

    model_config = ConfigDict(frozen=True)

    level: Level
    event: str
    rows: int
    bytes: int
    seconds: float


class Costs(BaseModel):
    """A run's costs, as they are kept with it.

    ``reading`` are the seconds of finding and reading the events, ``rows`` and ``bytes`` what was read; ``events`` the
    cost of each event name; ``definitions`` each computation's share of the computing, in seconds, by key.
    """

    model_config = ConfigDict(frozen=True)

    reading: float = 0.0
    rows: int = 0
    bytes: int = 0
    events: tuple[EventCost, ...] = ()
    definitions: dict[str, float] = {}

    def of_event(self, level: Level, event: str) -> Cost | None:
        """What the events of a name cost; None where they weren't looked at."""
        found = [item for item in self.events if (item.level, item.event) == (level, event)]
        return together(Cost(item.rows, item.bytes, item.seconds) for item in found) if found else None

    def __add__(self, other: Costs) -> Costs:
        names = dict.fromkeys((item.level, item.event) for item in (*self.events, *other.events))
        events = []
        for level, event in names:
            both = together(cost for costs in (self, other) if (cost := costs.of_event(level, event)) is not None)
            events.append(EventCost(level=level, event=event, rows=both.rows, bytes=both.bytes, seconds=both.seconds))
        keys = dict.fromkeys((*self.definitions, *other.definitions))
        seconds = {key: self.definitions.get(key, 0.0) + other.definitions.get(key, 0.0) for key in keys}
        return Costs(
            reading=self.reading + other.reading,
            rows=self.rows + other.rows,
            bytes=self.bytes + other.bytes,
            events=tuple(events),
            definitions=seconds,
        )

    def share(self, key: str) -> float | None:
        """The part of all computing that was a computation's, from 0 to 1; None if it wasn't computed."""
        total = sum(self.definitions.values())
        return self.definitions[key] / total if key in self.definitions and total else None


def together(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    return sum(costs, start=NOTHING)
