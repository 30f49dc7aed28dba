"""Typed columns as the integers that they are computed with, without making a value of every row."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.encoding import encoded
from audiences.events.scaling import PLACES, divided
from audiences.events.slots import Numbers
from audiences.events.values import VALUE, values_from_column

_SEED: Final = 43
_SURELY_SHORT: Final = 10**14
"""A number below, once scaled, is written in at most 16 characters, with a sign and a point."""

_SAMPLE: Final = 1_000
"""Numbers that are looked at first: mostly they tell how many places are too few."""

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
    if isinstance(column.dtype, pl.String):
        sorted_texts = texts.sort()
        codes = _codes(column, sorted_texts)
    else:
        order = texts.arg_sort()
        sorted_texts = texts.gather(order)
        numbers = different.to_physical().gather(order)
        size = int(numbers.max()) + 1  # type: ignore[arg-type]
        ranks = pl.zeros(size, dtype=pl.UInt32, eager=True).scatter(numbers, range(len(numbers)))
        codes = ranks.gather(column.to_physical())
    return codes.cast(pl.UInt32).alias(column.name), Coded(values_from_column(sorted_texts.alias("value")))


def _codes(column: pl.Series, texts: pl.Series) -> pl.Series:
    """The place of each text among those that there are, by its hash if no two have the same."""
    hashes = texts.hash(seed=_SEED)
    if hashes.n_unique() < len(hashes):
        return column.cast(pl.Enum(texts)).to_physical()
    places = Numbers(hashes, pl.int_range(len(texts), dtype=pl.UInt32, eager=True))
    found = places.find(column.hash(seed=_SEED))
    return pl.select(pl.when(column.is_not_null()).then(found)).to_series() if column.null_count() else found


def _integers(column: pl.Series) -> tuple[pl.Series, Form] | None:
    largest, smallest = column.max(), column.min()
    if max(abs(int(largest or 0)), abs(int(smallest or 0))) >= _SURELY_SHORT:  # type: ignore[arg-type]
        return None
    return column.cast(pl.Int64), Scaled(0)


def _floats(column: pl.Series) -> tuple[pl.Series, Form] | None:
    """Numbers that some number of places tells exactly; nothing where that isn't sure."""
    numbers = column.cast(pl.Float64).alias("it").to_frame().select(pl.when(pl.col("it").is_finite()).then("it"))
    number = numbers.to_series()
    sample = number.drop_nulls().head(_SAMPLE)
    for places in PLACES:
        if not _times_power(sample, places)[1]:
            continue
        integers, is_exact = _times_power(number, places)
        if is_exact:
            if (integers.abs() >= _SURELY_SHORT).any():
                return None
            return integers.cast(pl.Int64).alias(column.name), Scaled(places)
    return None


def _times_power(number: pl.Series, places: int) -> tuple[pl.Series, bool]:
    """Numbers times a power of ten as whole numbers, and whether they tell the numbers exactly."""
    if not places:
        integers = number.round()
        return integers, bool((integers == number).all())
    power = pl.Series([float(10**places)]).new_from_index(0, len(number))
    integers = (number * power).round()
    return integers, bool((divided(integers, power) == number).all())


def _by_different(column: pl.Series) -> tuple[pl.Series, Form | None]:
    different = column.drop_nulls().unique().sort()
    values, form = encoded(values_from_column(different).alias(column.name))
    numbers = different.alias("value").to_frame().with_row_index("number")
    rows = column.alias("value").to_frame().join(numbers, on="value", how="left", maintain_order="left")
    return values.gather(rows.get_column("number")).alias(column.name), form
