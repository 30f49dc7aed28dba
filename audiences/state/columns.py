"""The values of one computation as a typed column, and as the JSON text that the state's tables have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, Kind
from audiences.events.values import VALUE, json_of_value, value_expression, values_from_column
from audiences.snapshots import result_type_name, text_of

WHOLE_NUMBER: Final = r"^-?(0|[1-9]\d{0,17})$"
"""JSON text of an integer that surely fits Int64."""

SURE_DIGITS: Final = 15
"""A number written in at most so many characters has no more digits: its Float64 prints as it was written."""


class Form(StrEnum):
    """What a column's values are."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    """String: a JSON string without its quotes and escapes."""
    JSON = "json"
    """String: the JSON text of any value."""


DTYPES: Final[dict[Form, pl.DataType]] = {
    Form.BOOLEAN: pl.Boolean(),
    Form.INTEGER: pl.Int64(),
    Form.NUMBER: pl.Float64(),
    Form.TEXT: pl.String(),
    Form.JSON: pl.String(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """Values in one form; null is no value. Of an audience, members are true and nobody is false."""

    form: Form
    values: pl.Series

    def __len__(self) -> int:
        return len(self.values)

    def count(self) -> int:
        """How many have a value."""
        return len(self.values) - self.values.null_count()

    def gather(self, rows: pl.Series | None) -> Column:
        """The values of some rows, in their order; None: all; a null row has no value."""
        return self if rows is None else Column(self.form, self.values.gather(rows))

    def as_json(self) -> Column:
        """The same values in the form ``JSON``."""
        return Column(Form.JSON, self.json())

    def json(self) -> pl.Series:
        """The canonical JSON text of each value."""
        frame = self.values.to_frame("value")
        value = pl.col("value")
        if self.form is Form.BOOLEAN:
            return frame.select(pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))).to_series()
        if self.form is Form.INTEGER:
            return self.values.cast(pl.String)
        if self.form is Form.NUMBER:
            return values_from_column(self.values).struct.field("text")
        if self.form is Form.TEXT:
            return frame.select(json_of_value(value_expression("string", value))).to_series()
        return self.values


def column_of(values: pl.Series, kind: Kind) -> Column:
    """What an engine computed, as it is kept.

    In: Boolean (of an audience: false is no member), integers, Float64 (what isn't finite is no value), String (text,
    not JSON), ``VALUE``, or any type of which ``values_from_column`` makes values.
    """
    dtype = values.dtype
    frame = values.to_frame("value")
    value = pl.col("value")
    if dtype == pl.Boolean:
        made = frame.select(pl.when(value).then(value)).to_series() if kind is Kind.AUDIENCE else values
        return Column(Form.BOOLEAN, made)
    if dtype.is_signed_integer() or dtype in (pl.UInt8, pl.UInt16, pl.UInt32):
        return Column(Form.INTEGER, values.cast(pl.Int64))
    if dtype.is_float():
        number = value.cast(pl.Float64)
        # Adding 0 makes 0 of -0, which is written the same.
        return Column(Form.NUMBER, frame.select(pl.when(number.is_finite()).then(number + 0.0)).to_series())
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Column(Form.TEXT, values.cast(pl.String))
    if dtype == pl.List(pl.String):
        element = json_of_value(value_expression("string", pl.element())).fill_null("null")
        return Column(Form.JSON, frame.select("[" + value.list.eval(element).list.join(",") + "]").to_series())
    every = values if dtype == VALUE else values_from_column(values)
    return Column(Form.JSON, every.to_frame("value").select(json_of_value(value)).to_series())


def column_of_json(texts: pl.Series, computation: Computation) -> Column:
    """JSON texts in the form that an engine's values of the computation have, where all fit it; else as they are."""
    expected = result_type_name(computation)
    if expected == "boolean":
        return Column(Form.BOOLEAN, texts == "true")
    if expected == "integer" and texts.str.contains(WHOLE_NUMBER).all():
        return Column(Form.INTEGER, texts.cast(pl.Int64))
    if expected == "number":
        numbers = texts.cast(pl.Float64, strict=False)
        if numbers.null_count() == texts.null_count() and _printed_alike(numbers, texts):
            return Column(Form.NUMBER, numbers)
    if expected == "text" and texts.str.starts_with('"').all():
        return Column(Form.TEXT, text_of(texts))
    return Column(Form.JSON, texts)


def _printed_alike(numbers: pl.Series, texts: pl.Series) -> bool:
    long = texts.str.len_bytes().fill_null(0) > SURE_DIGITS
    printed = Column(Form.NUMBER, numbers.filter(long)).json()
    return bool((printed == texts.filter(long)).all())


def empty_column(form: Form, size: int) -> Column:
    """No values."""
    return Column(form, pl.Series([None], dtype=DTYPES[form]).new_from_index(0, size))


def together(columns: Sequence[Column]) -> Column:
    """Columns one below the other: in their form, or as JSON where they have several."""
    present = [column for column in columns if len(column)]
    if not present:
        return columns[0] if columns else empty_column(Form.JSON, 0)
    if len({column.form for column in present}) > 1:
        present = [column.as_json() for column in present]
    values = [column.values.alias("value") for column in present]
    return Column(present[0].form, values[0] if len(values) == 1 else pl.concat(values, rechunk=False))


def different(now: Column, before: Column) -> pl.Series:
    """The rows (UInt32) whose values differ; both columns have one value per row."""
    if now.form is not before.form:
        now, before = now.as_json(), before.as_json()
    frame = pl.DataFrame({"now": now.values, "before": before.values})
    return frame.select((pl.col("now").ne_missing(pl.col("before"))).arg_true()).to_series().cast(pl.UInt32)
