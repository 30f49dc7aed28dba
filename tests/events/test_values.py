from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.events.json_columns import values_from_objects
from audiences.events.values import (
    VALUE,
    instant_of_text,
    json_of_value,
    json_text,
    text_number,
    value_of,
    value_of_json,
    values_from_column,
)


def plain(values: pl.Series) -> list[tuple[str, str, float | None] | None]:
    return [None if row is None else (row["kind"], row["text"], row["number"]) for row in values.to_list()]


NUMBERS = [
    ("5", 5.0),
    ("-5", -5.0),
    ("+5", 5.0),
    ("5.", 5.0),
    (".5", 0.5),
    ("-.5e-3", -0.0005),
    ("007", 7.0),
    ("1e5", 100000.0),
    ("1E+5", 100000.0),
    ("0.1", 0.1),
    ("-0", 0.0),
    ("1e400", None),
    ("", None),
    (" 5", None),
    ("5 ", None),
    ("5\n", None),
    ("5,0", None),
    ("1_000", None),
    ("0x10", None),
    ("1e", None),
    ("e5", None),
    (".", None),
    ("+", None),
    ("--5", None),
    ("NaN", None),
    ("Infinity", None),
    ("inf", None),
    ("٣", None),
    ("five", None),
    ("true", None),
]


@pytest.mark.parametrize(("text", "number"), NUMBERS)
def test_text_that_is_a_number(text: str, number: float | None) -> None:
    frame = pl.DataFrame({"text": [text]})
    found = frame.select(text_number(pl.col("text"))).item()
    assert found == number
    assert str(found) != "-0.0"
    known = value_of(text)
    assert known is not None
    assert known[2] == number


@given(st.text(alphabet="0123456789.eE+- ", max_size=8))
def test_numbers_are_what_the_rule_says(text: str) -> None:
    matches = re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII)
    number = float(text) if matches else None
    expected = number if number is not None and math.isfinite(number) else None
    assert pl.DataFrame({"text": [text]}).select(text_number(pl.col("text"))).item() == expected


COLUMNS: list[tuple[pl.Series, list[tuple[str, str, float | None] | None]]] = [
    (pl.Series([1, None, -3]), [("number", "1", 1.0), None, ("number", "-3", -3.0)]),
    (pl.Series([255], dtype=pl.UInt8), [("number", "255", 255.0)]),
    (pl.Series([2**64 - 1], dtype=pl.UInt64), [("number", "18446744073709551615", 2.0**64)]),
    (pl.Series([2**63 - 1]), [("number", "9223372036854775807", 2.0**63)]),
    (
        pl.Series([7.0, 2.5, math.nan, math.inf, None, 1e-7, 1e21, 1e17, -0.0]),
        [
            ("number", "7", 7.0),
            ("number", "2.5", 2.5),
            None,
            None,
            None,
            ("number", "1e-7", 1e-7),
            ("number", "1e+21", 1e21),
            ("number", "100000000000000000", 1e17),
            ("number", "0", 0.0),
        ],
    ),
    (pl.Series([0.5], dtype=pl.Float32), [("number", "0.5", 0.5)]),
    (
        pl.Series([Decimal("1.50"), Decimal("-200.00"), None], dtype=pl.Decimal(38, 6)),
        [("number", "1.5", 1.5), ("number", "-200", -200.0), None],
    ),
    (pl.Series([Decimal("100")], dtype=pl.Decimal(38, 0)), [("number", "100", 100.0)]),
    (pl.Series([Decimal("0.0000001")], dtype=pl.Decimal(38, 10)), [("number", "1e-7", 1e-7)]),
    (pl.Series([True, False, None]), [("boolean", "true", None), ("boolean", "false", None), None]),
    (
        pl.Series(["", "5", None, "null"]),
        [("string", "", None), ("string", "5", 5.0), None, ("string", "null", None)],
    ),
    (pl.Series(["a", None], dtype=pl.Categorical), [("string", "a", None), None]),
    (pl.Series(["a"], dtype=pl.Enum(["a"])), [("string", "a", None)]),
    (pl.Series([b"ab", b"\xff", None]), [("string", "ab", None), None, None]),
    (pl.Series([date(2024, 1, 31)]), [("string", "2024-01-31", None)]),
    (pl.Series([time(10, 30)]), [("string", "10:30:00", None)]),
    (pl.Series([timedelta(seconds=1)]), [None]),
    (pl.Series([None, None]), [None, None]),
    (pl.Series([[1.0, 2.5], [], None]), [("json", "[1,2.5]", None), ("json", "[]", None), None]),
    (pl.Series([['a"b', None]]), [("json", '["a\\"b",null]', None)]),
    (pl.Series([[[1], []]]), [("json", "[[1],[]]", None)]),
    (pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)), [("json", "[1,2]", None)]),
    (
        pl.Series([{"a": 1.0, "b": {"c": True}, "d": None}, None]),
        [("json", '{"a":1,"b":{"c":true}}', None), None],
    ),
    (pl.Series([{"a": None}]), [("json", "{}", None)]),
    (pl.Series([{'k"': 1}]), [("json", '{"k\\"":1}', None)]),
    (pl.Series([{}], dtype=pl.Struct({})), [("json", "{}", None)]),
    (
        pl.Series([{"a": 1, "b": None}, {}, None], dtype=pl.Map(pl.String, pl.Int64)),
        [("json", '{"a":1}', None), ("json", "{}", None), None],
    ),
]


