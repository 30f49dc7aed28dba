from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.events.value_texts import json_text, number_text, value_of

# What String(number) gives in JavaScript (ECMAScript, Number::toString).
JAVASCRIPT = [
    (0.0, "0"),
    (-0.0, "0"),
    (7.0, "7"),
    (7.5, "7.5"),
    (-1.5, "-1.5"),
    (0.1, "0.1"),
    (0.1 + 0.2, "0.30000000000000004"),
    (100.0, "100"),
    (123456.789, "123456.789"),
    (0.000001, "0.000001"),
    (0.0000012, "0.0000012"),
    (0.0000001, "1e-7"),
    (0.00000123, "0.00000123"),
    (1.23e-7, "1.23e-7"),
    (1e-10, "1e-10"),
    (1e15, "1000000000000000"),
    (1e16, "10000000000000000"),
    (1e20, "100000000000000000000"),
    (123456789012345680000.0, "123456789012345680000"),
    (1e21, "1e+21"),
    (1.5e21, "1.5e+21"),
    (-1e21, "-1e+21"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (5e-324, "5e-324"),
    (2.0**53, "9007199254740992"),
    (1.8446744073709552e19, "18446744073709552000"),
    (4.35, "4.35"),
    (0.00001, "0.00001"),
]


@pytest.mark.parametrize(("number", "text"), JAVASCRIPT)
def test_floats_print_as_in_javascript(number: float, text: str) -> None:
    assert number_text(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-12, "-12"),
        (2**63, "9223372036854775808"),
        (10**30, "1" + "0" * 30),
        (Decimal("1.500"), "1.5"),
        (Decimal("-0.00"), "0"),
        (Decimal("100"), "100"),
        (Decimal("1E+3"), "1000"),
        (Decimal("9.990000"), "9.99"),
        (Decimal("0.000001"), "0.000001"),
        (Decimal("0.0000001"), "1e-7"),
        (Decimal("12345678901234567890123.5"), "12345678901234567890123.5"),
        (Decimal(10) ** 25, "1" + "0" * 25),
    ],
)
def test_integers_and_decimals_keep_their_digits(number: int | Decimal, text: str) -> None:
    assert number_text(number) == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, Decimal("NaN")])
def test_what_json_has_no_number_for_is_refused(number: float | Decimal) -> None:
    with pytest.raises(ValueError, match="not a JSON number"):
        number_text(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_float_is_that_float(number: float) -> None:
    text = number_text(number)
    assert float(text) == number
    assert text == number_text(float(text))
    assert not text.endswith(".0")


@given(st.integers(min_value=-(2**53), max_value=2**53))
def test_a_whole_float_prints_like_the_integer(number: int) -> None:
    assert number_text(float(number)) == number_text(number) == str(number)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7.0, "7"),
        ('é\n"\\/\x01\u2028', '"é\\n\\"\\\\/\\u0001\u2028"'),
        ([1, 2.50, None, "a"], '[1,2.5,null,"a"]'),
        ({"b": 1, "a": {"x": []}, "c": {}}, '{"b":1,"a":{"x":[]},"c":{}}'),
        ({1: 2.0}, '{"1":2}'),
        (math.nan, "null"),
        ([math.inf], "[null]"),
        (datetime(2024, 1, 31, tzinfo=UTC), '"2024-01-31T00:00:00Z"'),
        (object(), "null"),
    ],
)
def test_json_text(value: object, text: str) -> None:
    assert json_text(value) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_text_says_the_same_to_any_reader(value: object) -> None:
    ours, pythons = (json.loads(text, parse_int=float) for text in (json_text(value), json.dumps(value)))
    assert ours == pythons


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", ("string", "", None)),
        ("a", ("string", "a", None)),
        ("5", ("string", "5", 5.0)),
        (5, ("number", "5", 5.0)),
        (5.0, ("number", "5", 5.0)),
        (Decimal("5.10"), ("number", "5.1", 5.1)),
        (True, ("boolean", "true", None)),
        (False, ("boolean", "false", None)),
        ([1], ("json", "[1]", None)),
        ((1, 2), ("json", "[1,2]", None)),
        ({"a": None}, ("json", '{"a":null}', None)),
        (math.nan, None),
        (math.inf, None),
        (b"ab", ("string", "ab", None)),
        (b"\xff", None),
        (datetime(2024, 1, 31, 10, 0, 0, 120_000), ("string", "2024-01-31T10:00:00.12Z", None)),  # noqa: DTZ001 (without a zone it is UTC)
        (
            datetime(2024, 1, 31, 1, tzinfo=timezone(timedelta(hours=2))),
            ("string", "2024-01-30T23:00:00Z", None),
        ),
        (datetime(1, 1, 1), ("string", "0001-01-01T00:00:00Z", None)),  # noqa: DTZ001 (without a zone it is UTC)
        (date(2024, 1, 31), ("string", "2024-01-31", None)),
        (time(10, 0, 0, 500_000), ("string", "10:00:00.5", None)),
        (time(10), ("string", "10:00:00", None)),
    ],
)
def test_value_of(value: object, expected: tuple[str, str, float | None] | None) -> None:
    assert value_of(value) == expected
