"""Identifiers of many profiles against the rule in plain Python, one profile at a time."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from audiences.csv_identifiers import email_addresses, held, width
from audiences.csv_layouts import as_columns, as_rows, column_headings, unformatted
from audiences.events.identifiers import EXTERNAL_IDS

Identifier = tuple[str | None, str | None, int | None]
"""Type, value, and how many days after a certain one it was added."""

TYPES = ["email", "user_id", "phone", 'od"d', "", None]
VALUES = ["a", "b", "c", 'say "x"', "back\\slash", "two\nlines", "tab\t", "x,y", "é\x01", " ", "", None]
IDENTIFIER = st.tuples(st.sampled_from(TYPES), st.sampled_from(VALUES), st.sampled_from([None, 1, 2, 3]))
PROFILES = st.lists(st.none() | st.lists(IDENTIFIER, max_size=8), max_size=12)
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def series(profiles: list[list[Identifier] | None]) -> pl.Series:
    rows = [
        None
        if listed is None
        else [
            {"type": type_, "value": value, "created_at": None if day is None else FIRST_DAY + timedelta(days=day)}
            for type_, value, day in listed
        ]
        for listed in profiles
    ]
    return pl.Series("external_ids", rows, dtype=EXTERNAL_IDS)


def plainly(listed: list[Identifier] | None) -> dict[str, list[str]]:
    """The earliest first, those of unknown age last; each once; only what has a type and a value."""
    found: dict[str, list[str]] = {}
    for type_, value, _ in sorted(listed or [], key=lambda item: (item[2] is None, item[2] or 0)):
        if type_ and value and value not in found.setdefault(type_, []):
            found[type_].append(value)
    return {type_: found[type_] for type_ in sorted(found) if found[type_]}


def plain_width(profiles: list[list[Identifier] | None]) -> dict[str, int]:
    everyone = [plainly(listed) for listed in profiles]
    types = sorted({type_ for one in everyone for type_ in one})
    return {type_: max(len(one.get(type_, [])) for one in everyone) for type_ in types}


def read(frame: pl.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(frame.write_csv(include_header=False), newline=""), strict=True))


def keys(profiles: list[list[Identifier] | None]) -> pl.DataFrame:
    return pl.DataFrame({"0": [f"p{number}" for number in range(len(profiles))]}, schema={"0": pl.String})


@given(PROFILES)
@settings(max_examples=300, deadline=None)
def test_the_values_of_each_type(profiles: list[list[Identifier] | None]) -> None:
    found = held(series(profiles))
    widths = plain_width(profiles)
    assert list(found) == list(widths)
    assert {name: width(values) for name, values in found.items()} == widths
    for row, listed in enumerate(profiles):
        mine = {name: values[row].to_list() for name, values in found.items() if values[row] is not None}
        assert {name: values for name, values in mine.items() if values} == plainly(listed)


@given(PROFILES)
@settings(max_examples=200, deadline=None)
def test_external_ids_are_json(profiles: list[list[Identifier] | None]) -> None:
    rows = read(unformatted(keys(profiles), held(series(profiles)), 1))
    expected = [json.dumps(plainly(listed), ensure_ascii=False, separators=(",", ":")) for listed in profiles]
    assert rows == [[f"p{number}", text] for number, text in enumerate(expected)]


@given(PROFILES)
@settings(max_examples=200, deadline=None)
def test_columns(profiles: list[list[Identifier] | None]) -> None:
    widths = plain_width(profiles) | {"nobody": 1}
    rows = read(as_columns(keys(profiles), held(series(profiles)), widths))
    for number, listed in enumerate(profiles):
        one = plainly(listed)
        expected = [(one.get(type_, []) + [""] * most)[:most] for type_, most in widths.items()]
        assert rows[number] == [f"p{number}", *(value for values in expected for value in values)]


@given(PROFILES)
@settings(max_examples=200, deadline=None)
def test_rows(profiles: list[list[Identifier] | None]) -> None:
    types = [*reversed(plain_width(profiles)), "nobody"]
    expected = []
    for number, listed in enumerate(profiles):
        one = plainly(listed)
        expected.append([f"p{number}", *(one.get(type_, [""])[0] for type_ in types)])
        for place, type_ in enumerate(types):
            further = [[""] * place + [value] + [""] * (len(types) - place - 1) for value in one.get(type_, [])[1:]]
            expected += [[f"p{number}", *cells] for cells in further]
    assert read(as_rows(keys(profiles), held(series(profiles)), types)) == expected


def test_headings_of_columns() -> None:
    assert column_headings({"email": 3, "phone": 1}) == ["email", "email_1", "email_2", "phone"]


def test_email_addresses_are_trimmed_lower_case_and_distinct() -> None:
    listed: list[list[Identifier] | None] = [
        [("email", " Ann@Example.COM", None), ("user_id", "u", None)],
        None,
        [("email", "ann@example.com ", 1), ("email", "  ", 1), ("email", "", 1), ("email", None, 1)],
        [("email", "ÄRA@example.com", 2)],
    ]
    assert sorted(email_addresses(series(listed)).to_list()) == ["ann@example.com", "ära@example.com"]


def test_nobody_has_identifiers() -> None:
    assert held(series([])) == {}
    assert held(series([None, []])) == {}
    assert read(unformatted(keys([None, []]), {}, 1)) == [["p0", "{}"], ["p1", "{}"]]