@pytest.mark.parametrize(("series", "expected"), COLUMNS, ids=[str(series.dtype) for series, _ in COLUMNS])
def test_typed_columns(series: pl.Series, expected: list[Any]) -> None:
    values = values_from_column(series.alias("x"))
    assert values.dtype == VALUE
    assert values.name == "x"
    assert plain(values) == expected
    empty = values_from_column(series.clear())
    assert (empty.dtype, len(empty)) == (VALUE, 0)


INSTANT = datetime(2024, 1, 31, 10, 0, 0, 123_456)  # noqa: DTZ001 (columns without a zone are UTC)


@pytest.mark.parametrize(
    ("series", "text"),
    [
        (pl.Series([INSTANT], dtype=pl.Datetime("us")), "2024-01-31T10:00:00.123456Z"),
        (pl.Series([INSTANT], dtype=pl.Datetime("ms")), "2024-01-31T10:00:00.123Z"),
        (pl.Series([INSTANT], dtype=pl.Datetime("ns")), "2024-01-31T10:00:00.123456Z"),
        (
            pl.Series([INSTANT], dtype=pl.Datetime("us")).dt.replace_time_zone("Asia/Kolkata"),
            "2024-01-31T04:30:00.123456Z",
        ),
        (pl.Series([datetime(2024, 1, 31, tzinfo=UTC)]), "2024-01-31T00:00:00Z"),
        (pl.Series([datetime(2024, 1, 31, 0, 0, 0, 500_000, tzinfo=UTC)]), "2024-01-31T00:00:00.5Z"),
    ],
)
def test_timestamps_are_iso_text_in_utc(series: pl.Series, text: str) -> None:
    assert plain(values_from_column(series)) == [("string", text, None)]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=6))
def test_columns_of_any_mix_equal_one_value_at_a_time(objects: list[object]) -> None:
    values = values_from_objects(objects)
    assert values.dtype == VALUE
    assert plain(values) == [value_of(one) for one in objects]


@given(st.lists(JSON, max_size=6))
def test_values_to_json_text_and_back(objects: list[object]) -> None:
    frame = pl.DataFrame({"value": values_from_objects(objects)}, schema={"value": VALUE})
    frame = frame.with_columns(json=json_of_value(pl.col("value")))
    expected = [None if one is None else json_text(one) for one in objects]
    assert frame.get_column("json").to_list() == expected
    assert plain(frame.select(value_of_json(pl.col("json"))).to_series()) == plain(frame.get_column("value"))


def test_json_null_text_is_missing() -> None:
    frame = pl.DataFrame({"json": ["null", None, '"null"']})
    assert plain(frame.select(value_of_json(pl.col("json"))).to_series()) == [
        None,
        None,
        ("string", "null", None),
    ]


