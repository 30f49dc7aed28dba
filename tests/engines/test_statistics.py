"""What each reducer gives, and when it gives nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fakes import Event, computation, snapshots, values

HOUR = timedelta(hours=1)
PROFILES = [{"id": "p"}, {"id": "nobody"}]


def events(*found: Any, profile: str = "p") -> list[Event]:
    """One event per value of the property ``v``, an hour apart, the first is the oldest; ... is no
    property."""
    return [
        {
            "profile": profile,
            "event": "A",
            "timestamp": (len(found) - number) * HOUR,
            "message_id": f"m{number}",
            "properties": {} if value is ... else {"v": value},
        }
        for number, value in enumerate(found)
    ]


def one(definition: str, *found: Any) -> Any:
    """The value of the profile that has these events, typed; None where there is none."""
    result = values(definition, events(*found), PROFILES)
    assert "nobody" not in result
    return result.get("p")


REDUCERS: list[tuple[str, list[Any], Any]] = [
    ("count()", [1, None, ...], 3),
    ("count()", [], None),
    ("sum(property('v'))", [1, 2.5, "3", "x", None, ..., True, [4]], 6.5),
    ("sum(property('v'))", ["x", None, True], None),
    ("sum(property('v'))", [5, -5], 0.0),
    ("avg(property('v'))", [1, 2, None, "x"], 1.5),
    ("avg(property('v'))", [0, 10], 5.0),
    ("avg(property('v'))", [...], None),
    ("min(property('v'))", [3, "-4.5", "x", 0], -4.5),
    ("max(property('v'))", [3, "1e1", "z", 9], 10.0),
    ("max(property('v'))", [None, "z", False], None),
    ("min(property('v') as number)", [3, 2], 2.0),
    ("min(property('v') as string)", ["9", 100, "abc"], "100"),
    ("max(property('v') as string)", ["9", 100], "9"),
    ("max(property('v') as string)", ["z", "Z", "\U0001f600", "￼"], "\U0001f600"),
    ("min(property('v') as string)", [True, "u"], "true"),
    ("min(property('v') as string)", [None, ...], None),
    ("max(property('v') as string)", ["", None], ""),
    ("mode(property('v'))", ["a", "b", "b"], "b"),
    ("mode(property('v'))", ["a", "b"], None),
    ("mode(property('v'), 1)", ["b", "a"], "a"),
    ("mode(property('v'), 2)", ["b", "a", "b", "a", "c"], "a"),
    ("mode(property('v'), 3)", ["b", "a", "b", "a", "b"], "b"),
    ("mode(property('v'), 2)", ["é", "z", "é", "z"], "z"),
    ("mode(property('v'), 2)", [7, "7", 7.0], "7"),
    ("mode(property('v'), 2)", [None, None, ...], None),
    ("mode(property('v'), 2)", ["", ""], ""),
    ("mode(property('v'), 2)", [True, "true"], "true"),
    ("first(property('v'))", [..., None, "a", "b"], "a"),
    ("last(property('v'))", ["a", "b", None, ...], "b"),
    ("first(property('v'))", [None], None),
    ("first(property('v'))", [12.5, 1], 12.5),
    ("last(property('v'))", ["x", 7.0], 7),
    ("last(property('v'))", ["x", False], False),
    ("last(property('v'))", ["x", ""], ""),
    ("last(property('v'))", [0, "0"], "0"),
    ("last(property('v'))", [[1, "a"]], '[1,"a"]'),
    ("unique(property('v'))", ["b", "a", "b", None], ["a", "b"]),
    ("unique(property('v'))", ["z", "é", "Z", 10, 9, True], ["10", "9", "Z", "true", "z", "é"]),
    ("unique(property('v'))", [7, "7", "7.0"], ["7", "7.0"]),
    ("unique(property('v'))", ['quote " and \\', "line\nbreak"], ["line\nbreak", 'quote " and \\']),
    ("unique(property('v'))", [""], [""]),
    ("unique(property('v'))", [None, ...], None),
    ("unique(property('v')).count()", ["a", "b", "a", None, 1, "1"], 3),
    ("unique(property('v')).count()", [None], None),
]


@pytest.mark.parametrize(("reducer", "found", "expected"), REDUCERS, ids=[f"{r} {f}" for r, f, _ in REDUCERS])
def test_reducer(reducer: str, found: list[Any], expected: Any) -> None:
    result = one(f"event('A').{reducer}", *found)
    assert result == expected
    assert type(result) is type(expected)


def test_all_reducers_in_one_pass_give_what_each_gives_alone() -> None:
    found = ["b", 7, "a", "7", None, ..., 2.5, True, "b"]
    reducers = list(dict.fromkeys(reducer for reducer, _, _ in REDUCERS))
    together = snapshots(
        [computation(f"k{number}", f"event('A').{reducer}") for number, reducer in enumerate(reducers)],
        events(*found),
        PROFILES,
    )
    for number, reducer in enumerate(reducers):
        alone = snapshots([computation("it", f"event('A').{reducer}")], events(*found), PROFILES)
        assert together[f"k{number}"] == alone["it"], reducer


def test_ties_in_time_go_by_message_id_then_position_missing_ids_last() -> None:
    def at(message: str | None, value: str) -> Event:
        return {
            "profile": "p",
            "event": "A",
            "timestamp": HOUR,
            "message_id": message,
            "properties": {"v": value},
        }

    rows = [at(None, "none, earlier row"), at("b", "b"), at(None, "none, later row"), at("a", "a")]
    assert values("event('A').first(property('v'))", rows, PROFILES) == {"p": "a"}
    assert values("event('A').last(property('v'))", rows, PROFILES) == {"p": "none, later row"}
    assert values("event('A').last(property('v'))", rows[1:2] + rows[3:], PROFILES) == {"p": "b"}


def test_conditions_narrow_what_is_reduced() -> None:
    rows = [{"profile": "p", "event": "A", "timestamp": HOUR, "properties": {"v": "x", "n": n}} for n in (1, 2, 3)] + [
        {"profile": "p", "event": "A", "timestamp": HOUR, "properties": {"v": "y", "n": 9}}
    ]
    where = "event('A').where(property('n') < 3)"
    found = snapshots(
        [
            computation("all_events", "event('A').count()"),
            computation("few", f"{where}.count()"),
            computation("none_at_all", "event('A').where(property('n') > 10).count()"),
            computation("sum_of_few", f"{where}.sum(property('n'))"),
            computation("list_of_all", "event('A').unique(property('v'))"),
            computation("list_of_few", f"{where}.unique(property('v'))"),
            computation("most_of_few", f"{where}.mode(property('v'), 2)"),
            computation("least_of_few", f"{where}.min(property('v') as string)"),
            computation("two", "event('A').where(property('n') > 1).where(property('n') < 9).count()"),
        ],
        rows,
        PROFILES,
    )
    assert found == {
        "all_events": {"p": "4"},
        "few": {"p": "2"},
        "none_at_all": {},
        "sum_of_few": {"p": "3"},
        "list_of_all": {"p": '["x","y"]'},
        "list_of_few": {"p": '["x"]'},
        "most_of_few": {"p": '"x"'},
        "least_of_few": {"p": '"x"'},
        "two": {"p": "2"},
    }


def test_context_fields_and_nested_paths() -> None:
    rows = [
        {
            "profile": "p",
            "event": "A",
            "timestamp": HOUR,
            "properties": {"totals": {"net": 4.5}, "a.b": "dotted"},
            "context": {"page": {"url": "/pricing"}},
        }
    ]
    assert values("event('A').sum(property('totals.net'))", rows, PROFILES) == {"p": 4.5}
    assert values(r"event('A').first(property('a\\.b'))", rows, PROFILES) == {"p": "dotted"}
    assert values("event('A').last(context('page.url'))", rows, PROFILES) == {"p": "/pricing"}
    assert values("event('A').where(context('page.url').ends_with('pricing')).count()", rows, PROFILES) == {"p": 1}
    assert values("event('A').first(property('totals'))", rows, PROFILES) == {"p": '{"net":4.5}'}


def test_an_event_name_that_nobody_has() -> None:
    assert values("event('B').count()", events(1), PROFILES) == {}
    assert values("event('B').where(property('v') > 1).sum(property('v'))", events(1), PROFILES) == {}
