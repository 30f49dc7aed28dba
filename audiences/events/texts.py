"""Text columns, however Parquet or Polars stores them."""

from __future__ import annotations

import polars as pl


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column of this type holds text: strings, categories, and bytes (Parquet without a text
    mark).
    """
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Binary)


def texts(series: pl.Series) -> pl.Series:
    """A text column as ``String``; bytes are read as UTF-8, and are null where they aren't."""
    if series.dtype != pl.Binary:
        return series.cast(pl.String)
    try:
        return series.cast(pl.String)
    except pl.exceptions.ComputeError:  # one bad value fails the whole cast
        return pl.Series(series.name, [_decoded(value) for value in series.to_list()], dtype=pl.String)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
