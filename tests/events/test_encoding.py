"""Columns of values as integers, and back."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.events.buckets import Coded, Scaled
from audiences.events.encoding import decoded, encoded
from audiences.events.value_texts import value_of
from audiences.events.values import VALUE


def column(*values: object) -> pl.Series:
    """Python values as they come out of JSON, as VALUE, one by one and not by what is tested."""
    known = [value_of(value) for value in values]
    rows = [None if value is None else dict(zip(("kind", "text", "number"), value, strict=True)) for value in known]
    return pl.Series("property:it", rows, dtype=VALUE)


@pytest.mark.parametrize(
    ("values", "places", "integers"),
    [
        ((3, None, -7), 0, [3, None, -7]),
        ((3, 2.5, 44.63), 2, [300, 250, 4463]),
        ((0.001, 7), 4, [10, 70000]),
        ((-0.0, 0, 7.0), 0, [0, 0, 7]),
        ((999999999999999,), 0, [999999999999999]),
        ((), 0, []),
        ((None, None), 0, [None, None]),
    ],
)
def test_numbers_are_scaled(values: tuple[object, ...], places: int, integers: list[int | None]) -> None:
    found, form = encoded(column(*values))
    assert (found.to_list(), form) == (integers, Scaled(places))
    assert found.dtype == pl.Int64


@pytest.mark.parametrize("odd", ["7", True, {"a": 1}, 1e21, 2**60, 1e-10, 0.1 + 0.2, 1234567890123.456])
def test_one_that_does_not_fit_makes_all_codes(odd: object) -> None:
    values = column(7, odd, None, 7)
    found, form = encoded(values)
    assert isinstance(form, Coded)
    assert found.dtype == pl.UInt32
    assert decoded(found, form).to_list() == values.to_list()


def test_codes_are_in_the_order_of_text_then_kind() -> None:
    found, form = encoded(column("b", 7, "7", "", "B", True, "true"))
    assert isinstance(form, Coded)
    texts = form.values.struct.field("text").to_list()
    assert texts == ["", "7", "7", "B", "b", "true", "true"]
    assert form.values.struct.field("kind").to_list()[1:3] == ["number", "string"]
    assert found.to_list() == [4, 1, 2, 0, 3, 5, 6]


def test_lists_of_values_stay() -> None:
    lists = pl.Series("it", [[{"kind": "string", "text": "a", "number": None}], []], dtype=pl.List(VALUE))
    found, form = encoded(lists)
    assert form is None
    assert found.to_list() == decoded(found, form).to_list() == lists.to_list()


NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**6), 10**6).map(lambda cents: cents / 100),
)
VALUES = st.one_of(st.none(), NUMBERS, st.booleans(), st.sampled_from(["", "7", "7.0", "x", "ü"]), st.just([1, "a"]))


@given(st.one_of(st.lists(st.one_of(st.none(), NUMBERS)), st.lists(VALUES)))
def test_there_and_back(values: list[object]) -> None:
    given_values = column(*values)
    found, form = encoded(given_values)
    assert len(found) == len(values)
    assert found.name == "property:it"
    assert decoded(found, form).to_list() == given_values.to_list()
