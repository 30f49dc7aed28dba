"""Until when an answer holds: expectations written by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audiences.why import Until
from explanations import AS_OF, MICROSECOND, Event, at, why


def until(definition: str, **settings: Any) -> Until:
    return why({"is_it": definition}, **settings).until


def test_until_an_event_leaves_the_window() -> None:
    found = until("event('Order').within(7 days).count() >= 2")
    assert found.change == at("2024-06-17T10:00:00.000251")  # at 10:00:00.000250 it still counts
    assert found.answer == "false"
    assert found.reason == "when the event of 2024-06-10 leaves the window (Order, within 7 days)"


def test_until_an_event_enters_the_window() -> None:
    found = until("event('Order').between(5 days, 20 days).count() >= 2")
    assert (found.change, found.answer) == (at("2024-06-17T08:30:15.000001"), "true")
    assert found.reason == "when the event of 2024-06-12 enters the window (Order, between 5 days and 20 days)"


def test_until_skips_what_does_not_matter() -> None:
    # The returns leave first, then an order that isn't the last: both without consequence.
    found = until("event('Order').within(7 days).count() >= 1 OR event('Return').within(1 hour).count() >= 1")
    assert (found.change, found.answer) == (at("2024-06-19T08:30:15.000001"), "false")


@pytest.mark.parametrize(
    ("definition", "change", "answer"),
    [
        ("trait('trial_ends').within_last(7 days)", "2024-06-20T09:00:00", "true"),
        ("trait('trial_ends').before_last(7 days)", "2024-06-27T09:00:00", "true"),
        ("trait('trial_ends').within_next(7 days)", "2024-06-20T09:00:00.000001", "false"),
        ("trait('trial_ends').within_next(1 day)", "2024-06-19T09:00:00", "true"),
        ("trait('trial_ends').after_next(2 days)", "2024-06-18T09:00:00.000001", "false"),
        ("event('Order').where(property('at').within_next(7 days)).count() = 1", "2024-06-20T00:00:00.000001", "false"),
        ("event('Order').last(property('at')).within_last(7 days)", "2024-06-19T00:00:00.000001", "false"),
    ],
)
def test_until_a_date_comes_near_or_passes(definition: str, change: str, answer: str) -> None:
    found = until(definition)
    assert (found.change, found.answer) == (at(change), answer)


def test_until_a_date_that_itself_changes() -> None:
    # While m1 is the first, its date is in the future; once it has left, the date is that of m2, long ago.
    definitions = {
        "first_at": "event('Order').within(110 days).first(property('at'))",
        "is_it": "trait('first_at').within_last(300 days)",
    }
    found = why(definitions).until
    assert (found.change, found.answer) == (at("2024-06-19T10:00:00.000001"), "true")
    assert "in first_at" in found.reason


def test_until_a_value_changes() -> None:
    found = why({"it": "event('Order').within(30 days).sum(property('total'))"}).until
    assert (found.change, found.answer) == (at("2024-07-10T10:00:00.000251"), "40")
    last = why({"it": "event('Order').within(30 days).last(property('sku'))"}).until
    assert (last.change, last.answer) == (at("2024-07-12T08:30:15.000001"), None)


def test_for_ever() -> None:
    assert until("event('Order').count() >= 1") == Until()
    assert until("event('Order').within(7 days).count() >= 9") == Until()
    assert until("trait('plan') = 'free'") == Until()
    far = [{"profile_id": "ann", "traits": {"end": "9500-01-01"}, "email": "x"}]
    assert until("trait('end').before_last(365000 days)", profiles=far) == Until(), "beyond the calendar"


def test_at_least_until() -> None:
    start = AS_OF - timedelta(days=10)
    many: list[Event] = [
        (f"m{minute}", "ann", "Order", (start + timedelta(minutes=minute)).isoformat(), {}) for minute in range(400)
    ]
    found = until("event('Order').within(20 days).count() >= 1", events=many)
    assert (found.change, found.checked) == (None, start + timedelta(days=20, minutes=300) + MICROSECOND)
