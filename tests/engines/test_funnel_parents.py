"""Funnels: nested events compared with their parent, kind by kind."""

from __future__ import annotations

from typing import Any

import pytest

from fakes import members
from funnel_events import HOUR, TICK, event, found, people

EQUAL: list[tuple[Any, Any, bool]] = [
    (5, 5, True),
    (5.0, 5, True),
    ("5", 5, True),
    (5, "5", True),
    (5, "5.0", True),
    ("05", 5, True),
    ("5", "5", True),
    ("5", "5.0", False),
    ("5", 6, False),
    (5, "x", False),
    ("x", 5, False),
    ("x", "x", True),
    ("x", "X", False),
    ("", "", True),
    ("", "x", False),
    (True, "true", True),
    (True, True, True),
    (True, 1, False),
    ({"x": 1}, '{"x":1}', True),
    ([1, 2], [1, 2], True),
    ([5], 5, False),
    ("2024-06-15", "2024-06-15T00:00:00Z", False),
    (None, None, False),
    (None, "", False),
    ("", None, False),
]


@pytest.mark.parametrize(("own", "theirs", "equal"), EQUAL, ids=[f"{own!r}={theirs!r}" for own, theirs, _ in EQUAL])
def test_equality_with_the_parent(own: Any, theirs: Any, equal: bool) -> None:
    there = own is not None
    events = [event("A", 2 * HOUR, y=theirs), event("B", HOUR, x=own), event("B", 3 * HOUR, x=theirs)]
    expected = {
        "property('x') = property(parent: 'y')": equal,
        "property('x') != property(parent: 'y')": there and not equal,
        "property('x').one_of(property(parent: 'y'), 'nothing')": equal,
        "property('x').none_of(property(parent: 'y'), 'nothing')": there and not equal,
        "NOT property('x') = property(parent: 'y')": not equal,
        "property('x') = property(parent: 'y') OR property('x').absent()": equal or not there,
        "property('x') = property(parent: 'y') AND property('x').exists()": equal,
    }
    for condition, holds in expected.items():
        assert found(f"event('A').where(event('B').where({condition}).count() = 1).count()", events) == (
            1 if holds else None
        ), condition
        assert found(
            f"event('A').where(event('B').where({condition}).first(property('x')).exists()).count()", events
        ) == (1 if holds and there else None), condition


ORDERED: list[tuple[Any, Any, str]] = [
    (5, 6, "<"),
    (6, 5, ">"),
    (5, 5.0, "="),
    ("5", 6, "<"),
    ("10", "9", ">"),
    (10, "9", ">"),
    ("2024-06-15", "2024-06-14T23:59:59.999999Z", ">"),
    ("2024-06-15T02:00:00+02:00", "2024-06-15", "="),
    ("2024-06-14 23:00", "2024-06-15", "<"),
    ("2024-06-15", 5, ""),
    (5, "2024-06-15", ""),
    ("a", "b", ""),
    (True, False, ""),
    (None, 5, ""),
    (5, None, ""),
    ([1], [2], ""),
]


@pytest.mark.parametrize(("own", "theirs", "order"), ORDERED, ids=[f"{own!r} {theirs!r}" for own, theirs, _ in ORDERED])
def test_order_with_the_parent(own: Any, theirs: Any, order: str) -> None:
    events = [event("A", 2 * HOUR, y=theirs), event("B", HOUR, x=own), event("B", 3 * HOUR, x=own)]
    dated = isinstance(own, str) and "-" in own
    expected = {
        "property('x') < property(parent: 'y')": order == "<",
        "property('x') <= property(parent: 'y')": order in ("<", "=") and order != "",
        "property('x') > property(parent: 'y')": order == ">",
        "property('x') >= property(parent: 'y')": order in (">", "=") and order != "",
        "property('x').before_date(property(parent: 'y'))": dated and order == "<",
        "property('x').after_date(property(parent: 'y'))": dated and order == ">",
        "NOT property('x') < property(parent: 'y')": order != "<",
    }
    for condition, holds in expected.items():
        for reducer in ("count() = 1", "unique(property('z')).count() = 0"):
            definition = f"event('A').where(event('B').where({condition}).{reducer}).count()"
            assert found(definition, events) == (1 if holds or "unique" in reducer else None), definition
        definition = f"event('A').where(event('B').where({condition}).last(property('x')).exists()).count()"
        assert found(definition, events) == (1 if holds and own is not None else None), definition


def test_orders_count_among_many() -> None:
    numbers = [3, 1, 4, 1, 5, 9, 2, 6, "5", "x", None, "2024-06-15"]
    events = [event("B", (40 - place) * HOUR, v=number) for place, number in enumerate(numbers)]
    events += [event("A", (40 - place) * HOUR + TICK, v=number, n=place) for place, number in enumerate(numbers)]
    for place, number in enumerate(numbers):
        ahead = [other for other in numbers[place:] if isinstance(other, int) or other == "5"]
        more = sum(float(other) > float(number) for other in ahead) if number in ahead else 0
        definition = (
            f"event('A').where(property('n') = {place} AND event('B')"
            f".where(property('v') > property(parent: 'v')).count() = {more}).count()"
        )
        assert found(definition, events) == 1, (place, number, more)


