"""Funnels: what every reducer makes of the events nested in each parent."""

from __future__ import annotations

from typing import Any

import pytest

from fakes import values
from funnel_events import HOUR, TICK, event, found

REDUCED = [event("A", 9 * HOUR), event("A", HOUR)]
REDUCED += [
    event("B", age * HOUR, v=value, l=several)
    for age, value, several in (
        (8, "b", ["x", "y"]),
        (7, 10, []),
        (6, None, ["y", None]),
        (5, "9", "z"),
        (4, 0.1, ["y", "x"]),
        (3, "b", None),
        (2, 0.2, ["z"]),
    )
]
REDUCERS = [
    ("count()", "= 7", "= 0"),
    ("sum(property('v'))", "= 19.3", ".absent()"),
    ("avg(property('v'))", "= 4.825", ".absent()"),
    ("min(property('v'))", "= 0.1", ".absent()"),
    ("max(property('v'))", "= 10", ".absent()"),
    ("min(property('v') as string)", "= '0.1'", ".absent()"),
    ("max(property('v') as string)", "= 'b'", ".absent()"),
    ("mode(property('v'), 2)", "= 'b'", ".absent()"),
    ("mode(property('v'), 3)", ".absent()", ".absent()"),
    ("mode(property('l.$'), 1)", "= 'y'", ".absent()"),
    ("mode(property('w'), 1)", ".absent()", ".absent()"),
    ("first(property('v'))", "= 'b'", ".absent()"),
    ("last(property('v'))", "= 0.2", ".absent()"),
    ("first(property('l.$'))", "= 'x'", ".absent()"),
    ("last(property('l.$'))", "= 'z'", ".absent()"),
    ("unique(property('v')).count()", "= 5", "= 0"),
    ("unique(property('l.$')).count()", "= 3", "= 0"),
    ("unique(property('w')).count()", "= 0", "= 0"),
    ("sum(property('w'))", ".absent()", ".absent()"),
    ("min(property('l.$') as string)", "= 'x'", ".absent()"),
]


@pytest.mark.parametrize(("reducer", "first", "second"), REDUCERS, ids=[reducer for reducer, _, _ in REDUCERS])
def test_all_reducers(reducer: str, first: str, second: str) -> None:
    """The first A is before all Bs, the second after."""
    for comparison, window in ((first, "between(8 hours, 10 hours)"), (second, "within(8 hours)")):
        dot = "" if comparison.startswith(".") else " "
        definition = f"event('A').where(event('B').{reducer}{dot}{comparison}).{window}.count()"
        assert found(definition, REDUCED) == 1, definition


RUNNING = [(9, "A", 0), (8, "B", 3), (7, "A", 0), (6, "B", 1), (5, "B", 2), (4, "A", 0), (3, "B", 2), (2, "A", 0)]
OF_EACH_A = [
    ("count()", [4, 3, 1, 0]),
    ("sum(property('v'))", [8, 5, 2, None]),
    ("avg(property('v'))", [2, 5 / 3, 2, None]),
    ("min(property('v'))", [1, 1, 2, None]),
    ("max(property('v'))", [3, 2, 2, None]),
    ("max(property('v') as string)", ["3", "2", "2", None]),
    ("first(property('v'))", [3, 1, 2, None]),
    ("last(property('v'))", [2, 2, 2, None]),
    ("mode(property('v'), 1)", ["2", "2", "2", None]),
    ("mode(property('v'))", ["2", "2", None, None]),
    ("unique(property('v')).count()", [3, 2, 1, 0]),
    ("within(parent: 2 hours).count()", [1, 2, 1, 0]),
    ("within(parent: 2 hours).sum(property('v'))", [3, 3, 2, None]),
    ("between(parent: 2 hours, 4 hours).max(property('v'))", [2, 2, None, None]),
    ("between(parent: 2 hours, 4 hours).mode(property('v'), 1)", ["1", "2", None, None]),
]


