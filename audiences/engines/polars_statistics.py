"""Counts, sums, averages, extremes, first and last of the events of one name, for each owner.

The rows of an owner follow each other, so counts and sums are differences of running totals of integers, and first
and last values are found by filling row numbers forward and backward: no table of owners is needed, and the results
are exact in any order. Extremes come from one group-by.

Each statistic is a small function that says what it needs and makes a value per segment of it: null where there is
no value, else Int64 (count), Float64 (sum, avg), the numbers or values in the form of the operand, or String
(``as string``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from audiences.engines.exact_sums import addable, exact_sum, quotients, rounded, scaled_column
from audiences.engines.polars_columns import Column, by_text
from audiences.engines.polars_events import OWNER, Selected, column_of
from audiences.events.buckets import Form, Scaled
from audiences.language import tree
from audiences.language.selections import Measure, Statistic


@dataclass(frozen=True)
class Part:
    """What a measure needs of the segments, by name, and what makes one value per segment of it.

    ``sums`` and ``grouped`` (aggregations) are expressions of integers or numbers, ``earliest`` and ``latest`` of
    Boolean: the row where they are true.
    """

    finish: Callable[[pl.DataFrame], Column]
    sums: dict[str, pl.Expr] = field(default_factory=dict)
    earliest: dict[str, pl.Expr] = field(default_factory=dict)
    latest: dict[str, pl.Expr] = field(default_factory=dict)
    grouped: dict[str, pl.Expr] = field(default_factory=dict)


class Source:
    """The selected events, with what is made of their operands as further columns."""

    def __init__(self, selected: Selected) -> None:
        self.selected = selected
        self.frame = selected.frame
        self._made: dict[tuple[str, str], str] = {}
        self.places: dict[str, int] = {}
        self.texts: dict[str, pl.Series] = {}

    def column(self, name: str) -> pl.Series:
        """A column as it is stored."""
        return self.selected.frame.get_column(name)

    def form(self, name: str) -> Form:
        """The form of an operand's column."""
        return self.selected.forms[name]

    def counted(self, item: Measure, value: pl.Expr) -> pl.Expr:
        """``value`` on the rows that the measure's selection counts, null on others."""
        mask = self.selected.masks[item.selection]
        return value if mask is None else pl.when(pl.col(mask)).then(value)

    def counts(self, item: Measure, there: pl.Expr | None) -> pl.Expr | None:
        """Whether the measure's selection counts the row, and ``there``; None: always."""
        mask = self.selected.masks[item.selection]
        if mask is None:
            return there
        return pl.col(mask) if there is None else pl.col(mask) & there

    def there(self, name: str) -> pl.Expr | None:
        """Whether the operand has a value; None: always."""
        return pl.col(name).is_not_null() if self.column(name).null_count() else None

    def _add(self, kind: str, name: str, values: pl.Series) -> str:
        made = self._made[kind, name] = f"{kind} {name}"
        self.frame = self.frame.with_columns(values.alias(made))
        return made

    def number(self, name: str) -> str:
        """The column of the operand's numbers as Float64, or scaled."""
        form = self.form(name)
        if isinstance(form, Scaled):
            return name
        known = self._made.get(("number", name))
        return known or self._add("number", name, form.values.struct.field("number").gather(self.column(name)))

    def integers(self, name: str) -> str:
        """The column of the operand's numbers as integers, at the scale of ``places``; null where they don't fit."""
        if ("integer", name) in self._made:
            return self._made["integer", name]
        form, column = self.form(name), self.column(name)
        if isinstance(form, Scaled):
            self.places[name] = form.places
            integers = column
        else:
            numbers, texts = form.values.struct.field("number"), form.values.struct.field("text")
            scaled, self.places[name] = scaled_column(numbers, texts)
            integers = scaled.gather(column)
        return self._add("integer", name, addable(integers))

    def text(self, name: str) -> str:
        """The column of the operand's texts as their numbers in the order of text; ``texts`` has them then."""
        if ("text", name) in self._made:
            return self._made["text", name]
        codes, self.texts[name] = by_text(self.column(name), self.form(name))
        return self._add("text", name, codes)


