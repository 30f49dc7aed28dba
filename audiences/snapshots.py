"""Snapshots: the values of one computation at one instant, as stored and as shown.

A stored snapshot is a frame ``id`` String, ``value`` String: ids unique, in code point order; ``value`` is
canonical JSON text (``5``, ``true``, ``"shoes"``, ``["a","b"]``), never null. An audience has its members
only, each ``true``. People get the typed form: the same rows with a value column of the type that the
definition gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, Kind
from audiences.events.values import value_of_json
from audiences.language.check import result_type

SCHEMA: Final[dict[str, pl.DataType]] = {"id": pl.String(), "value": pl.String()}
"""Columns of a stored snapshot."""

WHOLE_NUMBER: Final = r"^-?\d+$"
NUMBER: Final = r"^-?\d"


def empty() -> pl.DataFrame:
    """A stored snapshot without rows."""
    return pl.DataFrame(schema=SCHEMA)


def stored(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns ``id`` and ``value`` of a frame, in the order in which snapshots are kept."""
    return frame.select(pl.col("id").cast(pl.String), pl.col("value").cast(pl.String)).sort("id")


def typed(frame: pl.DataFrame, computation: Computation) -> pl.DataFrame:
    """A stored snapshot with values as people read them.

    In: ``id`` String, ``value`` String (canonical JSON text). Out: ``id`` String and ``value``, which is
    Boolean for an audience; Int64 for counts; Float64 for sum, avg, min and max; String for mode and ``as
    string``; List(String) for ``unique``; for first, last and copies of traits the common type of the values
    (Int64 if all are whole numbers, Float64, Boolean or String), or String with the text of each value where
    they differ. A value that does not fit the type of its definition (a ``default:`` may be anything) makes
    the column the common type, too. Rows and their order stay.
    """
    return frame.select(pl.col("id"), typed_values(frame.get_column("value"), result_type_name(computation)))


def result_type_name(computation: Computation) -> str:
    """``boolean``, ``integer``, ``number``, ``text``, ``list`` or ``any``: the type of a computation's
    result.
    """
    if computation.kind is Kind.AUDIENCE:
        return "boolean"
    return result_type(computation.expression).value


def typed_values(values: pl.Series, result_type: str) -> pl.Series:
    """A String series of JSON texts (null: no value) as a series ``value`` of the named result type."""
    read = READERS.get(result_type, common_type)
    result = read(values)
    if result.null_count() > values.null_count():
        result = common_type(values)
    return result.alias("value")


def text_of(values: pl.Series) -> pl.Series:
    """The text of each JSON value: strings without their quotes and escapes, anything else as it is."""
    frame = values.alias("value").to_frame()
    return frame.select(value_of_json(pl.col("value")).struct.field("text").alias("value")).to_series()


def common_type(values: pl.Series) -> pl.Series:
    """Int64 if all values are whole numbers in its range, else Float64, Boolean or String; mixed: String of
    the text.
    """
    present = values.drop_nulls()
    if not present.is_empty():
        if present.is_in(["true", "false"]).all():
            return _booleans(values)
        if present.str.contains(NUMBER).all():
            whole = _integers(values)
            return whole if whole.null_count() == values.null_count() else _numbers(values)
    return text_of(values)


def _booleans(values: pl.Series) -> pl.Series:
    return (values == "true").set(~values.is_in(["true", "false"]), None)


def _integers(values: pl.Series) -> pl.Series:
    return values.set(~values.str.contains(WHOLE_NUMBER), None).cast(pl.Int64(), strict=False)


def _numbers(values: pl.Series) -> pl.Series:
    return values.set(~values.str.contains(NUMBER), None).cast(pl.Float64(), strict=False)


def _texts(values: pl.Series) -> pl.Series:
    return text_of(values.set(~values.str.starts_with('"'), None))


def _lists(values: pl.Series) -> pl.Series:
    return values.set(~values.str.starts_with("["), None).str.json_decode(pl.List(pl.String()))


READERS: Final[dict[str, Callable[[pl.Series], pl.Series]]] = {
    "boolean": _booleans,
    "integer": _integers,
    "number": _numbers,
    "text": _texts,
    "list": _lists,
    "any": common_type,
}
"""How stored values become a column, by the result type of the definition."""
