"""Columns of values as the integers that they are computed with: scaled numbers, or codes of a small dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.scaling import PLACES, scaled, unscaled
from audiences.events.values import VALUE, values_from_column


def encoded(values: pl.Series) -> tuple[pl.Series, Form | None]:
    """A column of VALUE as integers, and how to read them; a column of lists of values stays, without a form.

    Where every value is a number by kind with at most 15 digits, they are ``Scaled``; otherwise ``Coded``. The name
    and length stay.
    """
    if values.dtype != VALUE:
        return values, None
    fields = values.struct.unnest()
    is_number = fields["kind"] == "number"
    if is_number.sum() == fields.height - fields["text"].null_count():
        different = fields.filter(is_number).unique("text")
        for places in PLACES:
            if not scaled(different["number"], different["text"], places).null_count():
                return scaled(fields["number"], fields["text"], places).alias(values.name), Scaled(places)
    return coded(fields, values.name)


def coded(fields: pl.DataFrame, name: str) -> tuple[pl.Series, Coded]:
    """The codes of values, given as ``kind``, ``text`` and ``number``, and their dictionary."""
    there = fields.filter(pl.col("text").is_not_null())
    different = there.unique(["kind", "text"]).sort("text", pl.col("kind").cast(pl.String)).with_row_index("code")
    codes = fields.select("kind", "text").join(different, on=["kind", "text"], how="left", maintain_order="left")
    dictionary = different.select(pl.struct("kind", "text", "number").cast(VALUE).alias("value"))["value"]
    return codes["code"].cast(pl.UInt32).alias(name), Coded(dictionary)


def decoded(column: pl.Series, form: Form | None) -> pl.Series:
    """The values (VALUE) of an encoded column, exactly as they were; what has no form stays as it is."""
    match form:
        case None:
            return column
        case Coded(values=values):
            return values.gather(column).alias(column.name)
        case Scaled(places=0):
            return values_from_column(column)
        case Scaled(places=places):
            return values_from_column(unscaled(column, places).alias(column.name))


def encoded_columns(frame: pl.DataFrame, columns: Iterable[str]) -> tuple[pl.DataFrame, dict[str, Form]]:
    """The frame with these columns encoded, and the forms of those that have one."""
    made: list[pl.Series] = []
    forms: dict[str, Form] = {}
    for name in columns:
        column, form = encoded(frame.get_column(name))
        made.append(column)
        if form is not None:
            forms[name] = form
    return frame.with_columns(made), forms


def decoded_columns(frame: pl.DataFrame, forms: Mapping[str, Form]) -> pl.DataFrame:
    """The frame with its columns that have a form decoded."""
    return frame.with_columns(
        decoded(frame.get_column(name), form) for name, form in forms.items() if name in frame.columns
    )
