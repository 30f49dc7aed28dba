"""A slow and obviously correct evaluator of whole definitions, in plain Python.

It shares no code with the package but the tree: one profile or account at a time, one event at a time, no columns.
Events are dicts with ``profile``, ``event``, ``timestamp`` (datetime, UTC) and optionally ``message_id``,
``source_id``, ``properties``, ``context`` and ``group`` (the account that it was made for); profiles are dicts with
``id`` and optionally ``traits`` and ``anonymous``. Values are JSON values as Python has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from audiences.language import tree
from naive_values import COMPARISONS, RELATIVE, aggregated, contains, instant, most_frequent, reached, text

__all__ = ["Definition", "Subject", "compute", "evaluate", "instant", "length"]

HOURS = {tree.Unit.HOUR: 1, tree.Unit.DAY: 24}
SECONDS = {tree.Unit.SECOND: 1, tree.Unit.MINUTE: 60}


@dataclass(frozen=True)
class Definition:
    """One trait (``audience`` False) or audience, with the settings that change its values."""

    key: str
    expression: tree.Expression
    audience: bool
    default: Any = None
    since: datetime | None = None
    include_anonymous: bool = False
    account: bool = False
    by_group: bool = False


@dataclass
class Subject:
    """A profile or account, its events in total order, and the values of the definitions evaluated so far.

    Profiles have ``accounts``, the ids of those they belong to; accounts that are being evaluated have ``users``.
    """

    id: str
    traits: Mapping[str, Any] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    anonymous: bool = False
    accounts: frozenset[str] = frozenset()
    users: Sequence[Subject] = ()
    computed: dict[str, Any] = field(default_factory=dict)


def order(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """By time, then message id; without one, last, and then as ``place`` says."""
    message_id = event.get("message_id")
    return event["timestamp"], message_id is None, message_id or "", event["place"]


def evaluate(
    definitions: Sequence[Definition],
    profiles: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    as_of: datetime,
) -> dict[str, dict[str, Any]]:
    """By key: profile id → value; of an audience the members, True. Definitions come after those they use."""
    every = [dict(event, place=place) for place, event in enumerate(events) if event["timestamp"] < as_of]
    people = [
        Subject(
            profile["id"],
            profile.get("traits") or {},
            sorted((event for event in every if event["profile"] == profile["id"]), key=order),
            bool(profile.get("anonymous")),
        )
        for profile in profiles
    ]
    return compute(definitions, people, [], as_of)


def compute(
    definitions: Sequence[Definition], people: Sequence[Subject], accounts: Sequence[Subject], as_of: datetime
) -> dict[str, dict[str, Any]]:
    """By key: id of the profile or account → value, as ``evaluate``."""
    results: dict[str, dict[str, Any]] = {}
    for definition in definitions:
        found = results[definition.key] = {}
        for subject in accounts if definition.account else people:
            seen = with_users(subject, people, definition) if definition.account else subject
            value = Moment(seen, as_of, definition).result()
            subject.computed[definition.key] = value
            if value is not None and not (definition.audience and value is False):
                found[subject.id] = value
        if definition.account and definition.audience:
            for person in people:
                person.computed[definition.key] = any(account in found for account in person.accounts)
    return results


def with_users(account: Subject, people: Sequence[Subject], definition: Definition) -> Subject:
    """An account with those users and those of their events that count for it."""
    users = [
        replace(person, events=[event for event in person.events if counts(event, account, definition)])
        for person in people
        if account.id in person.accounts and (definition.include_anonymous or not person.anonymous)
    ]
    return replace(account, users=users, events=sorted((event for user in users for event in user.events), key=order))


def counts(event: Mapping[str, Any], account: Subject, definition: Definition) -> bool:
    return not definition.by_group or event.get("group") == account.id


@dataclass(frozen=True)
class Moment:
    """What an expression is evaluated on: a profile or account, and inside ``where`` an event and its parent."""

    subject: Subject
    as_of: datetime
    definition: Definition
    event: Mapping[str, Any] | None = None
    parent: Mapping[str, Any] | None = None

    def result(self) -> Any:
        """The value of the whole definition; of an audience, whether it is a member."""
        if not self.definition.audience:
            value = self.scalar(self.definition.expression)
            return self.definition.default if value is None else value
        if self.subject.anonymous and not self.definition.include_anonymous:
            return False
        return self.holds(self.definition.expression)

    def holds(self, condition: Any) -> bool:
        if isinstance(condition, tree.And):
            return all(self.holds(operand) for operand in condition.operands)
        if isinstance(condition, tree.Or):
            return any(self.holds(operand) for operand in condition.operands)
        if isinstance(condition, tree.Not):
            return not self.holds(condition.operand)
        if isinstance(condition, tree.AnyUser | tree.AllUsers):
            answers = [replace(self, subject=user).holds(condition.condition) for user in self.subject.users]
            return any(answers) if isinstance(condition, tree.AnyUser) else bool(answers) and all(answers)
        assert isinstance(condition, tree.Comparison), condition
        return self.compares(condition)

    def compares(self, condition: tree.Comparison) -> bool:
        name = condition.operator.value
        lefts = self.elements(condition.left)
        every = [self.argument(argument) for argument in condition.arguments]
        if name == "absent":
            return not lefts
        if name == "exists":
            return bool(lefts)
        if name == "omits":
            return not any(contains(left, right) for left in lefts for rights in every for right in rights)
        if name in RELATIVE:
            return any(RELATIVE[name](instant(left), self.as_of, every[0][0]) for left in lefts)
        return any(COMPARISONS[name](left, rights) for left in lefts for rights in product(*every))

    def argument(self, argument: Any) -> list[Any]:
        """The values of an argument; several through `$`, and None if there is none."""
        if isinstance(argument, tree.Duration):
            return [length(argument)]
        if isinstance(argument, (tree.Text, tree.Number, tree.Boolean, tree.Instant)):
            return [argument.value]
        return self.elements(argument) or [None]

    def elements(self, scalar: Any) -> list[Any]:
        """All values of a scalar; missing ones are left out."""
        if isinstance(scalar, tree.Trait):
            traits = dict(self.subject.traits) | self.subject.computed
            return reached(traits, scalar.path)
        if isinstance(scalar, tree.Property | tree.Context):
            event = self.parent if isinstance(scalar, tree.Property) and scalar.of_parent else self.event
            assert event is not None
            part = "properties" if isinstance(scalar, tree.Property) else "context"
            return reached(event.get(part) or {}, scalar.path)
        value = self.reduced(scalar)
        return [] if value is None else [value]

    def scalar(self, scalar: Any) -> Any:
        found = self.elements(scalar)
        if isinstance(scalar, tree.Trait) and "$" in scalar.path:
            return found or None
        return found[0] if found else None

    def reduced(self, reduction: Any) -> Any:
        events = self.selected(reduction.stream)
        inside = self.definition.audience or self.event is not None
        if isinstance(reduction, tree.Count):
            return len(events) if events or inside else None
        values = [
            value
            for event in events
            for value in Moment(self.subject, self.as_of, self.definition, event, self.event).elements(
                reduction.operand.value
            )
        ]
        if isinstance(reduction, tree.UniqueCount):
            number_of_values = len({text(value) for value in values})
            return number_of_values if number_of_values or inside else None
        if isinstance(reduction, tree.UniqueList):
            return sorted({text(value) for value in values}) or None
        if isinstance(reduction, tree.MostFrequent):
            return most_frequent([text(value) for value in values], reduction.minimum_frequency)
        if isinstance(reduction, tree.First):
            return values[0] if values else None
        if isinstance(reduction, tree.Last):
            return values[-1] if values else None
        assert isinstance(reduction, tree.Aggregate), reduction
        return aggregated(reduction, values)

    def selected(self, stream: tree.Stream) -> list[Mapping[str, Any]]:
        """The events of a stream, in total order."""
        events = [event for event in self.subject.events if event["event"] == stream.event]
        if self.event is not None:
            events = [event for event in events if event["timestamp"] > self.event["timestamp"]]
        if self.definition.since is not None:
            events = [event for event in events if event["timestamp"] >= self.definition.since]
        for item in stream.filters:
            if not isinstance(item, tree.ExpiresAfter):
                events = [event for event in events if self.keeps(item, event)]
        for item in stream.filters:
            if isinstance(item, tree.ExpiresAfter):
                events = last_session(events, length(item.duration))
        return events

    def keeps(self, item: Any, event: Mapping[str, Any]) -> bool:
        time = event["timestamp"]
        if isinstance(item, tree.Where):
            inside = Moment(self.subject, self.as_of, self.definition, event, self.event)
            return inside.holds(item.condition)
        if isinstance(item, tree.Sources):
            return event.get("source_id") not in item.exclude
        if isinstance(item, tree.Within):
            if item.of_parent:
                assert self.event is not None
                return bool(time <= self.event["timestamp"] + length(item.duration))
            return bool(self.as_of - length(item.duration) <= time < self.as_of)
        assert isinstance(item, tree.Between), item
        nearest, farthest = sorted((length(item.nearest), length(item.farthest)))
        if item.of_parent:
            assert self.event is not None
            return bool(self.event["timestamp"] + nearest <= time <= self.event["timestamp"] + farthest)
        return bool(self.as_of - farthest <= time < self.as_of - nearest)


def length(duration: tree.Duration) -> timedelta:
    if duration.unit in HOURS:
        return timedelta(hours=duration.amount * HOURS[duration.unit])
    return timedelta(seconds=duration.amount * SECONDS[duration.unit])


def last_session(events: list[Mapping[str, Any]], gap: timedelta) -> list[Mapping[str, Any]]:
    session: list[Mapping[str, Any]] = []
    for event in events:
        if session and event["timestamp"] - session[-1]["timestamp"] > gap:
            session = []
        session.append(event)
    return session
