"""What is found of the events and fields that somebody asks about."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from audiences.errors import InputError
from audiences.events import catalogue as module
from audiences.events import open_inputs, tables
from audiences.events.catalogue import Asked, Catalogue, Field
from audiences.events.tables import InputFrames

Row = tuple[str, str | None, dict[str, object]]
TOTAL = Field("property", ("total",), "Order Completed")
COUPON = Field("property", ("coupon",), "Order Completed")


def events(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "type": [row[0] for row in rows],
            "event": [row[1] for row in rows],
            "properties": [json.dumps(row[2]) for row in rows],
        },
        schema={"type": pl.String, "event": pl.String, "properties": pl.String},
    )


def look(frame: pl.DataFrame, *fields: Field, numbers: tuple[Field, ...] = (), **sources: pl.DataFrame) -> Catalogue:
    asked = Asked(frozenset(field.event for field in fields if field.event), frozenset(fields), frozenset(numbers))
    return open_inputs(InputFrames(events=frame, **sources)).catalogue(asked)


def test_all_events_are_counted() -> None:
    found = look(
        events(
            ("track", "A", {}), ("Track", "B", {}), ("page", "ignored", {}), ("screen", None, {}), ("track", "A", {})
        )
    )

    assert found.events == {"A": 2, "B": 1, "Page Viewed": 1, "Screen Viewed": 1}


def test_a_field_is_there_if_one_event_has_a_value() -> None:
    found = look(
        events(
            ("track", "Order Completed", {"coupon": None}),
            ("track", "Order Completed", {"total": 0}),
            ("track", "Other", {"coupon": "x"}),
        ),
        TOTAL,
        COUPON,
    )

    assert found.fields[TOTAL].values
    assert not found.fields[COUPON].values
    assert found.paths["property", "Order Completed"] == {("total",): 1}


@pytest.mark.parametrize(
    ("values", "has_number", "example"),
    [
        (["free", 7], True, "free"),
        (["free", "1e3"], True, "free"),
        (["EUR", "USD"], False, "EUR"),
        ([None, True], False, "true"),
        ([[1], {"a": 1}], False, "[1]"),
        (["x" * 100], False, "x" * 40 + "…"),
    ],
)
def test_what_values_are_like(values: list[object], has_number: bool, example: str) -> None:
    rows: list[Row] = [("track", "Order Completed", {"total": value}) for value in values]

    found = look(events(*rows), TOTAL, numbers=(TOTAL,)).fields[TOTAL]

    assert (found.has_number, found.example) == (has_number, example)


def test_a_number_in_a_later_batch_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 10)
    rows: list[Row] = [("track", "Order Completed", {"total": "n/a", "currency": "EUR"})] * 35
    last: Row = ("track", "Order Completed", {"total": "n/a", "coupon": "first"})

    found = look(events(*rows, last, ("track", "Order Completed", {"total": 5})), TOTAL, COUPON, numbers=(TOTAL,))

    assert found.fields[TOTAL].has_number
    assert found.fields[COUPON].values == 1
    assert found.events == {"Order Completed": 37}


def test_names_beyond_the_limit_are_left_out_but_never_those_that_are_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_NAMES", 3)
    rows: list[Row] = [("track", f"Event {number}", {}) for number in range(10)]
    wanted: list[Row] = [("track", "Order Completed", {f"p{number}": 1}) for number in range(10)]

    found = look(events(*rows, *wanted, ("track", "Order Completed", {"total": 1})), TOTAL, COUPON)

    assert found.events == {"Order Completed": 11, "Event 0": 1, "Event 1": 1}
    assert found.fields[TOTAL].values == 1
    assert len(found.paths["property", "Order Completed"]) == 3


def test_the_name_of_a_page_is_a_property() -> None:
    name, page_name = Field("property", ("name",), "Page Viewed"), Field("property", ("page_name",), "Page Viewed")
    missing = Field("property", ("titel",), "Page Viewed")
    frame = events(("page", None, {"title": "Home"})).with_columns(name=pl.lit("Start"))

    found = look(frame, name, page_name, missing)

    assert found.fields[name].values == found.fields[page_name].values == 1
    assert set(found.paths["property", "Page Viewed"]) == {("title",), ("page_name",)}


def test_traits_come_from_tables_and_from_calls() -> None:
    fields = [Field("trait", (name,)) for name in ("plan", "city", "seats")]
    account_fields = [Field("account_trait", (name,)) for name in ("plan", "city", "seats")]
    frame = events(("identify", None, {}), ("group", None, {})).with_columns(
        traits=pl.Series(['{"city": "Berlin"}', '{"seats": 5}'])
    )
    profiles = pl.DataFrame({"profile_id": ["a"], "traits": ['{"plan": "pro"}']})
    accounts = pl.DataFrame({"id": ["x"], "TRAITS": [{"plan": "team"}]})

    found = look(frame, *fields, *account_fields, profiles=profiles, accounts=accounts)

    assert [bool(found.fields[field].values) for field in fields] == [True, True, False]
    assert [bool(found.fields[field].values) for field in account_fields] == [True, False, True]
    assert found.paths["trait", ""] == {("plan",): 1, ("city",): 1}


def test_no_rows_and_no_columns_are_fine() -> None:
    assert look(events(), TOTAL) == Catalogue({}, {TOTAL: module.Found()}, {})
    assert look(pl.DataFrame(), TOTAL).events == {}


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    events(("track", "A", {})).write_parquet(file)
    file.write_bytes(file.read_bytes()[:-4])

    with pytest.raises(InputError, match="events"):
        open_inputs(InputFrames(events=file)).catalogue(Asked())


def test_progress_counts_rows() -> None:
    seen: list[tuple[int, int]] = []

    open_inputs(InputFrames(events=events(("track", "A", {}), ("track", "B", {})))).catalogue(
        Asked(), progress=lambda done, total: seen.append((done, total))
    )

    assert seen == [(2, 2)]
