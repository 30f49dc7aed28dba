"""Where the engine and the evaluator in plain Python differed, or a rewrite of a part of the engine easily would.

One case for each: a definition, the events and traits of one profile, the value by the rules of the language,
worked out by hand, and what was, or would be, wrong. What random worlds find is added here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

import naive
from audiences.definitions.computation import Kind
from fakes import AS_OF, computation, moment, snapshots, values
from funnel_events import HOUR, TICK, Event, event

NOTHING: Final = None
"""The profile has no value, or isn't a member."""


@dataclass(frozen=True)
class Case:
    """One difference; events are by age."""

    wrong: str
    definition: str
    expected: Any
    events: tuple[Event, ...] = ()
    traits: dict[str, Any] = field(default_factory=dict)
    beyond_python: bool = False
    """Plain Python's numbers and dates don't reach as far."""


def pair(own: Any, theirs: Any) -> tuple[Event, ...]:
    """A parent, A, and an hour later what is nested in it, B."""
    return event("A", 2 * HOUR, v=theirs), event("B", HOUR, v=own)


def funnel(inner: str) -> str:
    return f"event('A').where({inner}).count()"


SPELT: Final = (event("A", 5 * HOUR, v=5), *(event("B", HOUR, v=value) for value in (5, "5", "5.0", "05", "x", None)))

CASES: Final = (
    # ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────
    Case(
        "a sum of scaled integers was divided by a literal, which multiplies with its reciprocal: 44.629999999999995",
        "event('A').sum(property('v'))",
        44.63,
        (event("A", HOUR, v=44.63),),
    ),
    Case(
        "an average was rounded twice, once as a sum: 0.10000000000000002 where it is 0.1",
        "event('A').avg(property('v'))",
        0.1,
        tuple(event("A", HOUR * age, v=0.1) for age in (1, 2, 3)),
    ),
    Case(
        "a large number and its opposite swallowed what was added in between",
        "event('A').sum(property('v'))",
        0.3,
        tuple(event("A", HOUR * age, v=number) for age, number in enumerate((1e16, 0.1, -1e16, 0.2), start=1)),
    ),
    Case(
        "a number too small for a 64-bit float is 0, but its decimal was added up with all its digits",
        "event('A').sum(property('v'))",
        1.0,
        (event("A", HOUR, v="1e-400"), event("A", HOUR, v=1)),
    ),
    Case(
        "a sum that no 64-bit float holds was infinite, which JSON can't say: it is no value",
        "event('A').sum(property('v'))",
        NOTHING,
        (event("A", HOUR, v="1.7e308"), event("A", HOUR, v="1.7e308")),
        beyond_python=True,
    ),
    Case(
        "minus zero was printed as -0",
        "event('A').mode(property('v'), 2)",
        "0",
        (event("A", HOUR, v=0), event("A", HOUR, v=-0.0)),
    ),
    # ── conditions ──────────────────────────────────────────────────────────────────────────────────────────────
    Case(
        "a condition that no value can meet is a constant, and its one row stood for all",
        "event('A').where(property('v').before_date('tomorrow')).count() = 0",
        True,
        (event("A", HOUR, v="2024-01-01"), event("A", HOUR, v=None)),
    ),
    Case(
        "the opposite of a constant was one row, too",
        "NOT trait('t').before_date('tomorrow')",
        True,
    ),
    Case(
        "a value differs from a trait that is missing: the value is there, and equals is false",
        "event('A').where(property('v') != trait('t')).count()",
        1,
        (event("A", HOUR, v="a"), event("A", HOUR, v=None)),
    ),
    Case(
        "none of a missing trait holds for every value that is there",
        "event('A').where(property('v').none_of(trait('t'), 'b')).count()",
        1,
        (event("A", HOUR, v="a"), event("A", HOUR, v="b"), event("A", HOUR)),
    ),
    Case(
        "within_last left out as-of itself: both edges belong to it, unlike those of windows",
        "trait('t').within_last(1 day)",
        True,
        traits={"t": "2024-06-15T12:00:00Z"},
    ),
    Case(
        "within_last left out the instant exactly its duration ago",
        "trait('t').within_last(1 day)",
        True,
        traits={"t": "2024-06-14T12:00:00Z"},
    ),
    Case(
        "a duration longer than time itself didn't fit 64 bits",
        "trait('t').within_last(99999999999 days)",
        True,
        traits={"t": "2024-06-14"},
        beyond_python=True,
    ),
    Case(
        "a list on both sides was compared with itself element by element, each only with its own place",
        "trait('l.$') > trait('l.$')",
        True,
        traits={"l": [1, 2]},
    ),
    Case(
        "elements were asked one by one for omits, which is about all of them",
        "trait('l.$').omits('a')",
        NOTHING,
        traits={"l": ["b", "a"]},
    ),
    # ── windows ─────────────────────────────────────────────────────────────────────────────────────────────────
    Case(
        "an event at the beginning of a window is in it, and one at its end isn't",
        "event('A').between(1 hour, 2 hours).count()",
        2,
        tuple(event("A", age) for age in (HOUR, HOUR + TICK, 2 * HOUR, 2 * HOUR + TICK)),
    ),
    Case(
        "a gap exactly as long as the session's began a new one",
        "event('A').expires_after(1 hour).count()",
        2,
        (event("A", 5 * HOUR), event("A", 3 * HOUR), event("A", 2 * HOUR)),
    ),
    # ── funnels ─────────────────────────────────────────────────────────────────────────────────────────────────
    Case(
        "an event at the same time as its parent was nested in it",
        funnel("event('B').count() = 0"),
        1,
        (event("A", HOUR), event("B", HOUR)),
    ),
    Case(
        "an event exactly at the end of the parent's window was left out",
        funnel("event('B').within(parent: 1 hour).count() = 1"),
        1,
        (event("A", 2 * HOUR), event("B", HOUR), event("B", HOUR - TICK)),
    ),
    Case(
        "a third level was measured from the first: what counts is the immediate parent",
        funnel("event('B').where(event('C').within(parent: 1 hour).count() = 1).count() = 1"),
        1,
        (event("A", 9 * HOUR), event("B", 2 * HOUR), event("C", HOUR)),
    ),
    Case(
        "a number met only one of its spellings",
        funnel("event('B').where(property('v') = property(parent: 'v')).count() = 4"),
        1,
        SPELT,
    ),
    Case(
        "what differs from the parent's number included what is missing",
        funnel("event('B').where(property('v') != property(parent: 'v')).count() = 1"),
        1,
        SPELT,
    ),
    Case(
        "NOT of an equality left out what is missing",
        funnel("event('B').where(NOT property('v') = property(parent: 'v')).count() = 2"),
        1,
        SPELT,
    ),
    Case(
        "conditions that contradict each other have no terms, and no terms had no value instead of 0",
        funnel(
            "event('B').where(property('v') = property(parent: 'v') AND NOT property('v') = property(parent: 'v'))"
            ".count() = 0"
        ),
        1,
        pair("a", "a"),
    ),
    Case(
        "two events that name each other in the parent's array counted twice, once for each element",
        funnel("event('B').where(property('v') = property(parent: 'v.$')).count() = 1"),
        1,
        pair("a", ["a", "a"]),
    ),
    Case(
        "arrays on both sides met as their JSON texts",
        funnel("event('B').where(property('v.$') = property(parent: 'v.$')).count() = 1"),
        1,
        pair(["x", "b"], ["b", "y"]),
    ),
    Case(
        "dates were compared with a parent's number as if one were the other",
        funnel("event('B').where(property('v') > property(parent: 'v')).count() = 0"),
        1,
        pair("2024-06-15", 5),
    ),
    Case(
        "the greatest value below the parent's was that of another group of values",
        funnel("event('B').where(property('v') < property(parent: 'v')).max(property('v')) = 4"),
        1,
        (event("A", 9 * HOUR, v=5), *(event("B", age * HOUR, v=age) for age in (1, 2, 3, 4, 5, 6, 7))),
    ),
    Case(
        "the first value of a struct couldn't be put at its parent's place where values are compared as texts",
        funnel("event('B').where(property('v').omits(property(parent: 'v'))).first(property('v')) = 'b'"),
        1,
        (event("A", 9 * HOUR, v="a"), event("B", 3 * HOUR, v="ab"), event("B", 2 * HOUR, v="b")),
    ),
)


