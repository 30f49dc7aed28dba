"""One form for every JSON value, whatever column it came from: the value struct, and its canonical JSON text.

A value is ``{kind, text, number}``; a missing value, which is also what JSON null is, is a null struct:

- ``kind``: ``string``, ``number``, ``boolean`` or ``json`` (an array or object, as its compact JSON text).
- ``text``: booleans ``true``/``false``; numbers as JavaScript prints them (7 and 7.0 are both ``7``);
  integers keep all digits; decimals lose trailing zeros; timestamps are ISO 8601 with Z; dates
  ``2024-01-31``.
- ``number``: for numbers, and for text that is a number by ``NUMBER_TEXT``; null where it isn't finite.

Through the path segment ``$`` a path gives a list of values: ``[]``, never null, where there is nothing.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.events.instants import instant_of_text, instant_text_of, instants
from audiences.events.texts import is_text, texts
from audiences.events.value_texts import NUMBER_TEXT, Value, json_text, number_text, value_of

__all__ = [
    "KIND",
    "KINDS",
    "NUMBER_TEXT",
    "VALUE",
    "Value",
    "explode_lists",
    "instant_of_text",
    "json_of_value",
    "json_text",
    "number_text",
    "text_number",
    "value_expression",
    "value_of",
    "value_of_json",
    "values_from_column",
]

KINDS: Final = ("string", "number", "boolean", "json")
KIND: Final = pl.Enum(KINDS)
VALUE: Final = pl.Struct({"kind": KIND, "text": pl.String, "number": pl.Float64})

_WHOLE_BELOW: Final = float(2**53)  # whole floats below print like integers
_PLAIN_FROM, _PLAIN_BELOW = 1e-5, 1e15  # between these Polars prints fractions as JavaScript does

_SHORT_ESCAPES: Final = {
    "\\": "\\\\",
    '"': '\\"',
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}
_ESCAPES: Final = {chr(code): f"\\u{code:04x}" for code in range(32)} | _SHORT_ESCAPES


def text_number(expr: pl.Expr) -> pl.Expr:
    """Text to ``Float64``: the number it spells by ``NUMBER_TEXT``, else null. Too large to be finite is
    null.
    """
    number = pl.when(expr.str.contains(NUMBER_TEXT)).then(expr).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(_without_negative_zero(number))


def _without_negative_zero(number: pl.Expr) -> pl.Expr:
    return pl.when(number == 0.0).then(pl.lit(0.0)).otherwise(number)


def value_expression(kind: str | pl.Expr, text: pl.Expr, number: pl.Expr | None = None) -> pl.Expr:
    """The value struct of a kind, a text and its number; null where the text is null."""
    kinds = pl.lit(kind, dtype=KIND) if isinstance(kind, str) else kind.cast(KIND)
    numbers = pl.lit(None, dtype=pl.Float64) if number is None else number
    return pl.when(text.is_not_null()).then(pl.struct(kinds.alias("kind"), text.alias("text"), numbers.alias("number")))


def values_from_column(series: pl.Series) -> pl.Series:
    """Any typed column as a column of values, same length and name; a column of values, or of lists of them, stays.

    NaN, infinities, durations and bytes that aren't UTF-8 are missing. A struct's null fields are left out
    of its JSON text, a list's null elements stay as ``null``.
    """
    column = series.alias("value").to_frame()
    value = pl.col("value")
    dtype = series.dtype
    if dtype in (VALUE, pl.List(VALUE)):
        return series
    if is_text(dtype):
        result = texts(series).to_frame("value").select(value_expression("string", value, text_number(value)))
    elif dtype == pl.Boolean:
        text = pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))
        result = column.select(value_expression("boolean", text))
    elif dtype.is_integer():
        result = column.select(value_expression("number", value.cast(pl.String), value.cast(pl.Float64)))
    elif dtype.is_float():
        result = _float_texts(series.cast(pl.Float64)).select(
            value_expression("number", pl.col("text"), _without_negative_zero(value))
        )
    elif dtype.is_decimal():
        result = _decimal_texts(series).select(value_expression("number", value, text_number(value)))
    elif isinstance(dtype, pl.Datetime | pl.Date):
        result = column.select(value_expression("string", _day_or_instant(series)))
    elif isinstance(dtype, pl.Struct | pl.List | pl.Array | pl.Map):
        result = _nested_texts(series).to_frame("value").select(value_expression("json", value))
    elif dtype in (pl.Null, pl.Duration):
        result = pl.DataFrame({"value": pl.Series([None], dtype=VALUE).new_from_index(0, len(series))})
    else:
        result = pl.DataFrame({"value": _one_by_one(series)})
    return result.to_series().alias(series.name)


def _one_by_one(series: pl.Series) -> pl.Series:
    """The slow way, for column types that are rare: times of day, Python objects."""
    known = [value_of(value) for value in series.to_list()]
    rows = [None if value is None else dict(zip(("kind", "text", "number"), value, strict=True)) for value in known]
    return pl.Series(rows, dtype=VALUE)


def _float_texts(series: pl.Series) -> pl.DataFrame:
    """Columns ``value`` (finite or null) and ``text``, as JavaScript prints it."""
    value = pl.col("value")
    size = value.abs()
    whole = (value == value.floor()) & (size < _WHOLE_BELOW)
    plain = size.is_between(_PLAIN_FROM, _PLAIN_BELOW, closed="left")
    frame = series.alias("value").to_frame().select(pl.when(value.is_finite()).then(value))
    frame = frame.with_columns(
        text=pl.when(whole)
        .then(pl.when(whole).then(value).cast(pl.Int64).cast(pl.String))
        .when(plain)
        .then(value.cast(pl.String))
    )
    rest = frame.filter(value.is_not_null() & pl.col("text").is_null()).get_column("value").unique()
    if rest.is_empty():
        return frame
    texts = pl.Series([number_text(number) for number in rest.to_list()], dtype=pl.String)
    return frame.with_columns(
        text=pl.coalesce("text", value.replace_strict(rest, texts, default=None, return_dtype=pl.String))
    )


def _decimal_texts(series: pl.Series) -> pl.DataFrame:
    value = pl.col("value")
    frame = series.cast(pl.String).alias("value").to_frame()
    pointed = value.str.contains(".", literal=True)
    frame = frame.select(
        pl.when(pointed).then(value.str.strip_chars_end("0").str.strip_chars_end(".")).otherwise(value)
    )
    small = frame.get_column("value").str.contains(r"^-?0\.000000")
    if not small.any():
        return frame
    texts = [
        number_text(number) if tiny and number is not None else text
        for number, tiny, text in zip(series, small, frame.get_column("value"), strict=True)
    ]
    return pl.DataFrame({"value": pl.Series(texts, dtype=pl.String)})


def _day_or_instant(series: pl.Series) -> pl.Expr:
    if series.dtype == pl.Date:
        return pl.col("value").dt.strftime("%Y-%m-%d")
    instant = instants(series)
    return instant_text_of(pl.lit(instant)) if len(series) else pl.lit(instant.cast(pl.String))


def explode_lists(series: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The elements of all lists, and for each the row it came from (``UInt32``). Null and empty lists give
    none.
    """
    frame = pl.DataFrame({"row": pl.int_range(len(series), dtype=pl.UInt32, eager=True), "element": series})
    frame = frame.filter(pl.col("element").list.len() > 0).explode("element")
    return frame.get_column("row"), frame.get_column("element")


