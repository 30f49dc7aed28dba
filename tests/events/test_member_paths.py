"""The paths of a column of objects, whatever type it has."""

from __future__ import annotations

import json

import polars as pl
import pytest

from audiences.events.member_paths import MOST_MEMBERS, member_paths

OBJECTS: list[dict[str, object] | None] = [
    {"total": 5, "coupon": None, "cart": {"id": "c1", "lines": [{"sku": "a"}, {"sku": "b", "gift": True}]}},
    {"total": None, "tags": ["x", "y"], "cart": {"id": "c2", "lines": []}},
    None,
]
EXPECTED = {
    ("total",): 1,
    ("cart",): 2,
    ("cart", "id"): 2,
    ("cart", "lines"): 2,
    # Two elements in one of two arrays, one element in one: never more than there are arrays.
    ("cart", "lines", "$", "sku"): 2,
    ("cart", "lines", "$", "gift"): 1,
    ("tags",): 1,
    ("tags", "$"): 1,
}


def test_json_text() -> None:
    column = pl.Series([None if one is None else json.dumps(one) for one in OBJECTS])

    assert dict(member_paths(column)) == EXPECTED


def test_a_struct() -> None:
    dtype = pl.Struct(
        {
            "total": pl.Int64,
            "coupon": pl.String,
            "cart": pl.Struct({"id": pl.String, "lines": pl.List(pl.Struct({"sku": pl.String, "gift": pl.Boolean}))}),
            "tags": pl.List(pl.String),
        }
    )

    assert dict(member_paths(pl.Series(OBJECTS, dtype=dtype))) == EXPECTED


def test_a_map() -> None:
    entries = [[{"key": "total", "value": "5"}, {"key": "plan", "value": None}], [{"key": "total", "value": "7"}]]
    column = pl.Series(entries, dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.String})))

    assert dict(member_paths(column)) == {("total",): 2}


@pytest.mark.parametrize("text", ["[1]", "7", "no json", "", "null"])
def test_what_is_no_object_has_no_members(text: str) -> None:
    assert not member_paths(pl.Series([text]))


def test_an_object_that_is_a_table_is_cut() -> None:
    rows = [json.dumps({"by_id": {f"id{number}": {"n": 1} for number in range(MOST_MEMBERS + 100)}, "total": 1})]

    found = member_paths(pl.Series(rows))

    assert len(found) == MOST_MEMBERS + 2
    assert found["total",] == found["by_id",] == 1
