"""Numbers as integers: those with at most 15 digits, exactly as they are written."""

from __future__ import annotations

from typing import Final

import polars as pl

PLACES: Final = (0, 2, 4, 6, 9)
"""Digits after the point that are tried, in this order."""

LONGEST_TEXT: Final = 16
"""A number written in at most 16 characters, and below 10**15 once scaled, has at most 15 digits: no two
different such decimals are the same Float64, so the scaled integer is what was written."""

LARGEST: Final = 10**15


def divided(numerators: pl.Series, denominators: pl.Series) -> pl.Series:
    """The correctly rounded quotients of two Float64 series.

    Polars divides by one number (a literal, or a series of length 1) by multiplying with its reciprocal,
    which rounds twice. So the denominators are always a series, with one row more than is asked for.
    """
    one = pl.Series("it", [1.0])
    above = pl.concat([numerators.alias("it"), one])
    below = pl.concat([denominators.alias("it"), one])
    return (above / below).head(len(numerators))


def scaled(numbers: pl.Series, texts: pl.Series, places: int) -> pl.Series:
    """The numbers times ``10**places`` as Int64, null where that isn't exactly what the text says."""
    power = pl.Series([float(10**places)]).new_from_index(0, len(numbers))
    integers = (numbers * power).round()
    frame = pl.DataFrame({"number": numbers, "text": texts, "integer": integers, "back": divided(integers, power)})
    exact = (
        (pl.col("text").str.len_bytes() <= LONGEST_TEXT)
        & (pl.col("integer").abs() < float(LARGEST))
        & (pl.col("back") == pl.col("number"))
    )
    return frame.select(pl.when(exact).then(pl.col("integer")).cast(pl.Int64)).to_series()


def unscaled(integers: pl.Series, places: int) -> pl.Series:
    """The Float64 nearest to each integer divided by ``10**places``."""
    numbers = integers.cast(pl.Float64)
    if places == 0:
        return numbers
    return divided(numbers, pl.Series([float(10**places)]).new_from_index(0, len(integers)))
