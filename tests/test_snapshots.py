from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from audiences.snapshots import text_of, typed
from stateful import audience, snapshot, trait

COUNT = "event('A').count()"
SUM = "event('A').sum(property('p'))"
LEAST = "event('A').min(property('p'))"
LEAST_TEXT = "event('A').min(property('p') as string)"
MODE = "event('A').mode(property('p'), 1)"
UNIQUE = "event('A').unique(property('p'))"
UNIQUE_COUNT = "event('A').unique(property('p')).count()"
FIRST = "event('A').first(property('p'))"
LAST = "event('A').last(property('p'))"
COPY = "trait('p')"


@pytest.mark.parametrize(
    ("definition", "stored", "dtype", "shown"),
    [
        (COUNT, ["3", "0"], pl.Int64(), [3, 0]),
        (UNIQUE_COUNT, ["12"], pl.Int64(), [12]),
        (SUM, ["30", "17.5", "-0.25"], pl.Float64(), [30.0, 17.5, -0.25]),
        (LEAST, ["1e-7", "1e+21"], pl.Float64(), [1e-7, 1e21]),
        (LEAST_TEXT, ['"10"', '"9"'], pl.String(), ["10", "9"]),
        (MODE, ['"shoes"', '""'], pl.String(), ["shoes", ""]),
        (UNIQUE, ['["a","b"]', "[]"], pl.List(pl.String()), [["a", "b"], []]),
        (FIRST, ["1", "9223372036854775807"], pl.Int64(), [1, 9223372036854775807]),
        (FIRST, ["1", "9223372036854775808"], pl.Float64(), [1.0, 9223372036854775808.0]),
        (LAST, ["1", "2.5"], pl.Float64(), [1.0, 2.5]),
        (LAST, ["true", "false"], pl.Boolean(), [True, False]),
        (LAST, ['"x"', '"5"'], pl.String(), ["x", "5"]),
        (LAST, ['"2024-01-31T00:00:00Z"'], pl.String(), ["2024-01-31T00:00:00Z"]),
        (COPY, ['"a \\"b\\"\\n"', "5", "true"], pl.String(), ['a "b"\n', "5", "true"]),
        (COPY, ['["a",1]', '{"k":"v"}', '"é"'], pl.String(), ['["a",1]', '{"k":"v"}', "é"]),
        (COPY, [], pl.String(), []),
        (UNIQUE, [], pl.List(pl.String()), []),
    ],
)
def test_each_kind_of_trait_has_its_type(
    definition: str, stored: list[str], dtype: pl.DataType, shown: list[Any]
) -> None:
    ids = [f"p{number}" for number in range(len(stored))]
    frame = typed(snapshot(dict(zip(ids, stored, strict=True))), trait("t", definition=definition))
    assert frame.schema == {"id": pl.String(), "value": dtype}
    assert frame.rows() == list(zip(ids, shown, strict=True))


def test_an_audience_is_true_for_its_members() -> None:
    frame = typed(snapshot(["p2", "p1"]), audience("a"))
    assert frame.schema == {"id": pl.String(), "value": pl.Boolean()}
    assert frame.rows() == [("p2", True), ("p1", True)]


def test_a_default_that_is_not_of_the_definitions_type_makes_the_column_text() -> None:
    frame = typed(snapshot({"p1": "3", "p2": '"none"'}), trait("t", definition=COUNT))
    assert frame.rows() == [("p1", "3"), ("p2", "none")]


def test_a_default_with_a_fraction_makes_a_count_a_float() -> None:
    frame = typed(snapshot({"p1": "3", "p2": "0.5"}), trait("t", definition=COUNT))
    assert frame.get_column("value").dtype == pl.Float64
    assert frame.rows() == [("p1", 3.0), ("p2", 0.5)]


def test_text_of_a_value_leaves_what_is_missing_missing() -> None:
    assert text_of(pl.Series(['"a"', None, "1"])).to_list() == ["a", None, "1"]
