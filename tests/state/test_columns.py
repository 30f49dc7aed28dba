"""Columns of values: every form, and the JSON text that each gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.definitions.computation import Kind
from audiences.events.values import VALUE, value_of
from audiences.state.column_files import ColumnWriter, read_column
from audiences.state.columns import Column, Form, column_of, column_of_json, different, empty_column, together
from stateful import audience, trait

SUM = trait("sum", definition="event('A').sum(property('p'))")
COUNT = trait("count")
MODE = trait("mode", definition="event('A').mode(property('p'), 1)")
LIST = trait("list", definition="event('A').unique(property('p'))")
LAST = trait("last", definition="event('A').last(property('p'))")


def values(*items: Any) -> pl.Series:
    rows = [
        dict(zip(("kind", "text", "number"), found, strict=True)) if (found := value_of(it)) else None for it in items
    ]
    return pl.Series(rows, dtype=VALUE)


@pytest.mark.parametrize(
    ("computed", "form", "texts"),
    [
        (pl.Series([True, False, None]), Form.BOOLEAN, ["true", "false", None]),
        (pl.Series([3, None, -1], dtype=pl.Int32), Form.INTEGER, ["3", None, "-1"]),
        (pl.Series([2**32 - 1], dtype=pl.UInt32), Form.INTEGER, ["4294967295"]),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), Form.JSON, ["18446744073709551615"]),
        (pl.Series([1.0, 0.1, 1e21, 1e-7, None]), Form.NUMBER, ["1", "0.1", "1e+21", "1e-7", None]),
        (pl.Series([-0.0, float("nan"), float("inf")]), Form.NUMBER, ["0", None, None]),
        (pl.Series(["a", 'b"\n', "", None, "5"]), Form.TEXT, ['"a"', '"b\\"\\n"', '""', None, '"5"']),
        (values(1, "1", True, [1, "a"], None), Form.JSON, ["1", '"1"', "true", '[1,"a"]', None]),
        (pl.Series([["a", "b"], None]), Form.JSON, ['["a","b"]', None]),
    ],
)
def test_what_an_engine_computes(computed: pl.Series, form: Form, texts: list[str | None]) -> None:
    column = column_of(computed, Kind.TRAIT)
    assert column.form is form
    assert column.json().to_list() == texts
    assert column.count() == sum(text is not None for text in texts)


def test_of_an_audience_there_are_members_only() -> None:
    column = column_of(pl.Series([True, False, None]), Kind.AUDIENCE)
    assert column.values.to_list() == [True, None, None]


@pytest.mark.parametrize(
    ("item", "texts", "form"),
    [
        (audience("members"), ["true", None], Form.BOOLEAN),
        (COUNT, ["3", None, "0"], Form.INTEGER),
        (COUNT, ["3", '"none"'], Form.JSON),  # a default
        (COUNT, ["3", "2.5"], Form.JSON),
        (COUNT, ["99999999999999999999"], Form.JSON),
        (SUM, ["3", "0.1", None, "1e+21"], Form.NUMBER),
        (SUM, ["0.30000000000000004"], Form.NUMBER),
        (SUM, ["9007199254740993"], Form.NUMBER),
        (SUM, ["12345678901234567890"], Form.JSON),  # more digits than a Float64 has
        (SUM, ['"7"'], Form.JSON),
        (MODE, ['"a"', None, '"\\""'], Form.TEXT),
        (MODE, ['"a"', "7"], Form.JSON),
        (LIST, ['["a"]', "[]"], Form.JSON),
        (LAST, ["1", '"a"'], Form.JSON),
        (COUNT, [], Form.INTEGER),
    ],
)
def test_stored_text_comes_back_exactly(item: Any, texts: list[str | None], form: Form) -> None:
    column = column_of_json(pl.Series(texts, dtype=pl.String), item)
    if texts != ["9007199254740993"]:
        assert column.form is form
    assert column.json().to_list() == texts


def test_columns_of_several_forms_become_json() -> None:
    numbers, texts = column_of(pl.Series([1, 2]), Kind.TRAIT), column_of(pl.Series(["1"]), Kind.TRAIT)
    both = together([numbers, texts, empty_column(Form.BOOLEAN, 0)])
    assert (both.form, both.values.to_list()) == (Form.JSON, ["1", "2", '"1"'])
    assert together([numbers, numbers]).form is Form.INTEGER
    assert len(together([])) == 0


def test_the_same_value_in_another_form_is_no_difference() -> None:
    now = Column(Form.INTEGER, pl.Series([1, 2, None, 4]))
    before = Column(Form.JSON, pl.Series(["1", '"2"', None, None], dtype=pl.String))
    assert different(now, before).to_list() == [1, 3]
    assert different(Column(Form.NUMBER, pl.Series([1.0, 2.5])), Column(Form.INTEGER, pl.Series([1, 2]))).to_list() == [
        1
    ]


def test_a_file_grows_and_may_change_its_form(tmp_path: Path) -> None:
    path = tmp_path / "column"
    assert len(read_column(path)) == 0
    writer = ColumnWriter(path)
    # A slice: what is written must not have the other rows' texts.
    writer.add(Column(Form.TEXT, pl.Series(["x" * 1_000] * 5 + ["a", None]).slice(5)))
    writer.flush()
    assert path.stat().st_size < 1_000
    writer.add(Column(Form.TEXT, pl.Series(["b"])))
    writer.add(Column(Form.INTEGER, pl.Series([7])))
    assert len(read_column(path)) == 2
    writer.flush()
    found = read_column(path)
    assert (found.form, found.values.to_list()) == (Form.JSON, ['"a"', None, '"b"', "7"])
    assert (writer.rows, writer.size) == (4, 0)
