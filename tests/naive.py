"""A slow and obviously correct evaluator of user-level definitions, in plain Python.

It shares no code with the package but the tree: one profile at a time, one event at a time, no columns.
Events are dicts with ``profile``, ``event``, ``timestamp`` (datetime, UTC) and optionally ``message_id``,
``source_id``, ``properties`` and ``context``; profiles are dicts with ``id`` and optionally ``traits`` and
``anonymous``. Values are JSON values as Python has them; a date or timestamp literal is a ``datetime``, which
no JSON value is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from audiences.language import tree

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9:]{5,8})(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?")
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


@dataclass
class Person:
    """A profile, its events in total order, and the values of the definitions evaluated so far."""

    events: list[Mapping[str, Any]]
    traits: Mapping[str, Any]
    computed: dict[str, Any] = field(default_factory=dict)


def evaluate(
    definitions: Sequence[Definition],
    profiles: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    as_of: datetime,
) -> dict[str, dict[str, Any]]:
    """By key: id → value; of an audience the members, True. Definitions come after those they use."""
    results: dict[str, dict[str, Any]] = {definition.key: {} for definition in definitions}
    every = sorted(
        enumerate(events),
        key=lambda row: (
            row[1]["timestamp"],
            row[1].get("message_id") is None,
            row[1].get("message_id") or "",
            row[0],
        ),
    )
    for profile in profiles:
        own = [
            event for _, event in every if event["profile"] == profile["id"] and event["timestamp"] < as_of
        ]
        person = Person(own, profile.get("traits") or {})
        for definition in definitions:
            moment = Moment(person, as_of, definition)
            if definition.audience:
                member = moment.holds(definition.expression)
                if profile.get("anonymous") and not definition.include_anonymous:
                    member = False
                person.computed[definition.key] = member
                if member:
                    results[definition.key][profile["id"]] = True
                continue
            value = moment.scalar(definition.expression)
            value = definition.default if value is None else value
            person.computed[definition.key] = value
            if value is not None:
                results[definition.key][profile["id"]] = value
    return results


@dataclass(frozen=True)
class Moment:
    """What an expression is evaluated on: a person, and inside ``where`` an event and those it is nested
    in."""

    person: Person
    as_of: datetime
    definition: Definition
    event: Mapping[str, Any] | None = None
    parent: Mapping[str, Any] | None = None

    def holds(self, condition: Any) -> bool:
        if isinstance(condition, tree.And):
            return all(self.holds(operand) for operand in condition.operands)
        if isinstance(condition, tree.Or):
            return any(self.holds(operand) for operand in condition.operands)
        if isinstance(condition, tree.Not):
            return not self.holds(condition.operand)
        assert isinstance(condition, tree.Comparison), condition
        return self.compares(condition)

    def compares(self, condition: tree.Comparison) -> bool:
        name = condition.operator.value
        lefts = self.elements(condition.left)
        rights = [self.argument(argument) for argument in condition.arguments]
        if name == "omits":
            return not any(contains(left, right) for left in lefts for right in rights)
        if name == "absent":
            return not lefts
        if name == "exists":
            return bool(lefts)
        if name in RELATIVE:
            return any(RELATIVE[name](instant(left), self.as_of, rights[0]) for left in lefts)
        return any(COMPARISONS[name](left, rights) for left in lefts)

    def argument(self, argument: Any) -> Any:
        if isinstance(argument, tree.Duration):
            return length(argument)
        if isinstance(argument, (tree.Text, tree.Number, tree.Boolean, tree.Instant)):
            return argument.value
        found = self.elements(argument)
        return found[0] if found else None

    def elements(self, scalar: Any) -> list[Any]:
        """All values of a scalar; missing ones are left out."""
        if isinstance(scalar, tree.Trait):
            traits = dict(self.person.traits) | self.person.computed
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
            for value in Moment(self.person, self.as_of, self.definition, event, self.event).elements(
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
        events = [event for event in self.person.events if event["event"] == stream.event]
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
            inside = Moment(self.person, self.as_of, self.definition, event, self.event)
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


def reached(value: Any, path: Sequence[str]) -> list[Any]:
    """The values at the end of a path; missing ones and JSON null are left out."""
    if not path:
        return [] if value is None else [value]
    if path[0] == "$":
        return (
            [found for item in value for found in reached(item, path[1:])] if isinstance(value, list) else []
        )
    return reached(value.get(path[0]), path[1:]) if isinstance(value, dict) else []


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


def text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, datetime):
        return (
            re.sub(r"(\.[0-9]*?)0*$", r"\1", value.isoformat().removesuffix("+00:00")).removesuffix(".") + "Z"
        )
    return compact(value)


def compact(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(compact(item) for item in value) + "]"
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(
                f"{json.dumps(key, ensure_ascii=False)}:{compact(item)}" for key, item in value.items()
            )
            + "}"
        )
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else text(value)


def number_text(value: int | float) -> str:
    """As JavaScript prints it."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(repr(value)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    mantissa, exponent = repr(value).split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any) -> float | None:
    """The number that a value is, or that its text says."""
    if is_number(value) or (isinstance(value, str) and NUMBER.fullmatch(value)):
        found = float(value)
        return found if abs(found) != float("inf") else None
    return None


def instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    match = ISO.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    if clock is None:
        clock, fraction, zone = "00:00", None, None
    try:
        found = datetime.fromisoformat(f"{day}T{clock}")
    except ValueError:
        return None
    if zone not in (None, "Z"):
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        offset = timedelta(hours=hours, minutes=minutes)
        found = found + offset if zone[0] == "-" else found - offset
    if fraction:
        found += timedelta(microseconds=int((fraction[1:] + "000000")[:6]))
    return found.replace(tzinfo=UTC)


# ── comparisons ─────────────────────────────────────────────────────────────────────────────────────────────


def equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    if isinstance(right, datetime):
        return not is_number(left) and instant(left) == right
    if is_number(left) or is_number(right):
        return number(left) is not None and number(left) == number(right)
    return text(left) == text(right)


def ordered(left: Any, right: Any, order: Callable[[Any, Any], bool]) -> bool:
    if number(left) is not None and number(right) is not None:
        return order(number(left), number(right))
    if instant(left) is not None and instant(right) is not None:
        return order(instant(left), instant(right))
    return False


def contains(left: Any, right: Any) -> bool:
    return left is not None and right is not None and text(right) in text(left)


def starts(left: Any, right: Any) -> bool:
    return right is not None and text(left).startswith(text(right))


def ends(left: Any, right: Any) -> bool:
    return right is not None and text(left).endswith(text(right))


def in_time(left: Any, right: Any, order: Callable[[Any, Any], bool]) -> bool:
    return instant(left) is not None and instant(right) is not None and order(instant(left), instant(right))


COMPARISONS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "equals": lambda left, rights: equal(left, rights[0]),
    "differs": lambda left, rights: not equal(left, rights[0]),
    "greater_than": lambda left, rights: ordered(left, rights[0], lambda a, b: a > b),
    "at_least": lambda left, rights: ordered(left, rights[0], lambda a, b: a >= b),
    "less_than": lambda left, rights: ordered(left, rights[0], lambda a, b: a < b),
    "at_most": lambda left, rights: ordered(left, rights[0], lambda a, b: a <= b),
    "contains": lambda left, rights: any(contains(left, right) for right in rights),
    "starts_with": lambda left, rights: any(starts(left, right) for right in rights),
    "ends_with": lambda left, rights: any(ends(left, right) for right in rights),
    "one_of": lambda left, rights: any(equal(left, right) for right in rights),
    "none_of": lambda left, rights: not any(equal(left, right) for right in rights),
    "before_date": lambda left, rights: in_time(left, rights[0], lambda a, b: a < b),
    "after_date": lambda left, rights: in_time(left, rights[0], lambda a, b: a > b),
}
"""On a value that is there."""

RELATIVE: dict[str, Callable[[datetime | None, datetime, timedelta], bool]] = {
    "within_last": lambda value, as_of, span: value is not None and as_of - span <= value <= as_of,
    "before_last": lambda value, as_of, span: value is not None and value <= as_of - span,
    "within_next": lambda value, as_of, span: value is not None and as_of <= value <= as_of + span,
    "after_next": lambda value, as_of, span: value is not None and value >= as_of + span,
}

# ── reducers ────────────────────────────────────────────────────────────────────────────────────────────────


def most_frequent(values: list[str], minimum: int) -> str | None:
    counts = Counter(values)
    if not counts or max(counts.values()) < minimum:
        return None
    return min(value for value, count in counts.items() if count == max(counts.values()))


def aggregated(reduction: tree.Aggregate, values: list[Any]) -> Any:
    as_text = reduction.operand.cast is tree.Cast.STRING
    if reduction.function is tree.Function.MINIMUM and as_text:
        return min((text(value) for value in values), default=None)
    if reduction.function is tree.Function.MAXIMUM and as_text:
        return max((text(value) for value in values), default=None)
    numeric = [value for value in values if number(value) is not None]
    numbers = [float(value) for value in numeric]
    if not numbers:
        return None
    if reduction.function is tree.Function.MINIMUM:
        return min(numbers)
    if reduction.function is tree.Function.MAXIMUM:
        return max(numbers)
    written = sum(Fraction(text(value)) for value in numeric)
    return float(written if reduction.function is tree.Function.SUM else written / len(numeric))
