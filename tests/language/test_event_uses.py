"""What definitions read of each event, and how far back they look."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audiences.language.event_uses import EventUse, event_uses
from audiences.language.parse import parse

DAY = 86_400_000_000


def uses(text: str) -> set[tuple[str, int | None]]:
    """Names of events, and how many hours back they are looked at."""
    found = event_uses(parse(text))
    return {(use.event, None if use.oldest is None else use.oldest // (DAY // 24)) for use in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event('A').count()", {("A", None)}),
        ("event('A').within(7 days).count()", {("A", 168)}),
        ("event('A').within(7 days).within(2 hours).count()", {("A", 2)}),
        ("event('A').between(30 days, 7 days).sum(property('x'))", {("A", 720)}),
        ("event('A').within(1 day).count() > 0 AND event('A').count() > 3", {("A", 24), ("A", None)}),
        ("event('A').within(1 day).count() > 0 OR NOT event('B').within(2 days).count() > 3", {("A", 24), ("B", 48)}),
        ("event('A').where(event('B').count() = 0).count() > 0", {("A", None), ("B", None)}),
        (
            "event('A').where(event('B').within(parent: 9 days).count() = 0).within(3 days).count() > 0",
            {("A", 72), ("B", 72)},
        ),
        ("event('A').where(event('B').within(1 day).count() = 0).within(3 days).count() > 0", {("A", 72), ("B", 24)}),
        ("event('A').where(event('B').within(9 days).count() = 0).within(3 days).count() > 0", {("A", 72), ("B", 72)}),
        (
            "event('A').where(event('B').where(event('C').count() = 0).count() = 0).within(1 day).count() > 0",
            {("A", 24), ("B", 24), ("C", 24)},
        ),
        ("ANY (event('A').within(1 day).count() > 0)", {("A", 24)}),
        ("event('A').expires_after(1 day).count()", {("A", None)}),
        ("trait('a') = 1", set()),
    ],
)
def test_how_far_back(text: str, expected: set[tuple[str, int | None]]) -> None:
    assert uses(text) == expected


def test_what_is_read_of_each_event() -> None:
    text = """
        event('A').where(property('a') = 1 AND context('c.d').exists()
            AND event('B').where(property('b.$.x') = property(parent: 'p')).max(property('m')) > 2).count() > 0
    """
    assert event_uses(parse(text)) == {
        EventUse("A", frozenset({("a",), ("p",)}), frozenset({("c", "d")})),
        EventUse("B", frozenset({("b", "$", "x"), ("m",)})),
    }


def test_events_since() -> None:
    since = datetime(2024, 6, 1, tzinfo=UTC)
    assert event_uses(parse("event('A').count()"), since) == {EventUse("A", since=since)}
