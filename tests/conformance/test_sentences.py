"""Sentences of the language's reference, each with definitions that would have another result if it weren't true.

All are computed in one pass over one small world. What is expected was worked out by hand.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

import audiences

AS_OF: Final = datetime(2024, 6, 15, 12, tzinfo=UTC)
TICK, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
WEEK: Final = 7 * DAY

TRAITS: Final[dict[str, Any]] = {
    "n": 5,
    "s": "5",
    "t": "abc",
    "yes": True,
    "no": False,
    "zero": 0,
    "empty": "",
    "null": None,
    "whole": 7.0,
    "small": 1e-7,
    "object": {"a": 1},
    "list": ["a", "b"],
    "nothing": [],
    "items": [{"k": "a", "v": 1}, {"k": "b", "v": 2}],
    "nested": {"city": "Paris"},
    "dot.ted": "x",
    "now": "2024-06-15T12:00:00Z",
    "week ago": "2024-06-08T12:00:00Z",
    "in a week": "2024-06-22T12:00:00Z",
    "orders": "custom",
}
PROFILES: Final[list[tuple[str, dict[str, Any], list[tuple[str, str]]]]] = [
    ("ann", TRAITS, [("user_id", "u1")]),
    ("bob", {}, [("user_id", "u2")]),
    ("cookie", {"n": 5}, [("anonymous_id", "c")]),
    ("dan", {"n": 7}, []),  # no identifiers at all
]
KNOWN: Final = ["ann", "bob", "dan", "user_id:u9"]
"""Everybody but the anonymous profile, and who has events after as-of only."""


def call(profile: str, event: str, age: timedelta, id: str | None = None, **properties: Any) -> dict[str, Any]:
    owner = {"user_id": profile.removeprefix("user_id:")} if ":" in profile else {"profile_id": profile}
    return {"event": event, "timestamp": AS_OF - age, "message_id": id, "properties": properties, **owner}


EVENTS: Final = [
    # On the edges of windows.
    *(call("ann", "Edge", age) for age in (WEEK + TICK, WEEK, TICK, timedelta(), -HOUR)),
    call("user_id:u9", "Seen", HOUR),
    call("user_id:u10", "Seen", -HOUR),
    # Parents, and what comes after them.
    call("ann", "View", 10 * HOUR, color="red", size=2),
    call("ann", "Add", 10 * HOUR, color="red", size=9),
    call("ann", "Add", 9 * HOUR, color="red", size=3),
    call("ann", "Pay", 9 * HOUR - TICK, color="blue"),
    call("ann", "View", HOUR, color="red", size=2),
    call("bob", "Cart", 5 * DAY),
    call("bob", "Order", 4 * DAY),
    call("bob", "Cart", 3 * DAY),
    call("dan", "Cart", 5 * HOUR),
    # Copies.
    call("ann", "Copied", HOUR, "m1", v="late") | {"received_at": AS_OF - HOUR},
    call("bob", "Copied", HOUR, "m1", v="early") | {"received_at": AS_OF - 2 * HOUR},
    call("ann", "Copied", HOUR, v="same"),
    call("ann", "Copied", HOUR, v="same"),
    call("ann", "Copied", HOUR, "m2", v="same"),
    call("ann", "Copied", HOUR, "m3", v="same"),
    # Values to be reduced.
    *(call("ann", "Value", HOUR, f"v{number}", v=value) for number, value in enumerate(["b", 2, "3", "b", "B", None])),
    call("ann", "Value", HOUR, "v9", v="2"),
    call("bob", "Value", 2 * HOUR, "w1", v=0.1),
    call("bob", "Value", HOUR, "w0", v=0.2),
    # Sessions: a gap of an hour, of half an hour, and an event of another kind in between.
    *(call("ann", "Visit", 5 * DAY + age, kind="a") for age in (3 * HOUR, 2 * HOUR, 1.5 * HOUR)),
    call("ann", "Visit", 5 * DAY + 2.5 * HOUR, kind="b"),
    # Fields.
    call("ann", "Page", HOUR) | {"type": "page", "event": None, "name": "Home"},
    call("ann", "Source", HOUR) | {"source_id": "web", "context": {"page": {"url": "/pricing"}}},
    call("ann", "Source", HOUR) | {"source_id": "ios"},
    call("ann", "Array", HOUR, l=[{"c": "x", "p": 1}, {"c": "y", "p": 2}], e=[]),
    call("bob", "Array", HOUR, l=[]),
]

ANN, BOB, DAN = ["ann"], ["bob"], ["dan"]
OTHERS: Final = ["bob", "dan", "user_id:u9"]

AUDIENCES: Final[dict[str, dict[str, list[str]]]] = {
    "NOT binds tightest, then AND, then OR": {
        "NOT trait('n') = 5 OR trait('n') = 5": KNOWN,
        "trait('n') = 5 or trait('n') = 7 AND trait('t') = 'abc'": ANN,
    },
    "literals may be wrapped, quoted either way, and =, == and equals are the same": {
        "trait('n') = literal(5) AND trait('n') == 5 AND trait('n').equals(5) AND trait('t') = \"abc\"": ANN,
    },
    "braces in where are accepted": {"event('Seen').where({property('v').absent()}).count() = 1": ["user_id:u9"]},
    "only events earlier than as-of are seen, and windows are half-open": {
        "event('Edge').count() = 3": ANN,
        "event('Edge').within(7 days).count() = 2": ANN,
        "event('Edge').between(7 days, 14 days).count() = 1": ANN,
        "event('Edge').between(14 days, 168 hours).count() = 1": ANN,
    },
    "dates relative to as-of have closed ends": {
        "trait('week ago').within_last(7 days) AND trait('week ago').before_last(7 days)": ANN,
        "trait('in a week').within_next(7 days) AND trait('in a week').after_next(7 days)": ANN,
        "trait('now').within_last(1 day) AND trait('now').within_next(1 day)": ANN,
        "trait('week ago').within_last(167 hours) OR trait('in a week').within_next(167 hours)": [],
        "trait('t').before_last(1 day) OR trait('n').before_last(1 day)": [],
    },
    "a nested event is strictly after its parent, and windows after it are exact": {
        "event('View').where(event('Add').count() = 1).count() = 1": ANN,
        "event('View').where(event('Add').within(parent: 1 hour).count() = 1).count() = 1": ANN,
        "event('View').where(event('Add').between(parent: 1 hour, 2 hours).count() = 1).count() = 1": ANN,
        "event('View').where(event('Pay').within(parent: 1 hour).count() = 1).count() = 0": KNOWN,
        "event('View').where(event('Pay').between(parent: 2 hours, 1 hour).count() = 1).count() = 1": ANN,
        "event('View').where(event('Add').within(9 hours).count() = 1).count() = 1": ANN,
        "event('View').where(event('Add').within(8 hours).count() >= 1).count() >= 1": [],
    },
    "property(parent: …) is the parent's": {
        "event('View').where(event('Add').where(property('color') = property(parent: 'color')"
        " AND property('size') > property(parent: 'size')).count() = 1).count() = 1": ANN,
        "event('View').where(event('Add').where(event('Pay').where(property('color') = property(parent: 'color'))"
        ".count() = 1).count() = 1).count() >= 1": [],
    },
    "nesting may be deeper than two": {
        "event('View').where(event('Add').where(event('Pay').within(parent: 1 hour).count() = 1).count() = 1)"
        ".count() = 1": ANN,
    },
    "funnels look at every instance of the parent": {
        "event('Cart').where(event('Order').count() = 0).count() >= 1": ["bob", "dan"],
        "event('Cart').where(event('Order').count() >= 1).count() >= 1": BOB,
    },
    "did not within is literal, an aged parent waits": {
        "event('Cart').where(event('Order').within(parent: 1 day).count() = 0).within(1 day).count() = 1": DAN,
        "event('Cart').where(event('Order').within(parent: 1 day).count() = 0).between(1 day, 8 days).count() = 1": BOB,
    },
    "copies are one event, the first received; without an id, or under two ids, they are several": {
        "event('Copied').where(property('v') = 'early').count() = 1": BOB,
        "event('Copied').where(property('v') = 'late').count() >= 1": [],
        "event('Copied').where(property('v') = 'same').count() = 4": ANN,
    },
    "the universe is the table and implicit profiles with an event before as-of": {
        "event('None').count() = 0": KNOWN,
        "NOT event('Seen').count() >= 1": ["ann", "bob", "dan"],
    },
    "if either side is a number, values are equal as numbers": {
        "trait('n') = '5' AND trait('n') = '5.0' AND trait('s') = 5": ANN,
        "trait('s') = '5.0' OR trait('t') = 5 OR trait('t') = 'ABC'": [],
        "trait('yes') = 'true' AND trait('yes') = true AND trait('no') = false": ANN,
    },
    "with a date literal both sides are timestamps": {
        "trait('week ago') = '2024-06-08T12:00:00Z' AND trait('week ago') = 2024-06-08T14:00:00+02:00": ANN,
        "trait('t') = 2024-06-08 OR trait('n') = 2024-06-08": [],
        "trait('week ago').before_date(2024-06-09) AND trait('week ago').after_date('2024-06-08')": ANN,
    },
    "order: numbers, else timestamps, else false": {
        "trait('s') >= '05' AND trait('s') < 10 AND trait('week ago') < 2024-06-09": ANN,
        "trait('t') > 'aaa' OR trait('t') <= 'zzz' OR trait('yes') > 'a'": [],
    },
    "text comparisons work on the text of a value": {
        "trait('whole') = '7' AND trait('whole').omits('.') AND trait('small').contains('1e-7')": ANN,
        "trait('yes').starts_with('tr') AND trait('object').ends_with('{\"a\":1}')": ANN,
        "trait('t').contains('x', 'b') AND NOT trait('t').contains('B')": ANN,
        "trait('list') = '[\"a\",\"b\"]'": ANN,
    },
    "null is missing; an empty string, 0 and false are values": {
        "trait('null').absent() AND NOT trait('null').exists()": KNOWN,
        "trait('empty').exists() AND trait('zero').exists() AND trait('no').exists()": ANN,
    },
    "on a missing value every comparison is false but absent and omits; NOT is two-valued": {
        "trait('none') = 'x' OR trait('none') != 'x' OR trait('none').none_of('x') OR trait('none') < 1"
        " OR trait('none').contains('x') OR trait('none').within_last(1 day)": [],
        "trait('none').omits('x') AND trait('none').absent() AND NOT trait('none') = 1": KNOWN,
        "trait('t') != 'x' AND trait('t').none_of('x', 'y') AND trait('t').one_of('x', 'abc')": ANN,
    },
    "through $ a comparison holds if it holds for an element": {
        "trait('list.$') = 'a' AND trait('list.$') = 'b' AND trait('list.$') != 'a'": ANN,
        "trait('list.$').none_of('a') AND trait('items.$.k') = 'b' AND trait('items.$.v') < 2": ANN,
        "trait('list.$').omits('a')": OTHERS,
        "trait('list.$').absent()": OTHERS,
        "trait('nothing.$').absent() AND trait('nothing.$').omits('a')": KNOWN,
        "event('Array').where(property('l.$.c') = 'y' AND property('l.$.p') = 1).count() = 1": ANN,
        "event('Array').where(property('l.$').absent()).count() = 1": BOB,
    },
    "paths walk into objects, an escaped dot is a dot": {
        "trait('nested.city') = 'Paris' AND trait('dot\\.ted') = 'x'": ANN,
    },
    "inside an audience a count of nothing is 0, a sum of nothing is missing": {
        "event('None').unique(property('v')).count() = 0 AND event('None').count() < 1": KNOWN,
        "event('None').sum(property('v')) < 1 OR event('None').max(property('v')) = 0": [],
    },
    "page calls are Page Viewed, with their name as page_name and name": {
        "event('Page Viewed').where(property('page_name') = 'Home' AND property('name') = 'Home').count() = 1": ANN,
    },
    "sources are excluded, fields of the context are reached": {
        "event('Source').sources({exclude: 'ios'}).count() = 1": ANN,
        "event('Source').where(context('page.url').starts_with('/pri')).count() = 1": ANN,
    },
    "a referenced audience is true or false for everyone": {
        "trait('fives') = true": ANN,
        "trait('fives') = false AND trait('fives').exists()": OTHERS,
        "trait('fives').absent()": [],
    },
    "a key hides a custom trait": {"trait('orders') = 'custom'": [], "trait('orders') = 1": BOB},
    "conditions see a default": {"trait('defaulted') = 0": ["ann", "dan", "user_id:u9"]},
    "an audience of anonymous users sees the final members of another": {
        "trait('fives_with_anonymous') = true": ANN,  # but without them is applied last here as well
        "trait('n') = 5 OR trait('n') = 7": ["ann", "dan"],  # who has no identifiers isn't anonymous
    },
}

TRAITS_OF: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "no events are no value": {"event('Order').count()": {"bob": 1}, "event('None').unique(property('v')).count()": {}},
    "reducers skip what is missing or no number": {
        "event('Value').count()": {"ann": 7, "bob": 2},
        "event('Value').sum(property('v'))": {"ann": 7.0, "bob": 0.3},  # of the numbers as written
        "event('Value').avg(property('v'))": {"ann": 7 / 3, "bob": 0.15},
        "event('Value').min(property('v'))": {"ann": 2.0, "bob": 0.1},
        "event('Value').max(property('v') as string)": {"ann": "b", "bob": "0.2"},
    },
    "mode compares text; ties go by code point; 2 is the least frequency when none is given": {
        "event('Value').mode(property('v'))": {"ann": "2"},
        "event('Value').mode(property('v') as string, 1)": {"ann": "2", "bob": "0.1"},
        "event('Value').mode(property('v') as array, 3)": {},
    },
    "first and last order by time, then message id; values of several types are text": {
        "event('Value').first(property('v'))": {"ann": "b", "bob": "0.1"},
        "event('Value').last(property('v'))": {"ann": "2", "bob": "0.2"},
    },
    "unique values are texts by code point, and are counted": {
        "event('Value').unique(property('v'))": {"ann": ["2", "3", "B", "b"], "bob": ["0.1", "0.2"]},
        "event('Value').unique(property('v')).count()": {"ann": 4, "bob": 2},
    },
    "a reducer sees every element": {
        "event('Array').sum(property('l.$.p'))": {"ann": 3.0},
        "event('Array').unique(property('l.$.c'))": {"ann": ["x", "y"]},
    },
    "a gap longer than the limit starts a session, the last one stays, other events don't keep it alive": {
        "event('Visit').expires_after(1 hour).count()": {"ann": 4},
        "event('Visit').expires_after(30 minutes).count()": {"ann": 4},
        "event('Visit').where(property('kind') = 'a').expires_after(30 minutes).count()": {"ann": 2},
        "event('Visit').where(property('kind') = 'a').expires_after(1 hour).count()": {"ann": 3},
    },
    "traits are computed for anonymous profiles, too": {"trait('n')": {"ann": 5, "cookie": 5, "dan": 7}},
}

NAMED: Final[list[dict[str, Any]]] = [
    {"key": "fives", "kind": "audience", "definition": "trait('n') = 5"},
    {
        "key": "fives_with_anonymous",
        "kind": "audience",
        "definition": "trait('n') = 5",
        "include_anonymous_users": True,
    },
    {"key": "orders", "kind": "trait", "definition": "event('Order').count()"},
    {"key": "defaulted", "kind": "trait", "definition": "event('Order').count()", "default": 0},
]


TEXTS: Final = {
    text: kind
    for kind, table in (("audience", AUDIENCES), ("trait", TRAITS_OF))
    for sentence in table.values()
    for text in sentence
}
KEYS: Final = {text: f"it_{number}" for number, text in enumerate(TEXTS)}


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    events = [
        {
            "message_id": None,
            "type": "track",
            "name": None,
            "source_id": None,
            "received_at": None,
            "profile_id": None,
            "user_id": None,
            **one,
            "properties": json.dumps(one["properties"]),
            "context": json.dumps(one.get("context")),
        }
        for one in EVENTS
    ]
    people = [
        {
            "profile_id": id,
            "traits": json.dumps(traits),
            "external_ids": json.dumps([{"type": type, "value": value} for type, value in identifiers]),
        }
        for id, traits, identifiers in PROFILES
    ]
    found = audiences.evaluate(
        [*NAMED, *({"key": KEYS[text], "kind": kind, "definition": text} for text, kind in TEXTS.items())],
        events=pl.DataFrame(events, infer_schema_length=None),
        profiles=pl.DataFrame(people),
        as_of=AS_OF,
    )
    texts = {key: text for text, key in KEYS.items()}
    return {texts.get(key, key): dict(frame.iter_rows()) for key, frame in found.items()}


@pytest.mark.parametrize("sentence", AUDIENCES)
def test_members(sentence: str, results: dict[str, dict[str, Any]]) -> None:
    found = {text: sorted(results[text]) for text in AUDIENCES[sentence]}
    assert found == AUDIENCES[sentence]


@pytest.mark.parametrize("sentence", TRAITS_OF)
def test_values(sentence: str, results: dict[str, dict[str, Any]]) -> None:
    assert {text: results[text] for text in TRAITS_OF[sentence]} == TRAITS_OF[sentence]


def test_anonymous_profiles_are_members_only_where_they_are_included(results: dict[str, dict[str, Any]]) -> None:
    assert sorted(results["fives"]) == ["ann"]
    assert sorted(results["fives_with_anonymous"]) == ["ann", "cookie"]
    assert results["defaulted"] == {"ann": 0, "bob": 1, "cookie": 0, "dan": 0, "user_id:u9": 0}