def _nested_texts(series: pl.Series) -> pl.Series:
    """Structs, lists and maps as compact JSON text; null where they are null."""
    if isinstance(series.dtype, pl.Array):
        series = series.cast(pl.List(series.dtype.inner))
    if isinstance(series.dtype, pl.Struct):
        return _struct_texts(series)
    if isinstance(series.dtype, pl.Map):
        return _map_texts(series)
    rows, elements = explode_lists(series)
    return _joined(series, rows, _json_texts(elements).fill_null("null"), "[", "]")


def _struct_texts(series: pl.Series) -> pl.Series:
    fields = [json_text(field.name) + ":" + _json_texts(field) for field in series.struct.unnest().get_columns()]
    frame = pl.DataFrame([field.alias(str(number)) for number, field in enumerate(fields)])
    body = frame.select(pl.concat_str(pl.all(), separator=",", ignore_nulls=True)) if fields else None
    if body is None:
        text = pl.Series(["{}"]).new_from_index(0, len(series))
    else:
        text = "{" + body.to_series() + "}"
    return pl.select(pl.when(series.is_not_null()).then(text)).to_series()


def _map_texts(series: pl.Series) -> pl.Series:
    rows, entries = explode_lists(series.map.entries())
    keys, values = entries.struct.field("key"), entries.struct.field("value")
    members = _quoted(keys.cast(pl.String)) + ":" + _json_texts(values)
    present = members.is_not_null()
    return _joined(series, rows.filter(present), members.filter(present), "{", "}")


def _joined(series: pl.Series, rows: pl.Series, texts: pl.Series, opening: str, closing: str) -> pl.Series:
    joined = (
        pl.DataFrame({"row": rows, "text": texts})
        .group_by("row", maintain_order=True)
        .agg(pl.col("text").str.join(","))
    )
    frame = pl.DataFrame({"row": pl.int_range(len(series), dtype=pl.UInt32, eager=True), "there": series.is_not_null()})
    text = opening + pl.col("text").fill_null("") + closing
    return (
        frame.join(joined, on="row", how="left", maintain_order="left").select(pl.when("there").then(text)).to_series()
    )


def _json_texts(series: pl.Series) -> pl.Series:
    values = values_from_column(series).alias("value").to_frame()
    return values.select(json_of_value(pl.col("value"))).to_series()


def _quoted(texts: pl.Series) -> pl.Series:
    return texts.alias("text").to_frame().select(_quote(pl.col("text"))).to_series()


def _quote(text: pl.Expr) -> pl.Expr:
    escaped = text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return '"' + pl.when(text.str.contains(r'[\\"\x00-\x1f]')).then(escaped).otherwise(text) + '"'


def _unquote(text: pl.Expr) -> pl.Expr:
    inner = text.str.slice(1, text.str.len_chars() - 2)
    plain = inner.str.replace_many(list(_ESCAPES.values()), list(_ESCAPES))
    return pl.when(inner.str.contains("\\", literal=True)).then(plain).otherwise(inner)


def json_of_value(expr: pl.Expr) -> pl.Expr:
    """Values to canonical JSON text (``String``): strings quoted and escaped, the rest bare; null stays."""
    text = expr.struct.field("text")
    return pl.when(expr.struct.field("kind") == "string").then(_quote(text)).otherwise(text)


def value_of_json(expr: pl.Expr) -> pl.Expr:
    """Canonical JSON text, as ``json_of_value`` and ``json_text`` write it, to values; null is missing."""
    first = expr.str.slice(0, 1)
    kind = (
        pl.when(first == '"').then(pl.lit("string"))
        .when(first.is_in(["{", "["])).then(pl.lit("json"))
        .when(first.is_in(["t", "f"])).then(pl.lit("boolean"))
        .otherwise(pl.lit("number"))
    )  # fmt: skip
    text = pl.when(expr != "null").then(pl.when(first == '"').then(_unquote(expr)).otherwise(expr))
    number = pl.when(kind.is_in(["string", "number"])).then(text_number(text))
    return value_expression(kind, text, number)
