"""Columns in the form that they are stored in, and what is made of them: values, plain results, and JSON text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.encoding import coded, decoded
from audiences.events.scaling import unscaled
from audiences.events.values import KIND, VALUE, explode_lists, json_of_value, value_expression, values_from_column

PLAIN_FROM: Final = 1e-5
PLAIN_BELOW: Final = 1e15
"""Between these Polars prints numbers as JavaScript does, only that whole ones end in ``.0``."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column and its form. Without one it is of VALUE or List(VALUE), or a plain result: numbers, texts, Boolean."""

    values: pl.Series
    form: Form | None = None

    def plain(self) -> pl.Series:
        """VALUE or List(VALUE) instead of the form; else the column itself."""
        return decoded(self.values, self.form)

    def result(self) -> pl.Series:
        """Numbers as Int64 or Float64, texts as String, Boolean; VALUE only where values are of different kinds."""
        match self.form:
            case Scaled(places=places):
                return unscaled(self.values, places)
            case Coded(values=values):
                return (self.form.texts if self.form.only_strings else values).gather(self.values)
        return arrays(self.values) if self.values.dtype == pl.List(VALUE) else self.values

    def json(self) -> pl.Series:
        """Canonical JSON text (String), null where there is no value."""
        column, form = self.values, self.form
        if isinstance(form, Coded):
            return json_of(form.values).gather(column)
        if isinstance(form, Scaled):
            column = unscaled(column, form.places) if form.places else column
        elif column.dtype == pl.List(VALUE):
            column = arrays(column)
        if column.dtype.is_integer():
            return column.cast(pl.String)
        if column.dtype == VALUE:
            return json_of(column)
        if column.dtype.is_float():
            return float_texts(column)
        return json_of(values_from_column(column))

    def gather(self, rows: pl.Series) -> Column:
        """Some rows; null where the row number is."""
        return Column(self.values.gather(rows), self.form)


def json_of(values: pl.Series) -> pl.Series:
    """A column of VALUE as canonical JSON text."""
    return values.to_frame("value").select(json_of_value(pl.col("value"))).to_series()


def float_texts(numbers: pl.Series) -> pl.Series:
    """Float64 as JavaScript prints them."""
    sizes = numbers.abs()
    if (sizes.is_between(PLAIN_FROM, PLAIN_BELOW, closed="left") | (sizes == 0.0)).all():
        return (numbers + 0.0).cast(pl.String).str.strip_suffix(".0")  # 0.0 is added because -0 is 0
    return values_from_column(numbers).struct.field("text")


def arrays(lists: pl.Series) -> pl.Series:
    """List(VALUE) as VALUE: JSON arrays; missing where the list is empty."""
    rows, elements = explode_lists(lists)
    texts = (
        pl.DataFrame({"row": rows, "element": elements})
        .group_by("row", maintain_order=True)
        .agg(json_of_value(pl.col("element")).str.join(",").alias("text"))
    )
    every = pl.DataFrame({"row": pl.int_range(len(lists), dtype=pl.UInt32, eager=True)})
    joined = every.join(texts, on="row", how="left", maintain_order="left")
    return joined.select(value_expression("json", "[" + pl.col("text") + "]")).to_series()


def json_values(texts: pl.Series) -> pl.Series:
    """Texts of JSON arrays as VALUE."""
    return texts.to_frame("text").select(value_expression("json", pl.col("text"))).to_series()


def as_coded(column: pl.Series, form: Form) -> tuple[pl.Series, Coded]:
    """A column with a form as codes, so that it is in the order of text."""
    if isinstance(form, Coded):
        return column, form
    different = column.drop_nulls().unique()
    rows, known = coded(decoded(different, form).struct.unnest(), "code")
    codes = pl.DataFrame({"number": different, "code": rows})
    found = column.to_frame("number").join(codes, on="number", how="left", maintain_order="left")
    return found.get_column("code"), known


def by_text(column: pl.Series, form: Form) -> tuple[pl.Series, pl.Series]:
    """For each row which text it is (UInt32), and these texts: different, by code point."""
    codes, known = as_coded(column, form)
    if known.text_numbers is None:
        return codes, known.texts
    return known.text_numbers.gather(codes), known.texts.filter(known.text_numbers.is_first_distinct())


def codes_of_texts(column: pl.Series, form: Form) -> tuple[pl.Series, Coded]:
    """The same as codes of strings, even where a text looks like a number."""
    if isinstance(form, Coded) and form.only_strings:
        return column, form
    codes, texts = by_text(column, form)
    return codes, texts_form(texts)


def texts_form(texts: pl.Series) -> Coded:
    """The form of codes of texts, each a string even if it looks like a number."""
    fields = values_from_column(texts).struct.unnest().with_columns(pl.lit("string").cast(KIND).alias("kind"))
    return Coded(fields.select(pl.struct("kind", "text", "number").alias("value")).to_series())