@pytest.mark.parametrize(("reducer", "expected"), OF_EACH_A, ids=[reducer for reducer, _ in OF_EACH_A])
def test_each_parent_has_a_value_of_its_own(reducer: str, expected: list[Any]) -> None:
    events = [event(name, age * HOUR, v=value, n=age) for age, name, value in RUNNING]
    hours = [age for age, name, _ in RUNNING if name == "A"]
    for hour, value in zip(hours, expected, strict=True):
        literal = repr(value)
        comparison = ".absent()" if value is None else f" = {literal}"
        definition = f"event('A').where(property('n') = {hour} AND event('B').{reducer}{comparison}).count()"
        assert found(definition, events) == 1, definition


def test_first_and_last_keep_the_order_of_message_ids_at_equal_times() -> None:
    events = [event("A", 2 * HOUR)]
    events += [{**event("B", HOUR, v=id), "message_id": id} for id in ("m2", "m1", "m3")]
    assert found("event('A').where(event('B').first(property('v')) = 'm1').count()", events) == 1
    assert found("event('A').where(event('B').last(property('v')) = 'm3').count()", events) == 1


def test_values_keep_their_kind() -> None:
    events = [event("A", 2 * HOUR), event("B", HOUR, v="5.0", t=True)]
    assert found("event('A').where(event('B').first(property('v')) = '5').count()", events) is None
    assert found("event('A').where(event('B').first(property('v')) = 5).count()", events) == 1
    assert found("event('A').where(event('B').last(property('t')) = true).count()", events) == 1
    assert found("event('A').where(event('B').mode(property('v'), 1) = '5').count()", events) is None


SUMS = [
    ([0.1, 0.2], "0.3"),
    (["0.10000000000000000000000001", "0.2"], "0.3"),
    ([0.30000000000000004, -0.1], "0.20000000000000004"),
    ([1e300, 1, -1e300], "1"),
    ([9007199254740993, "0.5", -9007199254740992], "1.5"),
    ([5e-324, 5e-324], "1e-323"),
    (["1e-999999999", 2], "2"),
]


@pytest.mark.parametrize(("numbers", "expected"), SUMS, ids=[expected for _, expected in SUMS])
def test_sums_are_exact_whatever_is_in_front(numbers: list[Any], expected: str) -> None:
    events = [event("B", 9 * HOUR, v=0.30000000000000004), event("A", 8 * HOUR)]
    events += [event("B", 7 * HOUR - number * TICK, v=value) for number, value in enumerate(numbers)]
    events.append(event("A", HOUR))
    definition = f"event('A').where(event('B').sum(property('v')) = {expected}).count()"
    assert found(definition, events) == 1


def test_a_sum_beyond_all_floats_is_missing() -> None:
    events = [event("A", 3 * HOUR), event("B", 2 * HOUR, v=1.7e308), event("B", HOUR, v=1.7e308)]
    assert found("event('A').where(event('B').sum(property('v')).absent()).count()", events) == 1
    assert found("event('A').where(event('B').avg(property('v')) = 1.7e308).count()", events) == 1


def test_what_a_reduction_is_compared_with() -> None:
    events = [event("A", 9 * HOUR, n=2), event("B", 8 * HOUR, n=1), event("C", 7 * HOUR), event("B", 6 * HOUR, n=0)]
    profiles = [{"id": "p", "traits": {"two": "2", "one": 1}}]

    def value(condition: str) -> Any:
        return values(f"event('A').where({condition}).count()", events, profiles).get("p")

    assert value("event('B').count() = trait('two')") == 1
    assert value("event('B').count() > trait('one')") == 1
    assert value("event('B').count() = trait('none')") is None
    assert value("event('B').count() != trait('none')") == 1
    assert value("event('B').count().one_of(1, 2)") == 1
    # The property of the parent is that of the row in whose where it stands: of A, for each B.
    assert value("event('B').where(event('C').count() < property(parent: 'n')).count() = 2") == 1
    assert value("event('B').where(event('C').count() = property(parent: 'n')).count() >= 1") is None
    assert value("event('B').where(event('C').count() = property('n')).count() >= 1") == 1
    assert value("event('B').where(property(parent: 'n') = 2).count() = 2") == 1
