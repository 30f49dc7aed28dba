"""Timestamps: from ISO 8601 text and from any typed column to microseconds in UTC, and back to text."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.events.texts import is_text, texts

INSTANT: Final = pl.Datetime("us", "UTC")

_ISO: Final = (
    r"^(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]+))?)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<zone_hour>[01][0-9]|2[0-3])(?::?(?P<zone_minute>[0-5][0-9]))?)?)?$"
)
_SECOND: Final = 1_000_000
# The years that four digits and Python's datetime hold: 0001 to 9999.
_FIRST: Final = -62_135_596_800 * _SECOND
_LAST: Final = 253_402_300_800 * _SECOND - 1


def instant_of_text(expr: pl.Expr) -> pl.Expr:
    """ISO 8601 text to ``Datetime("us", "UTC")``; null where it is not ISO 8601.

    ``2024-01-31`` is its midnight UTC. A time has at least hours and minutes, after ``T`` or one blank;
    without a zone it is UTC. Digits beyond microseconds are cut off. Days that no calendar has, 24:00, leap
    seconds and surrounding blanks give null.
    """
    return expr.map_batches(_instants_of_texts, return_dtype=INSTANT, is_elementwise=True)


def _instants_of_texts(texts: pl.Series) -> pl.Series:
    """In two steps: in one expression the text would be taken apart anew for each of its parts."""
    parts = texts.str.extract_groups(_ISO).struct.unnest()
    if parts.get_column("date").null_count() == len(texts):
        return pl.Series(texts.name, [None], dtype=INSTANT).new_from_index(0, len(texts))

    def part(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Int64).fill_null(0)

    fraction = (pl.col("fraction") + "000000").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    seconds = part("hour") * 3600 + part("minute") * 60 + part("second")
    ahead = (part("zone_hour") * 60 + part("zone_minute")) * 60
    offset = pl.when(pl.col("sign") == "-").then(-ahead).otherwise(ahead)
    day = pl.col("date").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    micros = (day * 86_400 + seconds - offset) * _SECOND + fraction
    known = pl.col("micros").is_between(_FIRST, _LAST)
    found = parts.select(micros.alias("micros")).select(pl.when(known).then("micros").cast(INSTANT))
    return found.to_series().alias(texts.name)


def instant_text_of(expr: pl.Expr) -> pl.Expr:
    """``Datetime("us", "UTC")`` to ISO 8601 text with Z; the fraction has no trailing zeros and may be
    absent.
    """
    micros = expr.dt.microsecond().cast(pl.Int64)
    fraction = pl.when(micros == 0).then(pl.lit("")).otherwise("." + _padded(micros).str.strip_chars_end("0"))
    return expr.dt.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def _padded(micros: pl.Expr) -> pl.Expr:
    return micros.cast(pl.String).str.zfill(6)


def instants(series: pl.Series) -> pl.Series:
    """Any column to ``Datetime("us", "UTC")``: null where the type or the text is no timestamp.

    Takes every Parquet timestamp type and unit (nanoseconds are cut to microseconds), with a zone or
    without one (then it is UTC), dates (midnight UTC) and ISO 8601 text.
    """
    frame = series.alias("value").to_frame()
    value = pl.col("value")
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        return frame.select(_of_datetime(value, dtype)).to_series().alias(series.name)
    if dtype == pl.Date:
        return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if is_text(dtype):
        return _instants_of_texts(texts(series)).alias(series.name)
    return pl.Series(series.name, [None], dtype=INSTANT).new_from_index(0, len(series))


def _of_datetime(value: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Floor to microseconds; what overflows them (a far year in milliseconds) is null."""
    number = value.to_physical()
    if dtype.time_unit == "ns":
        micros = number.floordiv(1_000)
    elif dtype.time_unit == "ms":
        micros = pl.when(number.is_between(_FIRST // 1_000, _LAST // 1_000)).then(number * 1_000)
    else:
        micros = number
    return pl.when(micros.is_between(_FIRST, _LAST)).then(micros).cast(INSTANT)
