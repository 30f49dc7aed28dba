"""Structs, lists and maps: paths into typed columns, without a row of Python."""

from __future__ import annotations

import polars as pl

from audiences.events.json_columns import lists_of
from audiences.events.values import explode_lists, values_from_column
from audiences.language.tree import EACH, Path


def is_entries(dtype: pl.DataType) -> bool:
    """Whether a column is a map written as a list of ``{key, value}``, as older writers do."""
    inner = dtype.inner if isinstance(dtype, pl.List) else None
    return isinstance(inner, pl.Struct) and [field.name for field in inner.fields] == ["key", "value"]


def as_map(column: pl.Series) -> pl.Series:
    """A list of ``{key, value}`` as the map it stands for; text keys. The last of equal keys counts."""
    value_type = explode_lists(column)[1].struct.field("value").dtype
    keyed = pl.List(pl.Struct({"key": pl.String, "value": value_type}))
    return column.cast(keyed).cast(pl.Map(pl.String, value_type))


def typed_values_at(column: pl.Series, path: Path) -> pl.Series:
    """The values at a path of a struct or map: ``VALUE``, or ``List(VALUE)`` where the path has ``EACH``."""
    return values_from_column(typed_column_at(column, path))


def typed_column_at(column: pl.Series, path: Path) -> pl.Series:
    """What is at a path of a struct or map, as it is there; ``List(VALUE)`` where the path has ``EACH``."""
    found = column
    rows: pl.Series | None = None
    for segment in path:
        if segment == EACH:
            rows, found = _elements(rows, found)
        else:
            found = _member(found, segment)
    return found if rows is None else lists_of(len(column), rows, values_from_column(found))


def _member(column: pl.Series, name: str) -> pl.Series:
    """A field of a struct or the value of a map's key; null where there is none."""
    dtype = column.dtype
    if isinstance(dtype, pl.Struct) and any(field.name == name for field in dtype.fields):
        return column.struct.field(name)
    if isinstance(dtype, pl.Map):
        return column.map.get(pl.lit(name).cast(dtype.key))
    return pl.Series([None], dtype=pl.Null).new_from_index(0, len(column))


def _elements(rows: pl.Series | None, column: pl.Series) -> tuple[pl.Series, pl.Series]:
    dtype = column.dtype
    if isinstance(dtype, pl.Array):
        column = column.cast(pl.List(dtype.inner))
    elif not isinstance(dtype, pl.List):
        return pl.Series([], dtype=pl.UInt32), pl.Series([], dtype=pl.Null)
    places, elements = explode_lists(column)
    return (places if rows is None else rows.gather(places)), elements


def member_counts(column: pl.Series) -> pl.Series:
    """How many members each struct or map has: fields that aren't null, entries of a map. ``UInt32``."""
    if isinstance(column.dtype, pl.Map):
        return column.map.len().fill_null(0).cast(pl.UInt32)
    fields = column.struct.unnest()
    if not fields.width:
        return pl.Series([0], dtype=pl.UInt32).new_from_index(0, len(column))
    return fields.select(pl.sum_horizontal(pl.all().is_not_null().cast(pl.UInt32))).to_series()
