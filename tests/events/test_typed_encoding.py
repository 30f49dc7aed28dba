"""Typed columns are encoded as their values are."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.encoding import decoded, encoded
from audiences.events.typed_encoding import encoded_column
from audiences.events.values import VALUE, values_from_column

TEXTS = st.sampled_from(["", "a", "b", "7", "7.0", " 7", "1e3", "é", "ab", "B", "true", "x" * 40]) | st.text(max_size=4)
PRICES = st.integers(-(10**6), 10**6).map(lambda cents: cents / 100)
EDGES = st.sampled_from([
    0.0, -0.0, 1e14, -1e14, 1e15, 999999999999999.0, -99999999999999.9, 1e-9, 1e-7, 1e22, 1e300, 0.1, 1 / 3,
    float("inf"), float("-inf"), float("nan"), 123456.123456789, -123456.123456789, 2.0**53, 5e-324,
])  # fmt: skip
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (pl.String(), TEXTS),
    "categories": (pl.Categorical(pl.Categories.random(namespace="tests", physical=pl.UInt16)), TEXTS),
    "enum": (pl.Enum(["b", "a", "7"]), st.sampled_from(["a", "b", "7"])),
    "money": (pl.Float64(), PRICES),
    "floats": (pl.Float64(), PRICES | EDGES | st.floats()),
    "short floats": (pl.Float32(), st.floats(width=32)),
    "integers": (pl.Int64(), st.integers(-100, 100) | st.integers(-(2**63), 2**63 - 1)),
    "large integers": (pl.Int64(), st.integers(-(10**15) - 2, -(10**15) + 2) | st.integers(10**14 - 2, 10**14 + 2)),
    "without sign": (pl.UInt64(), st.integers(0, 2**64 - 1)),
    "bytes": (pl.UInt8(), st.integers(0, 255)),
    "booleans": (pl.Boolean(), st.booleans()),
    "decimals": (pl.Decimal(20, 4), st.integers(-(10**9), 10**9).map(lambda number: Decimal(number) / 10_000)),
    "instants": (pl.Datetime("us", "UTC"), st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
        lambda instant: instant.replace(tzinfo=UTC))),
    "days": (pl.Date(), st.dates(date(1970, 1, 1), date(2100, 1, 1))),
    "nothing": (pl.Null(), st.none()),
    "lists": (pl.List(pl.Int64), st.lists(st.integers(0, 3), max_size=3)),
}  # fmt: skip


def plain(form: Form | None) -> object:
    match form:
        case Coded(values=values):
            return values.to_list()
        case Scaled(places=places):
            return places
    return None


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_as_its_values(kind: str, data: st.DataObject) -> None:
    dtype, values = KINDS[kind]
    rows = data.draw(st.lists(st.none() | values, max_size=12))
    column = pl.Series("v", rows, dtype=dtype)
    found, form = encoded_column(column)
    expected, expected_form = encoded(values_from_column(column))
    assert (found.name, found.dtype, found.to_list()) == ("v", expected.dtype, expected.to_list())
    assert (type(form), plain(form)) == (type(expected_form), plain(expected_form))
    assert decoded(found, form).to_list() == values_from_column(column).to_list()


def test_a_price_by_hand() -> None:
    found, form = encoded_column(pl.Series("v", [19.99, None, 5.0, -0.05]))
    assert (found.to_list(), form) == ([1999, None, 500, -5], Scaled(2))


def test_texts_by_hand() -> None:
    found, form = encoded_column(pl.Series("v", ["b", "10", None, "b"]))
    assert found.to_list() == [1, 0, None, 1]
    assert plain(form) == [
        {"kind": "string", "text": "10", "number": 10.0},
        {"kind": "string", "text": "b", "number": None},
    ]


def test_lists_of_values_stay() -> None:
    lists = pl.Series("v", [[], None], dtype=pl.List(VALUE))
    found, form = encoded_column(lists)
    assert (found.to_list(), form) == ([[], None], None)