def label(case: Case) -> str:
    return case.wrong[:60]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_difference_stays_fixed(case: Case) -> None:
    assert values(case.definition, case.events, [profile(case)]).get("p") == case.expected


@pytest.mark.parametrize("case", [case for case in CASES if not case.beyond_python], ids=label)
def test_plain_python_agrees(case: Case) -> None:
    item = computation("it", case.definition)
    definition = naive.Definition("it", item.expression, audience=item.kind is Kind.AUDIENCE)
    events = [one | {"timestamp": moment(one)} for one in case.events]
    assert naive.evaluate([definition], [profile(case)], events, AS_OF)["it"].get("p") == case.expected


def test_a_computed_list_is_one_array_for_those_that_use_it() -> None:
    """It was still a column of lists there: a path into it failed, and comparisons asked each of its elements."""
    items = [
        computation("list", "trait('tags.$')"),
        computation("inside", "trait('list.$')"),
        computation("whole", "trait('list').contains('\"b\"')"),
    ]
    people = [{"id": "p", "traits": {"tags": ["a", "b"]}}, {"id": "q", "traits": {"tags": None}}]
    array = '["a","b"]'
    assert snapshots(items, (), people) == {"list": {"p": array}, "inside": {"p": array}, "whole": {"p": "true"}}


def profile(case: Case) -> dict[str, Any]:
    return {"id": "p", "traits": case.traits}
