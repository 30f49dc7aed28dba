"""Typed columns as the integers that they are computed with, without making a value of every row."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.encoding import encoded
from audiences.events.scaling import PLACES, divided
from audiences.events.values import VALUE, values_from_column

_SURELY_SHORT: Final = 10**14
"""A number below, once scaled, is written in at most 16 characters, with a sign and a point."""

_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)


def encoded_column(column: pl.Series) -> tuple[pl.Series, Form | None]:
    """What ``encoded(values_from_column(column))`` gives, by way of the different values where they are few kinds.

    Lists of values stay as they are.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.List) and dtype.inner == VALUE:
        return column, None
    if dtype == VALUE:
        return encoded(column)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum) and column.null_count() < len(column):
        return _texts(column)
    found = None
    if dtype in _INTEGERS:
        found = _integers(column)
    elif isinstance(dtype, pl.Float32 | pl.Float64):
        found = _floats(column)
    return found or _by_different(column)


def _texts(column: pl.Series) -> tuple[pl.Series, Form]:
    different = column.drop_nulls().unique()
    texts = different.cast(pl.String)
    order = texts.arg_sort()
    sorted_texts = texts.gather(order)
    if isinstance(column.dtype, pl.String):
        codes = column.cast(pl.Enum(sorted_texts)).to_physical()
    else:
        numbers = different.to_physical().gather(order)
        size = int(numbers.max()) + 1  # type: ignore[arg-type]
        ranks = pl.zeros(size, dtype=pl.UInt32, eager=True).scatter(numbers, range(len(numbers)))
        codes = ranks.gather(column.to_physical())
    return codes.cast(pl.UInt32).alias(column.name), Coded(values_from_column(sorted_texts.alias("value")))


def _integers(column: pl.Series) -> tuple[pl.Series, Form] | None:
    largest, smallest = column.max(), column.min()
    if max(abs(int(largest or 0)), abs(int(smallest or 0))) >= _SURELY_SHORT:  # type: ignore[arg-type]
        return None
    return column.cast(pl.Int64), Scaled(0)


def _floats(column: pl.Series) -> tuple[pl.Series, Form] | None:
    """Numbers that some number of places tells exactly; nothing where that isn't sure."""
    numbers = column.cast(pl.Float64).alias("it").to_frame().select(pl.when(pl.col("it").is_finite()).then("it"))
    number = numbers.to_series()
    for places in PLACES:
        power = pl.Series([float(10**places)]).new_from_index(0, len(number))
        integers = (number * power).round() if places else number.round()
        back = divided(integers, power) if places else integers
        if (back == number).all():
            if (integers.abs() >= _SURELY_SHORT).any():
                return None
            return integers.cast(pl.Int64).alias(column.name), Scaled(places)
    return None


def _by_different(column: pl.Series) -> tuple[pl.Series, Form | None]:
    different = column.drop_nulls().unique().sort()
    values, form = encoded(values_from_column(different).alias(column.name))
    numbers = different.alias("value").to_frame().with_row_index("number")
    rows = column.alias("value").to_frame().join(numbers, on="value", how="left", maintain_order="left")
    return values.gather(rows.get_column("number")).alias(column.name), form