def test_text_comparisons_with_the_parent() -> None:
    events = [event("A", 2 * HOUR, y="shoe", n=5), event("B", HOUR, x="red shoes")]
    expected = {
        "property('x').contains(property(parent: 'y'))": True,
        "property('x').contains('hat', property(parent: 'y'))": True,
        "property('x').contains(property(parent: 'n'))": False,
        "property('x').omits(property(parent: 'y'))": False,
        "property('x').omits(property(parent: 'z'))": True,
        "property('x').starts_with(property(parent: 'y'))": False,
        "property('x').ends_with(property(parent: 'y'))": False,
        "property(parent: 'y').contains('sho')": True,
        "property(parent: 'y') = 'hat'": False,
        "property(parent: 'y') = 'hat' OR property('x').contains(property(parent: 'y'))": True,
    }
    for condition, holds in expected.items():
        definition = f"event('A').where(event('B').where({condition}).count() = 1).count()"
        assert found(definition, events) == (1 if holds else None), condition


def test_the_parent_is_the_immediate_one() -> None:
    events = [
        event("A", 9 * HOUR, id="a"),
        event("B", 8 * HOUR, id="b"),
        event("C", 7 * HOUR, of="b"),
        event("C", 6 * HOUR, of="a"),
    ]
    inner = "event('C').where(property('of') = property(parent: 'id')).count() = 1"
    of_b = "event('C').where(property('of') = property(parent: 'id')).first(property('of')) = 'b'"
    for condition in (inner, of_b):
        assert found(f"event('A').where(event('B').where({condition}).count() = 1).count()", events) == 1
    assert found(f"event('A').where({inner}).count()", events) == 1
    assert found(f"event('A').where({of_b}).count()", events) is None


def test_abandoned_carts_by_cart() -> None:
    steps: dict[str, list[tuple[str, int, str | None]]] = {
        "both bought": [("A", 9, "x"), ("A", 8, "y"), ("O", 7, "x"), ("O", 6, "y")],
        "one left": [("A", 9, "x"), ("A", 8, "y"), ("O", 7, "x")],
        "bought before": [("O", 9, "x"), ("A", 8, "x")],
        "without a cart": [("A", 9, None), ("O", 8, None)],
        "of another": [("A", 9, "x")],
        "the other": [("O", 8, "x")],
    }
    events = [event(name, age * HOUR, id, cart=cart) for id, rows in steps.items() for name, age, cart in rows]
    definition = (
        "event('A').where(event('O').where(property('cart') = property(parent: 'cart')).count() = 0).count() >= 1"
    )
    assert members(definition, events, people(events)) == ["bought before", "of another", "one left", "without a cart"]


def test_two_values_must_be_equal() -> None:
    events = [
        event("A", 9 * HOUR, x=1, y="a"),
        event("B", 8 * HOUR, x=1, y="b"),
        event("B", 7 * HOUR, x="1", y="a"),
        event("B", 6 * HOUR, x=2, y="a"),
    ]
    both = "property('x') = property(parent: 'x') AND property('y') = property(parent: 'y')"
    either = "property('x') = property(parent: 'x') OR property('y') = property(parent: 'y')"
    crossed = "property('x') = property(parent: 'x') AND property('y') != property(parent: 'y')"
    for condition, number in ((both, 1), (either, 3), (crossed, 1), (f"NOT ({either})", 0), (f"NOT ({both})", 2)):
        definition = f"event('A').where(event('B').where({condition}).count() = {number}).count()"
        assert found(definition, events) == 1, condition


def test_arrays_on_either_side() -> None:
    events = [
        event("Order", 9 * HOUR, products=[{"id": 1}, {"id": "2"}, {"id": "2"}, {"id": 2}]),
        event("Returned", 8 * HOUR, id=2, ids=["9", "2", 2]),
        event("Returned", 7 * HOUR, id="1", ids=[]),
        event("Returned", 6 * HOUR, id=3, ids=[3]),
    ]
    listed = "property('id') = property(parent: 'products.$.id')"
    counts = {
        listed: 2,
        f"NOT {listed}": 1,
        f"{listed} AND property('id') = 2": 1,
        "property('ids.$') = property(parent: 'products.$.id')": 1,
        "property('ids.$') = property(parent: 'none')": 0,
        "property('id') != property(parent: 'products.$.id')": 3,
        "property(parent: 'products.$.id') = 1": 3,
        "property('id') > property(parent: 'products.$.id')": 2,
    }
    for condition, number in counts.items():
        definition = f"event('Order').where(event('Returned').where({condition}).count() = {number}).count()"
        assert found(definition, events) == 1, condition
    of_orders = [event("Order", 9 * HOUR, id=2), event("Order", 8 * HOUR, id=4), *events[1:]]
    within = "event('Order').where(event('Returned').where(property('ids.$') = property(parent: 'id')).count() = {})"
    assert found(f"{within.format(1)}.count()", of_orders) == 1
    assert found(f"{within.format(0)}.count()", of_orders) == 1
