"""The rows of a CSV download, as frames of text. Pure; ``csv_ranges`` reads, ``export`` writes.

A part of a download is a frame of ``key``, ``value`` (only of a trait) and further trait columns, numbered and all
text that may be written as it is; beside it are the identifiers of the same rows (see ``csv_identifiers.held``).
Columns of the results are numbered, too: their headings are given separately, because two may be alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from audiences.events.value_texts import json_text
from audiences.events.values import json_of_value, value_expression, value_of_json

FORMULA_STARTS: Final = r"^[=+\-@\t\r]"
"""How a cell begins that a spreadsheet would run as a formula."""

KEY: Final = "key"
VALUE: Final = "value"
EXTERNAL_IDS: Final = "external_ids"

Held = Mapping[str, pl.Series]
"""By type, a list of values per row."""

_ESCAPED: Final = r'[\\"\x00-\x1f]'  # what JSON has only with a backslash before it


def guarded(text: pl.Expr, *, raw: bool) -> pl.Expr:
    """Text that a spreadsheet shows instead of running it: a leading ``'`` where it would be a formula."""
    if raw:
        return text
    return pl.when(text.str.contains(FORMULA_STARTS)).then("'" + text).otherwise(text)


def cell(json: pl.Expr, *, raw: bool) -> pl.Expr:
    """A JSON value as a cell: text without its quotes (guarded), anything else as it is written; null is
    empty.
    """
    text = value_of_json(json).struct.field("text")
    return pl.when(json.str.starts_with('"')).then(guarded(text, raw=raw)).otherwise(text)


def cells(batch: pl.DataFrame, values: Sequence[str], *, raw: bool) -> pl.DataFrame:
    """A part's own columns, numbered: the key (``id`` of the batch), then ``values``, columns of JSON text."""
    columns = [guarded(pl.col("id"), raw=raw), *(cell(pl.col(name), raw=raw) for name in values)]
    return batch.select(column.alias(str(number)) for number, column in enumerate(columns))


def unformatted(part: pl.DataFrame, identifiers: Held, place: int) -> pl.DataFrame:
    """One row per profile: the part's columns with ``external_ids`` as the column number ``place`` among them."""
    columns = part.get_columns()
    columns.insert(place, external_ids(identifiers, part.height))
    return pl.DataFrame([column.alias(str(number)) for number, column in enumerate(columns)])


def external_ids(identifiers: Held, rows: int) -> pl.Series:
    """A JSON object of lists for each row, types in alphabetical order, values in order of adding."""
    if not identifiers:
        return pl.Series(["{}"]).new_from_index(0, rows)
    columns: list[pl.Series] = []
    pieces = [pl.lit("{")]
    before = pl.lit(False)
    for number, name in enumerate(sorted(identifiers)):
        values, quote = _json_texts(identifiers[name])
        columns.append(values.alias(str(number)))
        text = pl.col(str(number))
        there, opening, closing = text.is_not_null(), f"{json_text(name)}:[{quote}", f"{quote}]"
        comma = pl.when(before).then(pl.lit(f",{opening}")).otherwise(pl.lit(opening))
        pieces += [pl.when(there).then(comma), text, pl.when(there).then(pl.lit(closing))]
        before = before | there
    # One concatenation of many short pieces: each further one would copy what the ones before it made.
    return pl.DataFrame(columns).select(pl.concat_str(*pieces, pl.lit("}"), ignore_nulls=True)).to_series()


def _json_texts(values: pl.Series) -> tuple[pl.Series, str]:
    """The values of each row as JSON texts with commas between them, and the quote that they lack at both ends.

    Null where there are no values.
    """
    if not values.explode(empty_as_null=False, keep_nulls=False).str.contains(_ESCAPED).any():
        return _joined(values, '","'), '"'
    texts = values.to_frame("values").select(
        pl.col("values").list.eval(json_of_value(value_expression("string", pl.element())))
    )
    return _joined(texts.to_series(), ","), ""


def _joined(values: pl.Series, separator: str) -> pl.Series:
    """Most have one value, which is taken as it is: joining lists takes many times longer."""
    several = values.list.len() > 1
    return values.list.first().scatter(several.arg_true(), values.filter(several).list.join(separator))


def column_headings(widths: Mapping[str, int]) -> list[str]:
    """Headings of the ``columns`` layout: a type's name, then ``name_1``, ``name_2`` for further values."""
    return [name if place == 0 else f"{name}_{place}" for name, width in widths.items() for place in range(width)]


def as_columns(start: pl.DataFrame, identifiers: Held, widths: Mapping[str, int]) -> pl.DataFrame:
    """One row per profile: the columns of ``start``, and one per identifier type and place."""
    places = [(name, place) for name, width in widths.items() for place in range(width)]
    columns = [_values_at(identifiers, name, place, start.height) for name, place in places]
    return start.with_columns(column.alias(str(start.width + number)) for number, column in enumerate(columns))


def as_rows(start: pl.DataFrame, identifiers: Held, types: Sequence[str]) -> pl.DataFrame:
    """One row per profile with the first identifier of each type, and one more for each further identifier.

    The further rows repeat the columns of ``start`` and have one identifier each, by type in the order of ``types``.
    """
    numbered = start.with_row_index("row")
    firsts = as_columns(numbered.drop("row"), identifiers, dict.fromkeys(types, 1))
    parts = [firsts.select(numbered.get_column("row"), pl.all(), order=pl.lit(-1))]
    for number, name in enumerate(types):
        column = str(start.width + number)
        if name in identifiers:
            further = numbered.with_columns(identifiers[name].list.slice(1).alias(column))
            further = further.explode(column, empty_as_null=False, keep_nulls=False)
            parts.append(further.with_columns(order=pl.lit(number)))
    rows = pl.concat(parts, how="diagonal").sort("row", "order", maintain_order=True)
    return rows.select(firsts.columns)


def _values_at(identifiers: Held, name: str, place: int, rows: int) -> pl.Series:
    if name not in identifiers:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows)
    return identifiers[name].list.get(place, null_on_oob=True)