PartMaker = Callable[[Measure, Source, str], Part]


def operand_column(operand: tree.Property | tree.Context) -> str:
    """The column of a bucket's events that has a reducer's operand."""
    return column_of(operand)


def operand(item: Measure) -> str:
    """The operand's column of a measure that has one."""
    if item.operand is None:
        raise TypeError(f"{item.statistic.value} needs an operand")
    return operand_column(item.operand)


def grouped(selected: Selected, measures: Iterable[Measure]) -> dict[Measure, Column]:
    """The values of the measures, one per profile of the bucket.

    ``selected`` has the operands as columns with a form; the measures' statistics are those of ``PARTS``.
    """
    source = Source(selected)
    parts = {item: PARTS[item.statistic](item, source, f"{number} ") for number, item in enumerate(measures)}
    segments = selected.segments
    found = [
        segments.sums(source.frame, together(part.sums for part in parts.values())),
        segments.earliest(source.frame, together(part.earliest for part in parts.values())),
        segments.latest(source.frame, together(part.latest for part in parts.values())),
        by_owner(source.frame, together(part.grouped for part in parts.values())),
    ]
    values = pl.DataFrame([column for frame in found for column in frame.get_columns()])
    made = {item: part.finish(values) for item, part in parts.items()}
    every = segments.all_of([column.values for column in made.values()])
    return {item: Column(values, column.form) for (item, column), values in zip(made.items(), every, strict=True)}


def together(expressions: Iterable[dict[str, pl.Expr]]) -> dict[str, pl.Expr]:
    """Several dictionaries in one."""
    return {name: made for part in expressions for name, made in part.items()}


def by_owner(frame: pl.DataFrame, expressions: dict[str, pl.Expr]) -> pl.DataFrame:
    """The aggregations for each owner, in the order of their segments."""
    if not expressions:
        return pl.DataFrame()
    return frame.group_by(OWNER, maintain_order=True).agg(**expressions).drop(OWNER)


def count(item: Measure, source: Source, name: str) -> Part:
    """The number of events."""
    mask = source.selected.masks[item.selection]
    if mask is None:
        lengths = source.selected.segments.lengths.cast(pl.Int64)
        return Part(lambda segments: Column(lengths))
    return Part(lambda segments: Column(positive(segments[name])), sums={name: pl.col(mask).cast(pl.UInt32)})


def positive(counts: pl.Series) -> pl.Series:
    """Counts (Int64) without zeros: a count of nothing is no value."""
    return counts.to_frame("it").select(pl.when(pl.col("it") > 0).then("it").cast(pl.Int64)).to_series()


def minimum(item: Measure, source: Source, name: str) -> Part:
    """The least number."""
    return extreme(item, source, name, pl.Expr.min)


def maximum(item: Measure, source: Source, name: str) -> Part:
    """The greatest number."""
    return extreme(item, source, name, pl.Expr.max)


def extreme(item: Measure, source: Source, name: str, best: Callable[[pl.Expr], pl.Expr]) -> Part:
    """A number of the operand, in its form if it is scaled."""
    column = operand(item)
    value = source.counted(item, pl.col(source.number(column)))
    form = source.form(column)
    kept = form if isinstance(form, Scaled) else None
    return Part(lambda segments: Column(segments[name], kept), grouped={name: best(value)})


def least_text(item: Measure, source: Source, name: str) -> Part:
    """The first text by code point."""
    return extreme_text(item, source, name, pl.Expr.min)


def greatest_text(item: Measure, source: Source, name: str) -> Part:
    """The last text by code point."""
    return extreme_text(item, source, name, pl.Expr.max)


def extreme_text(item: Measure, source: Source, name: str, best: Callable[[pl.Expr], pl.Expr]) -> Part:
    """A text of the operand."""
    column = operand(item)
    value = source.counted(item, pl.col(source.text(column)))
    return Part(lambda segments: Column(source.texts[column].gather(segments[name])), grouped={name: best(value)})


