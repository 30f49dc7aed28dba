"""Every operator on every kind of value: which profiles have a value of the trait `v` for which it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audiences.definitions.computation import Computation, Kind
from audiences.language import tree
from fakes import AS_OF, members, snapshots

VALUES: dict[str, Any] = {
    "empty": "",
    "text": "shoes",
    "upper": "Shoes",
    "five": 5,
    "five_float": 5.0,
    "five_text": "5",
    "five_longer": "5.0",
    "exponent": "5e0",
    "plus": "+5",
    "blank_five": " 5",
    "zero": 0,
    "minus": -2.5,
    "tiny": 1e-7,
    "true": True,
    "true_text": "true",
    "false": False,
    "day": "2024-06-10",
    "instant": "2024-06-10T00:00:00Z",
    "offset": "2024-06-10T02:00:00+02:00",
    "later": "2024-06-10T00:00:00.000001",
    "no_day": "2024-02-30",
    "digits_day": 20240610,
    "array": ["shoes", 5],
    "empty_array": [],
    "object": {"a": 1},
    "null": None,
}
PROFILES = [{"id": key, "traits": {"v": value}} for key, value in VALUES.items()] + [{"id": "none"}]
THERE = {key for key, value in VALUES.items() if value is not None}
EVERYONE = {*VALUES, "none"}
FIVES = {"five", "five_float", "five_text", "five_longer", "exponent", "plus"}
DAYS = {"day", "instant", "offset"}
NUMBERS = FIVES | {"zero", "minus", "tiny", "digits_day"}

CASES: list[tuple[str, set[str]]] = [
    # Equality with a number: numbers, and text that is one.
    ("= 5", FIVES),
    ("= 5.0", FIVES),
    ("= 0", {"zero"}),
    ("= -2.5", {"minus"}),
    ("= 0.0000001", {"tiny"}),
    # Equality with text: as text, unless the value is a number.
    ("= 'shoes'", {"text"}),
    ("= 'Shoes'", {"upper"}),
    ("= ''", {"empty"}),
    ("= '5'", {"five", "five_float", "five_text"}),
    ("= '5.0'", {"five", "five_float", "five_longer"}),
    ("= ' 5'", {"blank_five"}),
    ("= 'true'", {"true", "true_text"}),
    ("= '2024-06-10'", {"day"}),
    ("= '[\"shoes\",5]'", {"array"}),
    ("= '[]'", {"empty_array"}),
    ("= '{\"a\":1}'", {"object"}),
    # Equality with a boolean: as text.
    ("= true", {"true", "true_text"}),
    ("= false", {"false"}),
    # Equality with a date or timestamp: as timestamps.
    ("= 2024-06-10", DAYS),
    ("= 2024-06-10T00:00:00Z", DAYS),
    ("= 2024-06-10T00:00:00.000001Z", {"later"}),
    # differs and none_of need a value.
    ("!= 5", THERE - FIVES),
    ("!= 'shoes'", THERE - {"text"}),
    ("!= 2024-06-10", THERE - DAYS),
    (".one_of('shoes', 5)", {"text"} | FIVES),
    (".one_of(2024-06-10, true)", DAYS | {"true", "true_text"}),
    (".none_of('shoes', 5)", THERE - {"text"} - FIVES),
    # Order of numbers.
    ("> 5", {"digits_day"}),
    (">= 5", FIVES | {"digits_day"}),
    ("< 5", {"zero", "minus", "tiny"}),
    ("<= 5", {"zero", "minus", "tiny"} | FIVES),
    ("> '4'", FIVES | {"digits_day"}),
    ("< '4.5e0'", {"zero", "minus", "tiny"}),
    # Order of timestamps.
    ("> 2024-06-10", {"later"}),
    (">= 2024-06-10", DAYS | {"later"}),
    ("< 2024-06-11", DAYS | {"later"}),
    ("<= 2024-06-10T00:00:00Z", DAYS),
    (">= '2024-06-10'", DAYS | {"later"}),
    # Anything else is not in any order.
    ("> 'a'", set()),
    ("<= 'zzz'", set()),
    ("< true", set()),
    (".exists()", THERE),
    (".absent()", EVERYONE - THERE),
    # On text, whatever the value is.
    (".contains('hoe')", {"text", "upper", "array"}),
    (".contains('hoe', 'ru')", {"text", "upper", "array", "true", "true_text"}),
    (".contains(5)", FIVES | {"minus", "array", "blank_five"}),
    (".contains('')", THERE),
    (".contains('e-7')", {"tiny"}),
    (".contains('.')", {"five_longer", "minus", "later"}),
    (".omits('hoe')", EVERYONE - {"text", "upper", "array"}),
    (".omits('hoe', 'ru')", EVERYONE - {"text", "upper", "array", "true", "true_text"}),
    (".starts_with('s')", {"text"}),
    (".starts_with('S', 't')", {"upper", "true", "true_text"}),
    (".starts_with(5)", FIVES - {"plus"}),
    (".ends_with('s')", {"text", "upper"}),
    (".ends_with('}', ']')", {"object", "array", "empty_array"}),
    (".ends_with(true)", {"true", "true_text"}),
    # Dates.
    (".before_date(2024-06-11)", DAYS | {"later"}),
    (".before_date(2024-06-10)", set()),
    (".before_date('2024-06-10T00:00:00.000001Z')", DAYS),
    (".after_date(2024-06-09)", DAYS | {"later"}),
    (".after_date(2024-06-10)", {"later"}),
    (".after_date('2024-06-10T01:00:00+02:00')", DAYS | {"later"}),
]


@pytest.mark.parametrize(("comparison", "expected"), CASES, ids=[comparison for comparison, _ in CASES])
def test_comparison(comparison: str, expected: set[str]) -> None:
    assert set(members(f"trait('v') {comparison}", profiles=PROFILES)) == expected


@pytest.mark.parametrize(("comparison", "expected"), CASES, ids=[comparison for comparison, _ in CASES])
def test_not_is_two_valued(comparison: str, expected: set[str]) -> None:
    assert set(members(f"NOT (trait('v') {comparison})", profiles=PROFILES)) == EVERYONE - expected


@pytest.mark.parametrize(("comparison", "expected"), CASES, ids=[comparison for comparison, _ in CASES])
def test_properties_compare_as_traits_do(comparison: str, expected: set[str]) -> None:
    events = [
        {
            "profile": profile["id"],
            "event": "A",
            "timestamp": timedelta(1),
            "properties": profile.get("traits"),
        }
        for profile in PROFILES
    ]
    found = members(f"event('A').where(property('v') {comparison}).count() = 1", events, PROFILES)
    assert set(found) == expected


def test_every_operator_is_covered() -> None:
    relative = {"within_last", "within_next", "before_last", "after_next"}
    written = {
        "=": "equals",
        "!=": "differs",
        ">": "greater_than",
        ">=": "at_least",
        "<": "less_than",
        "<=": "at_most",
    }
    seen = {written.get(case.split()[0], case.split("(")[0].removeprefix(".")) for case, _ in CASES}
    assert seen | relative == {operator.value for operator in tree.Operator}


MOMENTS = {
    "long_ago": AS_OF - timedelta(7, microseconds=1),
    "start": AS_OF - timedelta(7),
    "recent": AS_OF - timedelta(1),
    "now": AS_OF,
    "soon": AS_OF + timedelta(1),
    "end": AS_OF + timedelta(7),
    "far": AS_OF + timedelta(7, microseconds=1),
}


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("within_last(7 days)", {"start", "recent", "now"}),
        ("before_last(7 days)", {"long_ago", "start"}),
        ("within_next(7 days)", {"now", "soon", "end"}),
        ("after_next(7 days)", {"end", "far"}),
        ("within_last(168 hours)", {"start", "recent", "now"}),
        ("within_last(100000000 days)", {"long_ago", "start", "recent", "now"}),
        ("after_next(100000000 days)", set()),
    ],
)
def test_dates_relative_to_as_of(comparison: str, expected: set[str]) -> None:
    profiles: list[dict[str, Any]] = [
        {"id": key, "traits": {"v": moment.isoformat()}} for key, moment in MOMENTS.items()
    ]
    others: list[dict[str, Any]] = [
        {"id": "text", "traits": {"v": "soon"}},
        {"id": "number", "traits": {"v": 20240615}},
        {"id": "none"},
    ]
    assert set(members(f"trait('v').{comparison}", profiles=profiles + others)) == expected


DYNAMIC = [
    ("equal_texts", "a", "a"),
    ("text_and_number", "5", 5),
    ("number_and_text", 5, "5.00"),
    ("texts_of_numbers", "5", "5.0"),
    ("greater", 7, "5"),
    ("later", "2024-06-11", "2024-06-10T12:00:00Z"),
    ("same_instant", "2024-06-10", "2024-06-10T00:00:00Z"),
    ("inside", "xay", "a"),
    ("left_missing", None, "a"),
    ("right_missing", "a", None),
    ("both_missing", None, None),
]


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("= trait('w')", {"equal_texts", "text_and_number", "number_and_text"}),
        (
            "!= trait('w')",
            {"texts_of_numbers", "greater", "later", "same_instant", "inside", "right_missing"},
        ),
        ("> trait('w')", {"greater", "later"}),
        (
            ">= trait('w')",
            {"greater", "later", "text_and_number", "number_and_text", "texts_of_numbers", "same_instant"},
        ),
        ("< trait('w')", set()),
        (".contains(trait('w'))", {"equal_texts", "inside", "text_and_number"}),
        (
            ".omits(trait('w'))",
            {"left_missing", "right_missing", "both_missing", "number_and_text", "texts_of_numbers"}
            | {"greater", "later", "same_instant"},
        ),
        (".starts_with(trait('w'))", {"equal_texts", "text_and_number"}),
        (".ends_with(trait('w'))", {"equal_texts", "text_and_number"}),
        (".one_of('zz', trait('w'))", {"equal_texts", "text_and_number", "number_and_text"}),
        (".after_date(trait('w'))", {"later"}),
        (".before_date(trait('w'))", set()),
    ],
)
def test_comparison_with_a_trait(comparison: str, expected: set[str]) -> None:
    profiles = [{"id": key, "traits": {"v": left, "w": right}} for key, left, right in DYNAMIC]
    assert set(members(f"trait('v') {comparison}", profiles=profiles)) == expected
    events = [
        {"profile": key, "event": "A", "timestamp": timedelta(1), "properties": {"v": left}} for key, left, _ in DYNAMIC
    ]
    assert set(members(f"event('A').where(property('v') {comparison}).count() = 1", events, profiles)) == expected


def test_a_literal_too_large_for_a_float_is_greater_than_everything() -> None:
    profiles = [{"id": "big", "traits": {"v": 1e308}}, {"id": "whole", "traits": {"v": 10**30}}]
    condition = tree.Comparison(tree.Trait(("v",)), tree.Operator.LESS_THAN, (tree.Number(10**400),))
    it = Computation(key="it", kind=Kind.AUDIENCE, expression=condition)
    assert snapshots([it], profiles=profiles)["it"] == {"big": "true", "whole": "true"}


def test_dates_before_1970_and_far_away() -> None:
    profiles = [
        {"id": "old", "traits": {"v": "0001-01-01T00:00:00Z"}},
        {"id": "far", "traits": {"v": "9999-12-31T23:59:59.999999Z"}},
    ]
    assert members("trait('v') < 1900-01-01", profiles=profiles) == ["old"]
    assert members("trait('v').after_next(1 hour)", profiles=profiles) == ["far"]
    assert datetime(2024, 6, 15, 12, tzinfo=UTC) == AS_OF
