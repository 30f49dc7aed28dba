"""Sums and averages of numbers as they are written, in decimal, rounded once: 0.1 + 0.2 is 0.3, in any order.

Nearly all numbers have at most 15 digits. They are scaled to integers, whose sum is exact, and the sum is
divided by the scale at the end: the only rounding. Groups with any other number are added up one by one in
exact decimals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact, Overflow
from fractions import Fraction
from typing import Final

import polars as pl

from audiences.events.scaling import PLACES, divided, scaled

EXACT: Final = 2**53
"""Integers below have an exact Float64, so that the division of two of them is correctly rounded."""

EXACT_DECIMALS: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, Overflow])


def scaled_column(numbers: pl.Series, texts: pl.Series) -> tuple[pl.Series, int]:
    """The numbers as integers at the scale that fits most of them, and that scale's number of places.

    ``numbers`` Float64 and ``texts`` as they are written; the result is null where a number is missing or
    doesn't fit.
    """
    best, chosen = pl.Series([], dtype=pl.Int64), -1
    for places in PLACES:
        candidate = scaled(numbers, texts, places)
        if chosen < 0 or candidate.null_count() < best.null_count():
            best, chosen = candidate, places
        if best.null_count() == numbers.null_count():
            break
    return best, chosen


def addable(integers: pl.Series) -> pl.Series:
    """The same integers in a type in which no sum of them overflows."""
    largest = integers.abs().max()
    if isinstance(largest, int) and largest * len(integers) >= 2**63:
        return integers.cast(pl.Int128)
    return integers


def quotients(totals: pl.Series, divisors: pl.Series) -> pl.Series:
    """``totals / divisors`` of integers, correctly rounded; null where 53 bits don't hold one of them."""
    frame = pl.DataFrame({"total": totals, "divisor": divisors})
    small = (pl.col("total").abs() < EXACT) & (pl.col("divisor") < EXACT)
    frame = frame.select(pl.when(small).then(pl.all()).cast(pl.Float64))
    return divided(frame["total"], frame["divisor"])


def exact_sum(texts: Sequence[str]) -> Decimal:
    """The sum of numbers as written, without any rounding. Text that reads as 0 in Float64 adds nothing."""
    total = Decimal(0)
    for text in texts:
        if float(text) != 0.0:  # 1e-999999999 would need a billion digits
            total = EXACT_DECIMALS.add(total, EXACT_DECIMALS.create_decimal(text))
    return total


def rounded(total: Decimal, divisor: int = 1) -> float | None:
    """``total / divisor`` as the nearest Float64; None where it is too large for one."""
    if divisor == 1:
        number = float(total)
        return number + 0.0 if math.isfinite(number) else None
    fraction = Fraction(total) / divisor
    try:
        return fraction.numerator / fraction.denominator
    except OverflowError:
        return None
