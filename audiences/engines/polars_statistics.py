"""Counts, sums, averages, extremes, first and last: one group-by for all measures of the events of one name.

Each statistic is a small function that adds its expressions to the group-by and makes a value per profile of
their results: null where there is no value, else Int64 (count), Float64 (sum, avg, min, max), String (``as
string``) or VALUE (first, last).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from audiences.engines.exact_sums import addable, exact_sum, quotients, rounded, scaled_column
from audiences.engines.polars_events import OWNER, Selected
from audiences.events.needs import column_name
from audiences.language import tree
from audiences.language.selections import Measure, Statistic

ROW: Final = "row"


@dataclass(frozen=True)
class Source:
    """The events to group, with numbers and texts of operands as columns; ``places`` of scaled numbers."""

    frame: pl.DataFrame
    selected: Selected
    places: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A measure's expressions in the group-by, and what makes one value per profile of their results."""

    expressions: dict[str, pl.Expr]
    finish: Callable[[pl.DataFrame], pl.Series]


PartMaker = Callable[[Measure, Source, str], Part]


def operand_column(operand: tree.Property | tree.Context) -> str:
    """The column of a bucket's events that has a reducer's operand."""
    return column_name("property" if isinstance(operand, tree.Property) else "context", operand.path)


def operand(item: Measure) -> str:
    """The operand's column of a measure that has one."""
    if item.operand is None:
        raise TypeError(f"{item.statistic.value} needs an operand")
    return operand_column(item.operand)


def number_of(column: str) -> str:
    """The flat column of the numbers of an operand."""
    return f"number of {column}"


def text_of(column: str) -> str:
    """The flat column of the texts of an operand."""
    return f"text of {column}"


def scaled_of(column: str) -> str:
    """The flat column of the numbers of an operand, scaled to integers."""
    return f"scaled {column}"


def grouped(selected: Selected, measures: Iterable[Measure]) -> dict[Measure, pl.Series]:
    """The values of the measures, one per profile of the bucket, by one group-by.

    ``selected`` has the operands as columns of VALUE; the measures' statistics are those of ``PARTS``.
    """
    items = list(measures)
    source = flat(selected, items)
    parts = {item: PARTS[item.statistic](item, source, f"{number} ") for number, item in enumerate(items)}
    expressions = {name: made for part in parts.values() for name, made in part.expressions.items()}
    groups = source.frame.group_by(OWNER).agg(**expressions)
    aligned = align(groups, selected.owners)
    return {item: part.finish(aligned) for item, part in parts.items()}


def align(groups: pl.DataFrame, owners: int) -> pl.DataFrame:
    """One row per profile of the bucket, in order; null for those without a group."""
    every = pl.DataFrame({OWNER: pl.int_range(owners, dtype=pl.UInt32, eager=True)})
    return every.join(groups, on=OWNER, how="left", maintain_order="left")


def flat(selected: Selected, measures: Iterable[Measure]) -> Source:
    """The columns that the measures need, out of the structs."""
    frame = selected.frame
    masks = [mask for mask in selected.masks.values() if mask is not None]
    columns: dict[str, pl.Expr] = {}
    summed: dict[str, None] = {}
    for item in measures:
        if item.operand is None:
            continue
        column = operand(item)
        columns[number_of(column)] = pl.col(column).struct.field("number")
        columns[text_of(column)] = pl.col(column).struct.field("text")
        if item.statistic in (Statistic.SUM, Statistic.AVERAGE):
            summed[column] = None
    result = frame.select(OWNER, *masks, **columns).with_row_index(ROW)
    places: dict[str, int] = {}
    for column in summed:
        integers, places[column] = scaled_column(result[number_of(column)], result[text_of(column)])
        result = result.with_columns(addable(integers).alias(scaled_of(column)))
    return Source(result, selected, places)


def counted(item: Measure, source: Source, value: pl.Expr) -> pl.Expr:
    """``value`` on the rows that the measure's selection counts, null on others."""
    mask = source.selected.masks[item.selection]
    return value if mask is None else pl.when(pl.col(mask)).then(value)


def count(item: Measure, source: Source, name: str) -> Part:
    """The number of events."""
    mask = source.selected.masks[item.selection]
    number = pl.len() if mask is None else pl.col(mask).sum()
    return Part({name: number.cast(pl.Int64)}, lambda groups: positive(groups, name))


