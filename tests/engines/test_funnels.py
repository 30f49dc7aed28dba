"""Funnels: windows after the parent, which parents count, and what is asked of nested events."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audiences.language.parse import parse
from audiences.language.requirements import requirements
from fakes import AS_OF, computation, members, snapshots, values
from funnel_events import DAY, HOUR, ONE, TICK, event, found, people

WINDOWS = [
    ("", {TICK, HOUR - TICK, HOUR, HOUR + TICK, 2 * HOUR, 2 * HOUR + TICK}),
    (".within(parent: 1 hour)", {TICK, HOUR - TICK, HOUR}),
    (".within(parent: 2 hours)", {TICK, HOUR - TICK, HOUR, HOUR + TICK, 2 * HOUR}),
    (".between(parent: 1 hour, 2 hours)", {HOUR, HOUR + TICK, 2 * HOUR}),
    (".between(parent: 2 hours, 1 hour)", {HOUR, HOUR + TICK, 2 * HOUR}),
    (".between(parent: 0 hours, 1 hour)", {TICK, HOUR - TICK, HOUR}),
    (".within(parent: 2 hours).within(95 hours)", {HOUR, HOUR + TICK, 2 * HOUR}),
    (".between(94 hours, 95 hours)", {HOUR, HOUR + TICK}),
    (".within(parent: 1 hour).between(94 hours, 95 hours)", {HOUR}),
    (".within(parent: 365000 days)", {TICK, HOUR - TICK, HOUR, HOUR + TICK, 2 * HOUR, 2 * HOUR + TICK}),
    (".between(parent: 365000 days, 1 hour)", {HOUR, HOUR + TICK, 2 * HOUR, 2 * HOUR + TICK}),
]
OFFSETS = [-HOUR, -TICK, 0 * TICK, TICK, HOUR - TICK, HOUR, HOUR + TICK, 2 * HOUR, 2 * HOUR + TICK]


@pytest.mark.parametrize(("window", "expected"), WINDOWS, ids=[window or "none" for window, _ in WINDOWS])
def test_windows_after_the_parent_are_exact_and_begin_after_it(window: str, expected: set[timedelta]) -> None:
    ids = {f"{offset / TICK:.0f}": offset for offset in OFFSETS}
    events = [event("A", 96 * HOUR, id) for id in ids]
    events += [event("B", 96 * HOUR - offset, id) for id, offset in ids.items()]
    member = members(f"event('A').where(event('B'){window}.count() >= 1).count() >= 1", events, people(events))
    assert {ids[id] for id in member} == expected


def test_nested_events_are_seen_until_as_of() -> None:
    events = [event("A", HOUR, id) for id in ("before", "at", "after")]
    events += [event("B", TICK, "before"), event("B", 0 * TICK, "at"), event("B", -TICK, "after")]
    assert members("event('A').where(event('B').count() = 1).count() = 1", events, people(events)) == ["before"]


def test_a_parent_outside_its_window_has_nothing_nested() -> None:
    events = [event("A", 8 * DAY), event("A", 6 * DAY), event("B", 7 * DAY), event("B", 5 * DAY)]
    assert found("event('A').where(event('B').count() >= 1).within(7 days).count()", events) == 1
    assert found("event('A').where(event('B').count() = 2).within(7 days).count()", events) is None
    assert found("event('A').where(event('B').count() = 2).count()", events) == 1


def test_before_1970_is_a_time_like_any_other() -> None:
    age = timedelta(days=365 * 60)
    events = [event("A", age), event("B", age - HOUR), event("A", age - 2 * HOUR)]
    assert found("event('A').where(event('B').within(parent: 1 hour).count() = 1).count()", events) == 1


# ── which parents ───────────────────────────────────────────────────────────────────────────────────────────

ABANDONED = "event('Product Added').where(event('Order Completed').count() = 0).count() >= 1"


def test_every_instance_of_the_parent_is_looked_at() -> None:
    added, ordered = "Product Added", "Order Completed"
    events = [
        event(added, 3 * HOUR, "bought"),
        event(ordered, 2 * HOUR, "bought"),
        event(added, 3 * HOUR, "bought, then added again"),
        event(ordered, 2 * HOUR, "bought, then added again"),
        event(added, HOUR, "bought, then added again"),
        event(added, HOUR, "only added"),
        event(ordered, HOUR, "only bought"),
        event(added, HOUR, "at once"),
        event(ordered, HOUR, "at once"),
    ]
    assert members(ABANDONED, events, people(events)) == ["at once", "bought, then added again", "only added"]


def test_did_not_within_a_day_is_literal_and_an_aged_parent_waits() -> None:
    ages = {"new": HOUR, "day": DAY, "day and a tick": DAY + TICK, "week": 8 * DAY, "older": 8 * DAY + TICK}
    events = [event("A", age, id) for id, age in ages.items()]
    events += [event("A", 3 * DAY, "in time"), event("B", 2 * DAY, "in time")]
    events += [event("A", 3 * DAY, "too late"), event("B", 2 * DAY - TICK, "too late")]
    funnel = "event('A').where(event('B').within(parent: 1 day).count() = 0)"
    literal = members(f"{funnel}.count() >= 1", events, people(events))
    assert literal == sorted({*ages, "too late"})
    aged = members(f"{funnel}.between(1 day, 8 days).count() >= 1", events, people(events))
    assert aged == sorted({"day and a tick", "too late", "week"})


def test_the_same_name_nested_is_another_event() -> None:
    events = [
        event("Product Added", 3 * HOUR, "twice"),
        event("Product Added", 2 * HOUR, "twice"),
        event("Product Added", 3 * HOUR, "at once"),
        event("Product Added", 3 * HOUR, "at once"),
        event("Product Added", 3 * HOUR, "once"),
    ]
    definition = "event('Product Added').where(event('Product Added').count() >= 1).count() >= 1"
    assert members(definition, events, people(events)) == ["twice"]


def test_three_levels_each_after_its_immediate_parent() -> None:
    sequences = {
        "yes": [("A", 9), ("B", 8), ("A", 7)],
        "no order": [("A", 9), ("A", 8)],
        "last at the order": [("A", 9), ("B", 8), ("A", 8)],
        "last before the order": [("A", 9), ("A", 8), ("B", 7)],
        "order before": [("B", 9), ("A", 8), ("A", 7)],
    }
    events = [event(name, age * HOUR, id) for id, steps in sequences.items() for name, age in steps]
    funnel = "event('A').where(event('B').where(event('A').count() >= 1).count() >= 1).count() >= 1"
    assert members(funnel, events, people(events)) == ["yes"]


def test_windows_of_the_third_level_are_after_the_second() -> None:
    events = [event("A", 9 * HOUR), event("B", 8 * HOUR), event("B", 5 * HOUR), event("C", 4 * HOUR)]
    inner = "event('C').within(parent: 1 hour).count() >= 1"
    for hours, expected in ((3, None), (4, 1)):
        definition = f"event('A').where(event('B').within(parent: {hours} hours).where({inner}).count() = 1).count()"
        assert found(definition, events) == expected


def test_four_levels() -> None:
    events = [event(name, age * HOUR) for name, age in zip("ABCDABC", range(9, 0, -1), strict=False)]
    funnel = (
        "event('A').where(event('B').where(event('C').where(event('D').count() = {0}).count() >= 1)"
        ".count() >= 1).count()"
    )
    assert found(funnel.format(1), events) == 1
    assert found(funnel.format(0), events) == 2


def test_owners_are_not_mixed_up_in_whatever_order_they_come() -> None:
    events = [event("A", 2 * HOUR, id) for id in ("z", "a", "m")] + [event("B", HOUR, "m")]
    definition = "event('A').where(event('B').count() >= 1).count() >= 1"
    for parts in (1, 2, 3):
        result = snapshots([computation("it", definition)], events, people(events)[::-1], parts=parts)
        assert list(result["it"]) == ["m"]


def test_funnels_narrow_what_any_reducer_sees() -> None:
    events = [event("A", 9 * HOUR, v=1), event("B", 8 * HOUR), event("A", 7 * HOUR, v=10), event("A", 6 * HOUR, v=5)]
    funnel = "event('A').where(event('B').count() = {0})"
    assert found(f"{funnel.format(0)}.sum(property('v'))", events) == 15.0
    assert found(f"{funnel.format(0)}.first(property('v'))", events) == 10
    assert found(f"{funnel.format(1)}.max(property('v'))", events) == 1.0


# ── conditions of the nested event ──────────────────────────────────────────────────────────────────────────


def test_properties_contexts_traits_and_sources_of_nested_events() -> None:
    nested = [
        {**event("B", HOUR, v=5), "context": {"page": "home"}, "source_id": "web"},
        {**event("B", HOUR, v=7), "context": {"page": "cart"}, "source_id": "ios"},
        {**event("B", HOUR), "source_id": None},
    ]
    events = [event("A", 2 * HOUR), *nested]
    profiles = [{"id": "p", "traits": {"least": "6", "name": "ann"}}]

    def nested_count(chain: str) -> int:
        funnel = f"event('A').where(event('B'){chain}.count()"
        return next(n for n in range(9) if values(f"{funnel} = {n}).count()", events, profiles))

    assert nested_count("") == 3
    assert nested_count(".where(property('v') >= 6)") == 1
    assert nested_count(".where(property('v').absent())") == 1
    assert nested_count(".where(context('page') = 'home')") == 1
    assert nested_count(".where(property('v') > trait('least'))") == 1
    assert nested_count(".where(trait('name') = 'ann')") == 3
    assert nested_count(".where(trait('name') = 'bob')") == 0
    assert nested_count(".sources({exclude: 'web'})") == 2
    assert nested_count(".sources({exclude: 'web'}).where(context('page') = 'home' OR property('v') = 7)") == 1


def test_other_computations_in_nested_conditions() -> None:
    events = [event("A", 2 * HOUR, id) for id in ("p", "q")] + [event("B", HOUR, id) for id in ("p", "q")]
    result = snapshots(
        [
            computation("some", "event('C').count() >= 1"),
            computation("it", "event('A').where(event('B').where(trait('some') = true).count() = 1).count() = 1"),
        ],
        [*events, event("C", DAY, "q")],
        [{"id": "p"}, {"id": "q"}],
    )
    assert list(result["it"]) == ["q"]


def test_events_since_counts_for_nested_events_as_well() -> None:
    events = [
        event("B", 10 * HOUR),
        event("A", 9 * HOUR),
        event("B", 8 * HOUR),
        event("A", 7 * HOUR),
        event("B", 6 * HOUR),
    ]
    definition = "event('A').where(event('B').count() = {}).count()"
    assert found(definition.format(2), events) == 1
    since = AS_OF - 7 * HOUR
    assert found(definition.format(2), events, events_since=since) is None
    assert found(definition.format(1), events, events_since=since) == 1
    assert found(definition.format(0), events, events_since=since + TICK) is None
    # An event before it doesn't count as a nested one of an event of another name that does, either.
    inner = "event('A').where(event('B').where(event('C').count() = {}).count() = 1).count()"
    late = [event("A", 9 * HOUR), event("B", 8 * HOUR), event("C", 7 * HOUR), event("C", 6 * HOUR)]
    assert found(inner.format(2), late, events_since=AS_OF - 9 * HOUR) == 1
    assert found(inner.format(2), late, events_since=AS_OF - 9 * HOUR + TICK) is None


def test_the_same_funnel_since_different_times() -> None:
    events = [event("A", 9 * HOUR), event("B", 8 * HOUR), event("A", 7 * HOUR), event("B", 6 * HOUR)]
    definition = "event('A').where(event('B').count() >= 1).count()"
    late = "event('A').where(event('B').between(6 hours, 9 hours).count() >= 1).count()"
    ages = {"all": None, "nine": AS_OF - 9 * HOUR, "eight": AS_OF - 8 * HOUR, "five": AS_OF - 5 * HOUR}
    result = snapshots(
        [computation(key, definition, events_since=since) for key, since in ages.items()]
        + [computation(f"late {key}", late, events_since=since) for key, since in ages.items()],
        events,
        ONE,
    )
    assert {key: found.get("p") for key, found in result.items()} == {
        "all": "2",
        "nine": "2",
        "eight": "1",
        "five": None,
        "late all": "1",
        "late nine": "1",
        "late eight": None,
        "late five": None,
    }


def test_requirements_of_nested_events_and_their_parents() -> None:
    needed = requirements(
        parse(
            "event('A').where(event('B').where(property('x') = property(parent: 'y') AND trait('t') = 1 AND"
            " event('C').sources({exclude: 's'}).last(context('c')) = 1).sum(property('z')) = 1).count()"
        )
    )
    assert needed.events == {"A", "B", "C"}
    assert needed.properties == {("x",), ("y",), ("z",)}
    assert needed.contexts == {("c",)}
    assert needed.traits == {("t",)}
    assert needed.source_ids
