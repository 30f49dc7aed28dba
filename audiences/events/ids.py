"""Ids as text: integers and whole floats become text, empty text is no id, other types are refused."""

from __future__ import annotations

import polars as pl

from audiences.events.texts import is_text, texts
from audiences.events.values import values_from_column


def id_texts(series: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The ids of a column as ``String`` (null where there is none), and a ``Boolean`` where one isn't an id.

    Text is taken as it is, and ``""`` is no id. Integers, whole floats and whole decimals become their
    digits; NaN is no id. Fractions, infinities, booleans, timestamps, lists and the rest aren't ids.
    """
    dtype = series.dtype
    if is_text(dtype):
        text = texts(series)
        empty = text == ""
        return text.set(empty, None) if empty.any() else text, series.is_not_null() & text.is_null()
    if dtype.is_integer():
        result = pl.DataFrame({"text": series.cast(pl.String)}).with_columns(is_wrong=pl.lit(False))
    elif dtype.is_float() or dtype.is_decimal():
        result = _whole_numbers(series)
    else:
        result = pl.DataFrame({"is_wrong": series.is_not_null()}).with_columns(text=pl.lit(None, pl.String))
    return result.get_column("text"), result.get_column("is_wrong")


def _whole_numbers(series: pl.Series) -> pl.DataFrame:
    number = series.cast(pl.Float64)
    there = series.is_not_null() & ~number.is_nan().fill_null(False)
    text = values_from_column(series).struct.field("text")
    whole = text.str.contains(r"^-?[0-9]+$").fill_null(False)
    return pl.DataFrame({"text": text, "whole": whole, "there": there}).select(
        pl.when("whole").then("text"), is_wrong=pl.col("there") & ~pl.col("whole")
    )