@given(st.lists(st.floats(allow_subnormal=True) | st.none(), max_size=5))
def test_float_columns_equal_one_value_at_a_time(numbers: list[float | None]) -> None:
    assert plain(values_from_column(pl.Series(numbers, dtype=pl.Float64))) == [value_of(one) for one in numbers]


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=8, max_value=10**20, min_value=-(10**20))))
def test_decimal_columns_equal_one_value_at_a_time(numbers: list[Decimal]) -> None:
    column = pl.Series(numbers, dtype=pl.Decimal(38, 8))
    assert plain(values_from_column(column)) == [value_of(one) for one in numbers]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


ISO = [
    ("2024-01-31", utc(2024, 1, 31)),
    ("2024-01-31T10:20", utc(2024, 1, 31, 10, 20)),
    ("2024-01-31T10:20:30", utc(2024, 1, 31, 10, 20, 30)),
    ("2024-01-31 10:20:30", utc(2024, 1, 31, 10, 20, 30)),
    ("2024-01-31t10:20:30z", utc(2024, 1, 31, 10, 20, 30)),
    ("2024-01-31T10:20:30Z", utc(2024, 1, 31, 10, 20, 30)),
    ("2024-01-31T10:20:30.5Z", utc(2024, 1, 31, 10, 20, 30, 500_000)),
    ("2024-01-31T10:20:30,5Z", utc(2024, 1, 31, 10, 20, 30, 500_000)),
    ("2024-01-31T10:20:30.1234569Z", utc(2024, 1, 31, 10, 20, 30, 123_456)),
    ("2024-01-31T10:20:30.000000999Z", utc(2024, 1, 31, 10, 20, 30)),
    ("2024-01-31T10:20:30+02:00", utc(2024, 1, 31, 8, 20, 30)),
    ("2024-01-31T10:20:30-0530", utc(2024, 1, 31, 15, 50, 30)),
    ("2024-01-31T23:20:30-01", utc(2024, 2, 1, 0, 20, 30)),
    ("2024-01-31T10:20+01:00", utc(2024, 1, 31, 9, 20)),
    ("2024-02-29", utc(2024, 2, 29)),
    ("1969-12-31T23:59:59.999999Z", utc(1969, 12, 31, 23, 59, 59, 999_999)),
    ("0001-01-01", utc(1, 1, 1)),
    ("9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999_999)),
    ("2023-02-29", None),
    ("2024-13-01", None),
    ("2024-00-10", None),
    ("2024-01-32", None),
    ("0000-01-01", None),
    ("0001-01-01T00:00:00+01:00", None),
    ("2024-01-31T24:00:00Z", None),
    ("2024-01-31T10:60:00Z", None),
    ("2024-01-31T10:20:60Z", None),
    ("2024-01-31T10", None),
    ("2024-01-31T10:20:30.Z", None),
    ("2024-01-31T10:20:30+25:00", None),
    ("2024-01-31Z", None),
    ("2024-01-31  10:20:30", None),
    (" 2024-01-31", None),
    ("2024-01-31\n", None),
    ("2024-1-31", None),
    ("20240131", None),
    ("2024-031", None),
    ("2024-01", None),
    ("2024", None),
    ("31.01.2024", None),
    ("1706659200", None),
    ("", None),
    ("now", None),
    (None, None),
]


@pytest.mark.parametrize(("text", "instant"), ISO)
def test_iso_8601(text: str | None, instant: datetime | None) -> None:
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    result = frame.select(instant_of_text(pl.col("text")))
    assert result.dtypes == [pl.Datetime("us", "UTC")]
    assert result.item() == instant


@given(st.datetimes(timezones=st.timezones()))
def test_what_python_writes_is_read_back(instant: datetime) -> None:
    offset = instant.utcoffset() or timedelta()
    if offset.total_seconds() % 60 or not utc(1, 1, 2) <= instant <= utc(9999, 12, 30):
        return  # ISO 8601 has no seconds in offsets
    frame = pl.DataFrame({"text": [instant.isoformat()]})
    assert frame.select(instant_of_text(pl.col("text"))).item() == instant.astimezone(UTC)
