"""Hypothesis strategies: definitions that use each other, profiles, and events with ties, edges and mixed types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from audiences.language import tree
from fakes import AS_OF
from naive import Definition

EVENTS = ("A", "A", "A", "B")
PATHS: tuple[tree.Path, ...] = (("v",), ("v",), ("v",), ("w",), ("o", "x"), ("l", "$"), ("l", "$", "x"))
TRAITS: tuple[tree.Path, ...] = (("t",), ("u",), ("o", "x"), ("l", "$"))

# Few values, so that events, profiles and literals meet; one draw each, so that examples are quick to make.
TEXTS = ("", "a", "b", "ab", "A", "é", "\U0001f600", "true", "5", "5.0", "+5", "-0", "1e2", " 5", "0.1", "[]", '"\\\n')
DATES = (
    "2024-06-14",
    "2024-06-14T12:00:00Z",
    "2024-06-14T14:00:00+02:00",
    "2024-06-15 12:00:00",
    "2024-06-15T11:59:59.9999999",
    "2024-06-16T12:00:00Z",
    "2024-02-30",
)
NUMBERS = (0, 1, 5, 5.0, -2, 100, 0.1, 0.2, 0.3, 2.5, 44.63, -1e16, 1e16, 1e-7, 1e300, 0.30000000000000004)
LARGE = (123456789012345680000, -123456789012345680000, 9007199254740993)
LISTS: tuple[list[Any], ...] = (
    [],
    ["a"],
    ["a", 5, None],
    [5, "5", 0.1],
    [{"x": "a"}, {"x": 5}],
    [{"x": None}, {}],
    [["a"]],
)
OBJECTS: tuple[dict[str, Any], ...] = ({}, {"x": "a"}, {"x": 5}, {"x": None}, {"x": ["a"]}, {"x": {"y": 1}})
SCALARS = (None, *TEXTS, *DATES, *NUMBERS, *NUMBERS, *LARGE, True, False)

VALUES = (*SCALARS, *SCALARS, *LISTS, *OBJECTS)
LISTS_AND_OTHERS = (None, "a", {"x": "a"}, *LISTS, *LISTS)
OBJECTS_AND_OTHERS = (None, "a", *OBJECTS, *OBJECTS)

MICROSECOND = timedelta(microseconds=1)
EDGES = (timedelta(), timedelta(hours=1), timedelta(hours=2), timedelta(days=1), timedelta(days=7))
AGES = (
    *(edge + offset for edge in EDGES for offset in (timedelta(), timedelta(), MICROSECOND, -MICROSECOND)),
    *(timedelta(minutes=minutes) for minutes in (30, 60, 90, 150, 60 * 25, 60 * 24 * 40)),
)

LITERALS = (
    *map(tree.Text, (*TEXTS, *DATES)),
    *(tree.Number(value) for value in (*NUMBERS, *LARGE)),
    *map(tree.Boolean, (True, False)),
    *(tree.Instant(AS_OF - edge) for edge in EDGES),
)
DURATIONS = (
    tree.Duration(0, tree.Unit.HOUR),
    tree.Duration(1, tree.Unit.HOUR),
    tree.Duration(2, tree.Unit.HOUR),
    tree.Duration(1, tree.Unit.DAY),
    tree.Duration(24, tree.Unit.HOUR),
    tree.Duration(7, tree.Unit.DAY),
)
GAPS = (tree.Duration(30, tree.Unit.MINUTE), tree.Duration(1, tree.Unit.HOUR))
DEFAULTS: tuple[Any, ...] = (None, None, None, 0, 0.5, "", "x", False, [], ["a"])

Operator = tree.Operator
RELATIVE = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT)
NO_ARGUMENTS = (Operator.EXISTS, Operator.ABSENT)
MANY = (
    Operator.CONTAINS,
    Operator.OMITS,
    Operator.STARTS_WITH,
    Operator.ENDS_WITH,
    Operator.ONE_OF,
    Operator.NONE_OF,
)
OF_DATES = (Operator.BEFORE_DATE, Operator.AFTER_DATE)
OPERATORS = (*Operator, *(Operator.EQUALS,) * 4, Operator.DIFFERS, Operator.GREATER_THAN, Operator.AT_MOST)

Element = TypeVar("Element")


@dataclass(frozen=True)
class World:
    """Everything that an evaluation needs."""

    definitions: Sequence[Definition]
    profiles: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]


@cache
def place(size: int) -> st.SearchStrategy[int]:
    return st.integers(0, size - 1)


def one_of(draw: DrawFn, pool: Sequence[Element]) -> Element:
    """One element of a pool: a single small draw, whatever is in it."""
    return pool[draw(place(len(pool)))]


def chance(draw: DrawFn, times: int, of: int) -> bool:
    return draw(place(of)) >= of - times


@st.composite
def worlds(draw: DrawFn) -> World:
    profiles = [profile(draw, number) for number in range(1 + draw(place(3)))]
    ids = ("p0", "p0", *(item["id"] for item in profiles))
    events = [event(draw, ids) for _ in range(3 + draw(place(12)))]
    definitions: list[Definition] = []
    for number in range(2 + draw(place(6))):
        definitions.append(definition(draw, f"k{number}", [item.key for item in definitions]))
    return World(definitions, profiles, events)


def profile(draw: DrawFn, number: int) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "anonymous": chance(draw, 1, 3),
        "traits": {
            "t": one_of(draw, VALUES),
            "u": one_of(draw, SCALARS),
            "o": one_of(draw, OBJECTS_AND_OTHERS),
            "l": one_of(draw, LISTS_AND_OTHERS),
        },
    }


def event(draw: DrawFn, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "profile": one_of(draw, ids),
        "event": one_of(draw, EVENTS),
        "timestamp": AS_OF - one_of(draw, AGES),
        "message_id": one_of(draw, (None, "a", "b", "c")),
        "source_id": one_of(draw, (None, "web", "ios")),
        "properties": {
            "v": one_of(draw, VALUES),
            "w": one_of(draw, SCALARS),
            "o": one_of(draw, OBJECTS_AND_OTHERS),
            "l": one_of(draw, LISTS_AND_OTHERS),
        },
        "context": {"v": one_of(draw, SCALARS)},
    }


def definition(draw: DrawFn, key: str, others: Sequence[str]) -> Definition:
    """A definition that may use the others."""
    traits = (*TRAITS, *((other,) for other in others), *((other, "$") for other in others))
    audience = draw(st.booleans())
    return Definition(
        key=key,
        expression=condition(draw, traits) if audience else scalar(draw, traits),
        audience=audience,
        default=None if audience else one_of(draw, DEFAULTS),
        since=AS_OF - one_of(draw, EDGES) if chance(draw, 1, 4) else None,
        include_anonymous=audience and draw(st.booleans()),
    )


def condition(draw: DrawFn, traits: Sequence[tree.Path], *, of_events: bool = False, depth: int = 0) -> Any:
    """A condition of profiles, or of events inside ``where``."""
    form = draw(place(9)) if depth < 2 else 0
    if form < 5:
        return comparison(draw, traits, of_events=of_events)
    if form == 5:
        return tree.Not(condition(draw, traits, of_events=of_events, depth=depth + 1))
    inner = [condition(draw, traits, of_events=of_events, depth=depth + 1) for _ in range(2 + draw(place(2)))]
    return tree.And(tuple(inner)) if form < 8 else tree.Or(tuple(inner))


def comparison(draw: DrawFn, traits: Sequence[tree.Path], *, of_events: bool) -> tree.Comparison:
    left: Any
    if of_events:
        left = value_of_event(draw) if chance(draw, 3, 4) else tree.Trait(one_of(draw, traits))
    else:
        left = scalar(draw, traits)
    operator = one_of(draw, OPERATORS)
    if operator in RELATIVE:
        return tree.Comparison(left, operator, (one_of(draw, DURATIONS),))
    if operator in NO_ARGUMENTS:
        return tree.Comparison(left, operator)
    if operator in MANY:
        return tree.Comparison(left, operator, tuple(argument(draw, traits) for _ in range(1 + draw(place(3)))))
    if operator in OF_DATES and chance(draw, 2, 3):
        return tree.Comparison(left, operator, (tree.Text(one_of(draw, DATES)),))
    return tree.Comparison(left, operator, (argument(draw, traits),))


def argument(draw: DrawFn, traits: Sequence[tree.Path]) -> Any:
    """A literal, or a trait that has one value."""
    if chance(draw, 3, 4):
        return one_of(draw, LITERALS)
    return tree.Trait(one_of(draw, [path for path in traits if tree.EACH not in path]))


def value_of_event(draw: DrawFn) -> tree.Property | tree.Context:
    return tree.Context(("v",)) if chance(draw, 1, 8) else tree.Property(one_of(draw, PATHS))


def scalar(draw: DrawFn, traits: Sequence[tree.Path]) -> Any:
    """A trait, or a reduction of events."""
    if chance(draw, 1, 4):
        return tree.Trait(one_of(draw, traits))
    events = stream(draw, traits)
    operand = tree.Operand(value_of_event(draw))
    form = draw(place(9))
    if form < 2:
        return tree.Count(events)
    if form < 4:
        return tree.Aggregate(events, one_of(draw, tuple(tree.Function)), operand)
    if form == 4:
        extreme = one_of(draw, (tree.Function.MINIMUM, tree.Function.MAXIMUM))
        return tree.Aggregate(events, extreme, tree.Operand(operand.value, tree.Cast.STRING))
    if form == 5:
        return tree.MostFrequent(events, operand, 1 + draw(place(3)))
    return one_of(draw, (tree.First, tree.Last, tree.UniqueList, tree.UniqueCount))(events, operand)


def stream(draw: DrawFn, traits: Sequence[tree.Path]) -> tree.Stream:
    return tree.Stream(
        one_of(draw, EVENTS), tuple(event_filter(draw, traits) for _ in range(one_of(draw, (0, 0, 1, 1, 1, 2, 3))))
    )


def event_filter(draw: DrawFn, traits: Sequence[tree.Path]) -> tree.Filter:
    form = draw(place(8))
    if form < 2:
        return tree.Within(one_of(draw, DURATIONS))
    if form < 4:
        nearest, farthest = sorted((one_of(draw, DURATIONS), one_of(draw, DURATIONS)), key=hours)
        return tree.Between(nearest, farthest)
    if form == 4:
        return tree.ExpiresAfter(one_of(draw, GAPS))
    if form == 5:
        return tree.Sources(one_of(draw, (("web",), ("ios", "web"))))
    return tree.Where(condition(draw, traits, of_events=True))


def hours(duration: tree.Duration) -> int:
    return duration.amount * (24 if duration.unit is tree.Unit.DAY else 1)
