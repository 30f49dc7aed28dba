"""Rows that wait: texts that repeat become numbers, and come back as they were."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from audiences.events.store.base import in_order, sorted_by
from audiences.events.store.interned import Interned
from audiences.events.store.pieces import Spill, together

TEXTS = ["b", None, "", "b", "ü"]


def interned(*texts: str | None, column: str = "property:v") -> pl.Series:
    return Interned().of(pl.DataFrame({column: pl.Series(list(texts), dtype=pl.String)})).get_column(column)


def test_few_texts_become_categories() -> None:
    found = interned(*TEXTS)
    assert isinstance(found.dtype, pl.Categorical)
    assert found.cast(pl.String).to_list() == TEXTS


def test_the_next_rows_have_the_same_categories() -> None:
    one = Interned()
    frames = [one.of(pl.DataFrame({"property:v": texts})) for texts in (["b", "a"], ["c", "a"])]
    assert frames[0].schema == frames[1].schema
    assert pl.concat(frames).get_column("property:v").cast(pl.String).to_list() == ["b", "a", "c", "a"]


def test_nothing_is_null() -> None:
    assert interned(None, None).dtype == pl.Null


@pytest.mark.parametrize("column", ["message_id", "identity"])
def test_ids_that_do_not_repeat_stay(column: str) -> None:
    assert interned("a", "b", column=column).dtype == pl.String


def test_long_texts_stay() -> None:
    assert interned("a", "x" * 257).dtype == pl.String


def test_very_many_texts_stay_and_join_those_before() -> None:
    one = Interned()
    few = one.of(pl.DataFrame({"property:v": ["7", "8"]}))
    many = pl.DataFrame({"property:v": [str(number) for number in range(70_000)]})
    found = together([few, one.of(many)])
    assert found.dtypes == [pl.String]
    assert found.get_column("property:v").to_list() == ["7", "8", *map(str, range(70_000))]
    assert one.of(few.cast(pl.String)).dtypes == [pl.String]


@pytest.mark.parametrize("in_memory", [True, False])
def test_categories_come_back(tmp_path: Path, in_memory: bool) -> None:
    spill = Spill(None if in_memory else tmp_path)
    rows = pl.DataFrame({"property:v": TEXTS, "part": [1, 0, 1, 1, 0], "n": [1, 2, 3, 4, 5]})
    one = Interned()
    spill.share("rows", one.of(rows), "part")
    spill.put("rows", 1, one.of(pl.DataFrame({"property:v": ["new"], "n": [6]})))
    del one
    found = together(spill.take("rows", 1)).with_columns(pl.col("property:v").cast(pl.String))
    assert found.to_dict(as_series=False) == {"property:v": ["b", "", "b", "new"], "n": [1, 3, 4, 6]}
    assert spill.take("rows", 1) == []
    assert together(spill.get("rows", 0)).get_column("n").to_list() == [2, 5]


@pytest.mark.parametrize("far", [0, 2**60], ids=["one number", "two numbers"])
def test_rows_in_order(far: int) -> None:
    keys = pl.DataFrame(
        {
            "home": pl.Series([5, 1, 1, 1, 5, 1, 0], dtype=pl.UInt32),
            "timestamp": [9, 3, 3, 2, 1, 3, far],
            "message_id": [None, None, "b", "z", None, "a", None],
            "content": ["x", "y", None, None, "y", None, "w"],
        }
    )
    assert in_order(keys).to_list() == [6, 3, 5, 2, 1, 4, 0]
    assert in_order(keys, pl.Series([0, 1, 2, 5], dtype=pl.UInt32)).to_list() == [5, 2, 1, 0]
    assert in_order(keys, pl.Series([], dtype=pl.UInt32)).to_list() == []


def test_rows_by_a_number_stay_in_order() -> None:
    assert sorted_by(pl.Series([2, 0, 2, 1, 0], dtype=pl.UInt16)).to_list() == [1, 4, 3, 0, 2]
