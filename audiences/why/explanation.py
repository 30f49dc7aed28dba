"""What an explanation has. Values are JSON text (``5``, ``"shoes"``, ``["a","b"]``), None where there is no value.

Texts that come from events and profiles (names, ids, values) are as they are in the data: whoever prints them makes
control characters visible first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audiences.definitions.computation import Kind, Level


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event: what happened when (UTC) to which profile, and the properties that the condition looks at.

    ``properties`` has pairs of a path as definitions write it and the value. ``left_out`` says why the event
    doesn't count; it is empty for an event that does. ``nested`` are later events that the conditions found after it.
    """

    name: str
    timestamp: datetime
    message_id: str | None
    profile: str
    properties: tuple[tuple[str, str | None], ...] = ()
    left_out: str = ""
    nested: tuple[SeenEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The events behind a value: how many count, at most ten of them in order of time, and what doesn't count.

    ``what`` says which of the counted events these are, where they aren't all: ``the latest 10``.
    """

    count: int
    events: tuple[SeenEvent, ...] = ()
    what: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that a condition saw: ``what`` is how the definition writes it, empty for the left side itself."""

    what: str
    value: str | None


class StepKind(StrEnum):
    """What a step of an explanation is."""

    ALL = "all of"
    ANY = "at least one of"
    NOT = "not"
    COMPARISON = "comparison"
    VALUE = "value"
    COMPUTATION = "computation"
    ANY_USER = "at least one user"
    ALL_USERS = "every user, and there is one"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a definition. ``holds`` is None where there is nothing to be true, ``text`` is the query language.

    ``ask`` is the key and the id with which to ask on: a nested computation is taken apart once, not again.
    """

    kind: StepKind
    text: str = ""
    holds: bool | None = None
    facts: tuple[Fact, ...] = ()
    evidence: Evidence | None = None
    steps: tuple[Step, ...] = ()
    ask: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Until:
    """Until when the answer holds if no new event arrives.

    ``change`` is the first instant (UTC) with another answer, which is ``answer``, and ``reason`` what happens then
    (``when the event of 2010-09-21 leaves the window``). Without a ``change`` the answer holds for ever, or, where
    that is too much to compute, at least before ``checked``.
    """

    change: datetime | None = None
    answer: str | None = None
    reason: str = ""
    checked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why ``id`` has its ``answer`` in the computation ``key`` at ``as_of`` (UTC).

    ``answer`` is the value of a trait; of an audience it is ``true`` for a member, else ``false``. ``root`` is the
    definition taken apart, and ``notes`` what is to be known beside it.
    """

    key: str
    name: str
    kind: Kind
    level: Level
    id: str
    as_of: datetime
    answer: str | None
    root: Step
    until: Until
    notes: tuple[str, ...] = ()
