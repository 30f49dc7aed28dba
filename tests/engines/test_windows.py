"""Window edges to the microsecond."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fakes import AS_OF, computation, snapshots, values

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)

AGES = {
    "tick": MICROSECOND,
    "inside_week": 7 * DAY - MICROSECOND,
    "week": 7 * DAY,
    "outside_week": 7 * DAY + MICROSECOND,
    "inside_month": 30 * DAY - MICROSECOND,
    "month": 30 * DAY,
    "outside_month": 30 * DAY + MICROSECOND,
    "decades": 365 * 30 * DAY,
}
EVENTS = [{"profile": key, "event": "A", "timestamp": age} for key, age in AGES.items()]
EVENTS += [
    {"profile": "now", "event": "A", "timestamp": AS_OF},
    {"profile": "future", "event": "A", "timestamp": AS_OF + DAY},
]
PROFILES = [{"id": key} for key in (*AGES, "now", "future")]

WINDOWS = [
    ("", set(AGES)),
    (".within(7 days)", {"tick", "inside_week", "week"}),
    (".within(168 hours)", {"tick", "inside_week", "week"}),
    (".within(30 days)", {"tick", "inside_week", "week", "outside_week", "inside_month", "month"}),
    (".between(7 days, 30 days)", {"outside_week", "inside_month", "month"}),
    (".between(30 days, 7 days)", {"outside_week", "inside_month", "month"}),
    (".between(0 days, 7 days)", {"tick", "inside_week", "week"}),
    (".between(168 hours, 30 days)", {"outside_week", "inside_month", "month"}),
    (".within(30 days).within(7 days)", {"tick", "inside_week", "week"}),
    (".within(1000000 days)", set(AGES)),
    (".within(100000000000 days)", set(AGES)),
    (".between(30 days, 100000000000 days)", {"outside_month", "decades"}),
]


@pytest.mark.parametrize(("window", "expected"), WINDOWS, ids=[window or "none" for window, _ in WINDOWS])
def test_windows_are_half_open(window: str, expected: set[str]) -> None:
    assert set(values(f"event('A'){window}.count()", EVENTS, PROFILES)) == expected


def test_neighbouring_windows_neither_overlap_nor_leave_a_gap() -> None:
    found = snapshots(
        [
            computation("young", "event('A').within(7 days).count()"),
            computation("middle", "event('A').between(7 days, 30 days).count()"),
            computation("old", "event('A').between(30 days, 100000 days).count()"),
        ],
        EVENTS,
        PROFILES,
    )
    ids = [id for frame in found.values() for id in frame]
    assert sorted(ids) == sorted(AGES)


def test_many_windows_in_one_pass_give_what_each_gives_alone() -> None:
    definitions = {f"w{number}": f"event('A'){window}.count()" for number, (window, _) in enumerate(WINDOWS)}
    together = snapshots([computation(key, text) for key, text in definitions.items()], EVENTS, PROFILES)
    for (_, expected), key in zip(WINDOWS, definitions, strict=True):
        assert set(together[key]) == expected


def test_events_since_is_inclusive() -> None:
    since = AS_OF - 7 * DAY
    found = values("event('A').count()", EVENTS, PROFILES, events_since=since)
    assert set(found) == {"tick", "inside_week", "week"}
    found = values("event('A').within(1 day).count()", EVENTS, PROFILES, events_since=since)
    assert set(found) == {"tick"}


def test_events_since_belongs_to_one_computation() -> None:
    found = snapshots(
        [
            computation("all_of_it", "event('A').count()"),
            computation("since", "event('A').count()", events_since=AS_OF - 7 * DAY),
        ],
        EVENTS,
        PROFILES,
    )
    assert set(found["all_of_it"]) == set(AGES)
    assert set(found["since"]) == {"tick", "inside_week", "week"}


def test_the_session_is_the_events_after_the_last_gap_longer_than_the_limit() -> None:
    hour = timedelta(hours=1)
    ages = {
        "exactly": [10 * hour, 9 * hour, 8 * hour],
        "a_tick_more": [10 * hour, 9 * hour - MICROSECOND, 8 * hour],
        "two_gaps": [20 * hour, 10 * hour, 9.5 * hour],
        "one_event": [1000 * hour],
    }
    events = [
        {"profile": key, "event": "A", "timestamp": age, "properties": {"n": number}}
        for key, own in ages.items()
        for number, age in enumerate(own)
    ]
    profiles = [{"id": key} for key in ages]
    found = values("event('A').expires_after(1 hour).count()", events, profiles)
    assert found == {"exactly": 3, "a_tick_more": 2, "two_gaps": 2, "one_event": 1}
    found = values("event('A').expires_after(1 hour).first(property('n'))", events, profiles)
    assert found == {"exactly": 0, "a_tick_more": 1, "two_gaps": 1, "one_event": 0}


def test_only_the_filtered_events_keep_a_session_alive() -> None:
    hour = timedelta(hours=1)
    events = [
        {"profile": "p", "event": "A", "timestamp": 3 * hour, "properties": {"kind": "x"}},
        {"profile": "p", "event": "A", "timestamp": 2.5 * hour, "properties": {"kind": "y"}},
        {"profile": "p", "event": "A", "timestamp": 1.9 * hour, "properties": {"kind": "x"}},
    ]
    profiles = [{"id": "p"}]
    assert values("event('A').expires_after(1 hour).count()", events, profiles) == {"p": 3}
    for chain in (
        "where(property('kind') = 'x').expires_after(1 hour)",
        "expires_after(1 hour).where(property('kind') = 'x')",
    ):
        assert values(f"event('A').{chain}.count()", events, profiles) == {"p": 1}
    # The window comes first, too, wherever it is written.
    assert values("event('A').expires_after(1 hour).within(2 hours).count()", events, profiles) == {"p": 1}


def test_sources_are_excluded_by_id() -> None:
    sources = {"a": "web", "b": "ios", "c": None}
    events = [{"profile": key, "event": "A", "timestamp": DAY, "source_id": source} for key, source in sources.items()]
    profiles = [{"id": key} for key in sources]
    assert set(values("event('A').sources({exclude: 'web'}).count()", events, profiles)) == {"b", "c"}
    assert set(values("event('A').sources({exclude: 'web', exclude: 'ios'}).count()", events, profiles)) == {"c"}