def positive(groups: pl.DataFrame, name: str) -> pl.Series:
    """Counts without zeros: a count of nothing is no value."""
    return groups.select(pl.when(pl.col(name) > 0).then(pl.col(name))).to_series()


def minimum(item: Measure, source: Source, name: str) -> Part:
    """The least number."""
    value = counted(item, source, pl.col(number_of(operand(item))))
    return Part({name: value.min()}, lambda groups: groups[name])


def maximum(item: Measure, source: Source, name: str) -> Part:
    """The greatest number."""
    value = counted(item, source, pl.col(number_of(operand(item))))
    return Part({name: value.max()}, lambda groups: groups[name])


def least_text(item: Measure, source: Source, name: str) -> Part:
    """The first text by code point."""
    value = counted(item, source, pl.col(text_of(operand(item))))
    return Part({name: value.min()}, lambda groups: groups[name])


def greatest_text(item: Measure, source: Source, name: str) -> Part:
    """The last text by code point."""
    value = counted(item, source, pl.col(text_of(operand(item))))
    return Part({name: value.max()}, lambda groups: groups[name])


def first(item: Measure, source: Source, name: str) -> Part:
    """The value of the earliest event that has one: the rows are in order of time."""
    return at_row(item, source, name, valued_row(item, source).min())


def last(item: Measure, source: Source, name: str) -> Part:
    """The value of the latest event that has one."""
    return at_row(item, source, name, valued_row(item, source).max())


def valued_row(item: Measure, source: Source) -> pl.Expr:
    """The row number where the operand has a value."""
    row = pl.when(pl.col(text_of(operand(item))).is_not_null()).then(pl.col(ROW))
    return counted(item, source, row)


def at_row(item: Measure, source: Source, name: str, row: pl.Expr) -> Part:
    """The operand's value at a row number, with its type."""
    values = source.selected.frame[operand(item)]
    return Part({name: row}, lambda groups: values.gather(groups[name]))


def total(item: Measure, source: Source, name: str) -> Part:
    """The sum of the numbers as written, rounded once."""
    return added(item, source, name, average=False)


def mean(item: Measure, source: Source, name: str) -> Part:
    """The exact sum divided by the number of numbers, rounded once."""
    return added(item, source, name, average=True)


def added(item: Measure, source: Source, name: str, *, average: bool) -> Part:
    """Scaled integers are added up in the group-by, what they can't hold afterwards, group by group."""
    column = operand(item)
    added_up, present, fitting = name + "total", name + "present", name + "fitting"
    integers = counted(item, source, pl.col(scaled_of(column)))
    expressions = {
        added_up: integers.sum(),
        present: counted(item, source, pl.col(number_of(column))).count(),
        fitting: integers.count(),
    }
    scale = 10 ** source.places[column]

    def finish(groups: pl.DataFrame) -> pl.Series:
        exact = pl.when((pl.col(present) > 0) & (pl.col(present) == pl.col(fitting)))
        divisor = pl.col(present).cast(pl.Int64) * scale if average else pl.lit(scale, dtype=pl.Int64)
        parts = groups.select(exact.then(pl.col(added_up)).alias("total"), divisor.alias("divisor"))
        result = quotients(parts["total"], parts["divisor"]).alias(name)
        rest = groups.select(pl.col(OWNER), result, present).filter((pl.col(present) > 0) & pl.col(name).is_null())
        if rest.is_empty():
            return result
        owners, values = added_one_by_one(item, source, rest[OWNER], average=average)
        return result.scatter(owners, values)

    return Part(expressions, finish)


def added_one_by_one(item: Measure, source: Source, owners: pl.Series, *, average: bool) -> tuple[pl.Series, pl.Series]:
    """Exact sums or averages for some ``owners``, in decimals; too large for a Float64 is null."""
    column = operand(item)
    mask = source.selected.masks[item.selection]
    rows = source.frame.filter(
        pl.col(OWNER).is_in(owners.implode()),
        pl.col(number_of(column)).is_not_null(),
        *([] if mask is None else [pl.col(mask)]),
    )
    groups = rows.group_by(OWNER).agg(pl.col(text_of(column)))
    values = [rounded(exact_sum(texts), len(texts) if average else 1) for texts in groups[text_of(column)].to_list()]
    return groups[OWNER], pl.Series(values, dtype=pl.Float64)


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
