"""One side of a comparison as Polars expressions: a column of values, or a literal.

A value has a kind, a text and a number (``audiences.events.values.VALUE``); a missing value has none of them.
Only the expressions that an operator uses are ever evaluated, so it costs nothing to offer them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import polars as pl

from audiences.errors import NotYetError
from audiences.events.buckets import Scaled
from audiences.events.encoding import decoded
from audiences.events.value_texts import instant_text
from audiences.events.values import VALUE, instant_of_text, number_text, text_number, values_from_column
from audiences.language import tree


@dataclass(frozen=True, slots=True)
class Side:
    """A value per row: all expressions are null where it is missing.

    ``text`` String; ``number`` Float64, of numbers and of text that is a number; ``is_number`` Boolean, true
    for numbers only; ``instant`` Datetime (us, UTC) of text that is an ISO 8601 date or timestamp
    (``known_instant`` of a literal, else read from ``dated_text`` or ``text``). The flags say what is known
    before any row is read: ``numeric`` that it always, never or (None) sometimes is a number by kind,
    ``has_number`` and ``has_instant`` that these expressions may be something else than null, ``timestamp``
    that it is a date or timestamp literal.
    """

    text: pl.Expr
    number: pl.Expr
    is_number: pl.Expr
    known_instant: pl.Expr | None = None
    dated_text: pl.Expr | None = None
    numeric: bool | None = None
    has_number: bool = True
    has_instant: bool = True
    timestamp: bool = False

    @property
    def instant(self) -> pl.Expr:
        """Made when it is asked for: few comparisons need it."""
        if self.known_instant is not None:
            return self.known_instant
        return instant_of_text(self.text if self.dated_text is None else self.dated_text)


@dataclass(frozen=True, slots=True)
class Elements:
    """Any number of values per row: the name of a column of List(VALUE), where ``$`` reaches into arrays."""

    column: str


NO_INSTANT = pl.lit(None, dtype=pl.Datetime("us", "UTC"))
NO_NUMBER = pl.lit(None, dtype=pl.Float64)


def of_column(name: str, dtype: pl.DataType) -> Side | Elements:
    """The side that a column is: of VALUE or List(VALUE), or the plain result of a measure."""
    if dtype == VALUE:
        return of_values(name)
    if dtype == pl.List(VALUE):
        return Elements(name)
    if dtype == pl.String:
        return of_texts(name)
    if dtype == pl.Boolean:
        return of_truths(name)
    return of_numbers(name)


def of_values(name: str) -> Side:
    """A column of VALUE."""
    fields = pl.col(name).struct
    text, kind = fields.field("text"), fields.field("kind")
    return Side(
        text=text,
        number=fields.field("number"),
        is_number=kind == "number",
        dated_text=pl.when(kind == "string").then(text),
    )


def of_numbers(name: str) -> Side:
    """A column of integers or floats."""
    column = pl.col(name)
    return Side(
        text=column.map_batches(number_texts, return_dtype=pl.String, is_elementwise=True),
        number=column.cast(pl.Float64),
        is_number=column.is_not_null(),
        known_instant=NO_INSTANT,
        numeric=True,
        has_instant=False,
    )


def of_scaled(name: str, numbers: str, form: Scaled) -> Side:
    """A column of scaled integers; ``numbers`` is the column that has them as Float64."""
    return Side(
        text=pl.col(name).map_batches(
            lambda integers: decoded(integers, form).struct.field("text"), return_dtype=pl.String, is_elementwise=True
        ),
        number=pl.col(numbers),
        is_number=pl.col(name).is_not_null(),
        known_instant=NO_INSTANT,
        numeric=True,
        has_instant=False,
    )


def of_truths(name: str) -> Side:
    """A column of Boolean."""
    column = pl.col(name)
    return Side(
        text=pl.when(column).then(pl.lit("true")).when(~column).then(pl.lit("false")),
        number=NO_NUMBER,
        is_number=pl.lit(False),
        known_instant=NO_INSTANT,
        numeric=False,
        has_number=False,
        has_instant=False,
    )


def of_texts(name: str) -> Side:
    """A column of text, the result of ``mode`` or ``as string``: text even where it looks like a number."""
    column = pl.col(name)
    return Side(text=column, number=text_number(column), is_number=pl.lit(False), numeric=False)


def number_texts(numbers: pl.Series) -> pl.Series:
    """Numbers as JavaScript prints them."""
    return values_from_column(numbers).struct.field("text")


def of_literal(literal: tree.Literal) -> Side:
    """A literal of a definition."""
    match literal:
        case tree.Number(value=value):
            return number_literal(value)
        case tree.Boolean(value=value):
            return text_literal("true" if value else "false")
        case tree.Text(value=value):
            return text_literal(value)
        case tree.Instant(value=value):
            return instant_literal(value)
    raise NotYetError(f"the literal {type(literal).__name__}: not yet")


def number_literal(value: int | float) -> Side:
    """A number. One too large for a 64-bit float is infinite: greater than every value."""
    try:
        number = float(value)
    except OverflowError:
        number = float("inf") if value > 0 else float("-inf")
    return Side(
        text=pl.lit(number_text(value)),
        number=pl.lit(number),
        is_number=pl.lit(True),
        known_instant=NO_INSTANT,
        numeric=True,
        has_instant=False,
    )


@lru_cache(maxsize=10_000)
def text_literal(value: str) -> Side:
    """Text: it may be read as a number, or as a date or timestamp, where the comparison says so."""
    literal = pl.lit(value, dtype=pl.String)
    number = pl.select(text_number(literal)).item()
    instant = pl.select(instant_of_text(literal)).item()
    return Side(
        text=literal,
        number=pl.lit(number, dtype=pl.Float64),
        is_number=pl.lit(False),
        known_instant=pl.lit(instant, dtype=pl.Datetime("us", "UTC")),
        numeric=False,
        has_number=number is not None,
        has_instant=instant is not None,
    )


def instant_literal(value: datetime) -> Side:
    """A date (its midnight UTC) or timestamp."""
    return Side(
        text=pl.lit(instant_text(value)),
        number=NO_NUMBER,
        is_number=pl.lit(False),
        known_instant=pl.lit(value.astimezone(UTC), dtype=pl.Datetime("us", "UTC")),
        numeric=False,
        has_number=False,
        timestamp=True,
    )
