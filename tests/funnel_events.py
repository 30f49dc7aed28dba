"""Events in short, for tests of funnels."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from fakes import values

TICK: Final = timedelta(microseconds=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

ONE: Final = [{"id": "p"}]
"""One profile, which owns all events that don't say otherwise."""

Event = dict[str, Any]


def event(name: str, age: timedelta, profile: str = "p", **properties: Any) -> Event:
    return {"profile": profile, "event": name, "timestamp": age, "properties": properties}


def people(events: list[Event]) -> list[dict[str, Any]]:
    return [{"id": id} for id in sorted({item["profile"] for item in events})]


def found(definition: str, events: list[Event], **settings: Any) -> Any:
    """The value of a trait for the one profile."""
    return values(definition, events, ONE, **settings).get("p")
