"""Sums and averages are those of the numbers as written, rounded once, whatever the order of the rows."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from audiences.engines.exact_sums import exact_sum, quotients, rounded, scaled_column
from fakes import Event, computation, snapshots, values


def events(profile: str, found: list[Any]) -> list[Event]:
    return [
        {"profile": profile, "event": "A", "timestamp": timedelta(hours=1), "properties": {"v": value}}
        for value in found
    ]


def added(found: list[Any]) -> tuple[float | None, float | None]:
    profiles = [{"id": "p"}]
    total = values("event('A').sum(property('v'))", events("p", found), profiles).get("p")
    average = values("event('A').avg(property('v'))", events("p", found), profiles).get("p")
    return total, average


SUMS: list[tuple[list[Any], float]] = [
    ([0.1, 0.2], 0.3),
    ([0.1] * 10, 1.0),
    ([1e16, 1, -1e16], 1.0),
    ([1, 1e16, -1e16, 1], 2.0),
    ([1e300, 1, -1e300], 1.0),
    ([1e300, 1e-300], 1e300),
    ([1e-300, -1e-300], 0.0),
    ([1e-320, 2e-320], 3e-320),
    ([2**53, 1, 1], float(2**53 + 2)),
    ([9007199254740993, 9007199254740993], 18014398509481986.0),
    ([123456789012345678901234567890, -123456789012345678901234567889], 1.0),
    ([0.30000000000000004, -0.3], 4e-17),
    ([1.005, 2.675, "0.000000000000000000001"], 3.68),
    (["1e2", "+5", "-.5", "7."], 111.5),
    ([0.1, 999999999999.99, -999999999999.99], 0.1),
    ([0.000001, 1000000], 1000000.000001),
    ([1e308, 1e308, -1e308], 1e308),
    ([-0.0, 0], 0.0),
]


@pytest.mark.parametrize(("found", "expected"), SUMS, ids=[str(found)[:60] for found, _ in SUMS])
def test_sum(found: list[Any], expected: float) -> None:
    total, average = added(found)
    assert total == expected
    assert average == float(Fraction(sum(Fraction(str(value)) for value in found)) / len(found))


def test_a_sum_too_large_for_a_float_is_no_value() -> None:
    assert added([1e308, 1e308]) == (None, 1e308)


def test_text_that_reads_as_zero_adds_nothing_and_costs_nothing() -> None:
    assert added(["1e-999999999", 2]) == (2.0, 1.0)


def test_thousands_of_cents_in_any_order() -> None:
    random.seed(7)
    cents = [number * 7_919_771 % 20_000_000 - 9_000_000 for number in range(5_000)]
    amounts = [float(Decimal(cent) / 100) for cent in cents]
    expected = float(Decimal(sum(cents)) / 100)
    for _ in range(3):
        random.shuffle(amounts)
        assert added(amounts) == (expected, float(Fraction(sum(cents), 100 * len(cents))))


def test_long_floats_in_any_order() -> None:
    random.seed(8)
    amounts = [(number * 7_919_771 % 20_000_000 - 9_000_000) / 7 for number in range(2_000)]
    expected = sum(Fraction(str(amount)) for amount in amounts)
    for _ in range(3):
        random.shuffle(amounts)
        assert added(amounts) == (float(expected), float(expected / len(amounts)))


def test_groups_that_need_care_do_not_disturb_the_others() -> None:
    found: dict[str, list[Any]] = {
        "cents": [19.99, 0.01, 100],
        "long": [0.1, 0.12345678901234567],
        "large": [2**62, 2**62, 2**62],
        "text": ["x", "12.5"],
        "nothing": ["x", None],
    }
    rows = [event for profile, own in found.items() for event in events(profile, own)]
    result = snapshots([computation("it", "event('A').sum(property('v'))")], rows, [{"id": key} for key in found])
    assert result["it"] == {
        "cents": "120",
        "large": "13835058055282164000",
        "long": "0.22345678901234567",
        "text": "12.5",
    }


def test_many_integers_that_together_overflow_64_bits() -> None:
    found = [900_000_000_000_000] * 20_000
    total, average = added(found)
    assert total == float(900_000_000_000_000 * 20_000)
    assert average == 9e14


def test_only_what_is_written_is_scaled() -> None:
    texts = ["0.1", "0.10000000000000000555", "1e-3", "12.34", "123456789012345678", "x"]
    numbers = pl.Series([0.1, 0.1, 0.001, 12.34, 123456789012345678.0, None], dtype=pl.Float64)
    integers, places = scaled_column(numbers, pl.Series(texts))
    assert places == 4
    assert integers.to_list() == [1000, None, 10, 123400, None, None]


@pytest.mark.parametrize("rows", [1, 2, 10_000])
def test_quotients_are_correctly_rounded(rows: int) -> None:
    totals = [number * 7_919_771 % 10**13 for number in range(rows)]
    for divisor in (100, 3, 7):
        found = quotients(pl.Series(totals), pl.Series([divisor]).new_from_index(0, rows))
        assert found.to_list() == [total / divisor for total in totals]


def test_each_amount_of_cents_is_its_own_sum() -> None:
    amounts = {f"p{cents:05}": cents / 100 for cents in range(4_000, 6_000)}
    rows = [event for profile, amount in amounts.items() for event in events(profile, [amount])]
    found = snapshots([computation("it", "event('A').sum(property('v'))")], rows, [{"id": key} for key in amounts])
    assert {key: float(value) for key, value in found["it"].items()} == amounts


def test_exact_decimals() -> None:
    assert Fraction(exact_sum(["1e300", "1e-300"])) == Fraction(10) ** 300 + Fraction(10) ** -300
    assert rounded(Decimal(1), 3) == 1 / 3
    assert rounded(Decimal("1e400")) is None
    assert rounded(Decimal("1e400"), 2) is None