def first(item: Measure, source: Source, name: str) -> Part:
    """The value of the earliest event that has one: the rows are in order of time."""
    column = operand(item)
    there = source.counts(item, source.there(column))
    if there is None:
        return Part(lambda segments: at_rows(source, column, source.selected.segments.first))
    return Part(lambda segments: at_rows(source, column, segments[name]), earliest={name: there})


def last(item: Measure, source: Source, name: str) -> Part:
    """The value of the latest event that has one."""
    column = operand(item)
    there = source.counts(item, source.there(column))
    if there is None:
        return Part(lambda segments: at_rows(source, column, source.selected.segments.last))
    return Part(lambda segments: at_rows(source, column, segments[name]), latest={name: there})


def at_rows(source: Source, column: str, rows: pl.Series) -> Column:
    """The operand's values in some rows."""
    return Column(source.column(column).gather(rows), source.form(column))


def total(item: Measure, source: Source, name: str) -> Part:
    """The sum of the numbers as written, rounded once."""
    return added(item, source, name, average=False)


def mean(item: Measure, source: Source, name: str) -> Part:
    """The exact sum divided by the number of numbers, rounded once."""
    return added(item, source, name, average=True)


def added(item: Measure, source: Source, name: str, *, average: bool) -> Part:
    """Scaled integers are added up; segments with numbers that they can't hold afterwards, one by one."""
    column = operand(item)
    integers = source.integers(column)
    number = source.number(column)
    added_up, present, fitting = name + "total", name + "present", name + "fitting"
    sums = {
        added_up: source.counted(item, pl.col(integers)).fill_null(0),
        present: source.counted(item, pl.col(number)).is_not_null().cast(pl.UInt32),
    }
    if source.frame[integers].null_count() > source.frame[number].null_count():
        sums[fitting] = source.counted(item, pl.col(integers)).is_not_null().cast(pl.UInt32)
    else:
        fitting = present
    scale = 10 ** source.places[column]

    def finish(segments: pl.DataFrame) -> Column:
        numbers = segments[present].cast(pl.Int64)
        exact = (numbers > 0) & (segments[present] == segments[fitting])
        frame = pl.DataFrame({"total": segments[added_up], "numbers": numbers, "exact": exact})
        divisor = pl.col("numbers") * scale if average else pl.lit(scale, dtype=pl.Int64)
        frame = frame.with_columns(pl.when("exact").then("total").alias("total"), divisor.alias("divisor"))
        result = quotients(frame["total"], frame["divisor"])
        rest = ((numbers > 0) & result.is_null()).arg_true()
        if rest.is_empty():
            return Column(result)
        return Column(result.scatter(rest, added_one_by_one(item, source, rest, average=average)))

    return Part(finish, sums=sums)


def added_one_by_one(item: Measure, source: Source, rest: pl.Series, *, average: bool) -> pl.Series:
    """Exact sums or averages for some segments, in decimals; too large for a Float64 is null."""
    mask, column = source.selected.masks[item.selection], operand(item)
    segments = source.selected.segments
    values: list[float | None] = []
    for start, length in zip(segments.first.gather(rest), segments.lengths.gather(rest), strict=True):
        rows = source.selected.frame.slice(start, length)
        if mask is not None:
            rows = rows.filter(mask)
        written = Column(rows.get_column(column), source.form(column)).plain().struct.unnest()
        texts = written.filter(pl.col("number").is_not_null()).get_column("text").to_list()
        values.append(rounded(exact_sum(texts), len(texts) if average else 1))
    return pl.Series(values, dtype=pl.Float64)


PARTS: Final[dict[Statistic, PartMaker]] = {
    Statistic.COUNT: count,
    Statistic.SUM: total,
    Statistic.AVERAGE: mean,
    Statistic.MINIMUM: minimum,
    Statistic.MAXIMUM: maximum,
    Statistic.LEAST_TEXT: least_text,
    Statistic.GREATEST_TEXT: greatest_text,
    Statistic.FIRST: first,
    Statistic.LAST: last,
}
