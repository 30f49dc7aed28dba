"""Which events the passing of time makes count, or stop counting."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.definitions.computation import Computation, Level
from audiences.edges import Dates, Interval, crossing, crossing_dates
from fakes import computation

HOUR = 3_600_000_000
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2010, 12, 10, 8, tzinfo=UTC)
NOW_IN_MICROSECONDS = 1_291_968_000_000_000  # date -d 2010-12-10T08:00:00Z +%s


def crossed(*definitions: str, hours: int = 1) -> list[tuple[str, int, int]]:
    """The intervals between NOW less some hours and NOW, in hours before NOW."""
    items = [computation(f"key_{number}", text) for number, text in enumerate(definitions)]
    found = crossing(items, NOW - timedelta(hours=hours), NOW)
    return [
        (item.event, (item.start - NOW_IN_MICROSECONDS) // HOUR, (item.end - NOW_IN_MICROSECONDS) // HOUR)
        for item in found
    ]


def test_what_is_new_comes_into_every_window() -> None:
    assert crossed("event('A').count()") == [("A", -1, 0)]


def test_a_lookback_window_loses_its_oldest_hour() -> None:
    assert crossed("event('A').within(7 days).count()") == [("A", -169, -168), ("A", -1, 0)]


def test_a_window_of_two_ages_has_an_edge_at_each() -> None:
    assert crossed("event('A').between(1 day, 2 days).count()") == [("A", -49, -48), ("A", -25, -24)]


def test_windows_of_several_definitions_share_an_edge() -> None:
    definitions = ("event('A').within(2 hours).count()", "event('A').within(1 hour).count() > 1", "event('B').count()")
    assert crossed(*definitions) == [("A", -3, 0), ("B", -1, 0)]


def test_nested_events_have_edges_of_their_own() -> None:
    text = "event('A').where(event('B').within(parent: 5 days).within(3 days).count() = 0).within(10 days).count() >= 1"
    assert crossed(text) == [("A", -241, -240), ("A", -1, 0), ("B", -73, -72), ("B", -1, 0)]


def test_events_before_events_since_cross_for_nothing() -> None:
    item = computation("key", "event('A').within(2 days).count()", events_since=NOW - timedelta(hours=48, minutes=30))
    half = NOW_IN_MICROSECONDS - 48 * HOUR - HOUR // 2
    assert crossing([item], NOW - timedelta(hours=1), NOW) == (
        Interval("A", half, NOW_IN_MICROSECONDS - 48 * HOUR),
        Interval("A", NOW_IN_MICROSECONDS - HOUR, NOW_IN_MICROSECONDS),
    )


def test_the_same_instant_again_changes_nothing() -> None:
    assert crossed("event('A').within(7 days).count()", hours=0) == []


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("trait('born').within_last(7 days)", [("born", -7, -7), ("born", 0, 0)]),
        ("trait('born').within_next(7 days)", [("born", 0, 0), ("born", 7, 7)]),
        ("NOT (trait('born').after_next(7 days)) AND event('A').count() > 1", [("born", 7, 7)]),
        ("event('A').where(trait('born').before_last(1 day)).count() > 1", [("born", -1, -1)]),
        ("event('A').where(property('due').before_last(1 day)).count() > 1", None),
        ("event('A').last(property('due')).before_last(1 day)", None),
        ("trait('visits.$').within_last(7 days)", None),
        ("event('A').where(property('due').before_date('2010-12-10')).within(7 days).count() > 1", []),
    ],
)
def test_dates_compared_with_as_of(definition: str, expected: list[tuple[str, int, int]] | None) -> None:
    found = crossing_dates(computation("key", definition), NOW - timedelta(hours=1), NOW)
    wanted = expected and [
        Dates((name,), NOW_IN_MICROSECONDS - HOUR + first * DAY, NOW_IN_MICROSECONDS + last * DAY)
        for name, first, last in expected
    ]
    assert (found if found is None else list(found)) == wanted


def test_dates_of_accounts_may_be_anything() -> None:
    found = computation("key", "trait('born').within_last(7 days)")
    assert crossing_dates(replace(found, level=Level.ACCOUNT), NOW - timedelta(hours=1), NOW) is None


AGES = st.integers(0, 12)


@given(
    windows=st.lists(st.tuples(st.sampled_from("AB"), AGES, AGES), min_size=1, max_size=4),
    hours=st.integers(0, 30),
    age=st.integers(-5 * 2, 60 * 2),
    name=st.sampled_from("AB"),
)
def test_an_event_in_no_interval_counts_the_same_at_both_instants(
    windows: list[tuple[str, int, int]], hours: int, age: int, name: str
) -> None:
    """By the sentence of the language: ``as_of - b <= timestamp < as_of - a``. ``age`` is in half hours."""
    items: list[Computation] = []
    for number, (event, nearest, farthest) in enumerate(windows):
        window = f".between({nearest} hours, {farthest + nearest + 1} hours)" if farthest else ""
        items.append(computation(f"key_{number}", f"event('{event}'){window}.count()"))
    time = NOW_IN_MICROSECONDS - age * HOUR // 2

    def counted(as_of: int) -> list[bool]:
        return [
            event == name
            and time < as_of - (nearest if farthest else 0) * HOUR
            and (not farthest or time >= as_of - (farthest + nearest + 1) * HOUR)
            for event, nearest, farthest in windows
        ]

    found = crossing(items, NOW - timedelta(hours=hours), NOW)
    inside = any(item.event == name and item.start <= time < item.end for item in found)
    different = counted(NOW_IN_MICROSECONDS) != counted(NOW_IN_MICROSECONDS - hours * HOUR)
    assert inside or not different
