"""All measures of the events of one name: windows and conditions once, then all statistics of an operand together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import polars as pl

from audiences.engines import polars_value_counts
from audiences.engines.polars_columns import Column
from audiences.engines.polars_conditions import Rows
from audiences.engines.polars_events import Nested, Selected, select
from audiences.engines.polars_profiles import Profiles
from audiences.engines.polars_statistics import grouped, operand
from audiences.events.encoding import encoded_columns
from audiences.events.values import VALUE
from audiences.language.selections import Measure, Statistic

KEEPING_KIND: Final = frozenset({Statistic.FIRST, Statistic.LAST, Statistic.UNIQUE_LIST})
"""Statistics whose results are values of any kind."""


def measured(
    events: Rows,
    measures: Sequence[Measure],
    as_of: datetime,
    profiles: Profiles,
    nested: Nested,
) -> dict[Measure, Column]:
    """The values of all ``measures`` of ``events`` (of one name), one per profile of the bucket.

    ``nested`` computes what stands inside their conditions.

    Null is no value. Counts are Int64; sum and avg Float64; min and max Float64 or scaled; ``as string`` String;
    ``mode`` codes of texts; first and last have the form of the operand; unique lists are VALUE.
    """
    selected = select(events, measures, as_of, profiles, nested)
    results: dict[Measure, Column] = {}
    for column, items in by_array(selected, measures).items():
        results |= columns_of_rows(selected if column is None else elements(selected, column), items)
    return {item: results[item] for item in measures}


def by_array(selected: Selected, measures: Sequence[Measure]) -> dict[str | None, list[Measure]]:
    """Measures of arrays' elements by the column of the array; under None those with a value per event."""
    schema = selected.frame.schema
    found: dict[str | None, list[Measure]] = {}
    for item in measures:
        column = None if item.operand is None or schema[operand(item)] != pl.List(VALUE) else operand(item)
        found.setdefault(column, []).append(item)
    return found


def elements(selected: Selected, column: str) -> Selected:
    """One row per element of an array: a reducer sees every element as a value."""
    frame = selected.frame.explode(column, empty_as_null=False, keep_nulls=False)
    return Selected(frame, selected.masks, selected.owners, selected.forms)


def of_rows(selected: Selected, measures: Sequence[Measure]) -> dict[Measure, pl.Series]:
    """The measures of rows that have one value per operand, as plain results.

    Counts are Int64; sum, avg, min and max Float64; ``mode`` and ``as string`` String; first, last and unique lists
    VALUE.
    """
    return {item: plain(item, column) for item, column in columns_of_rows(selected, measures).items()}


def plain(item: Measure, column: Column) -> pl.Series:
    """The plain result of a measure."""
    return column.plain() if item.statistic in KEEPING_KIND else column.result()


def columns_of_rows(selected: Selected, measures: Sequence[Measure]) -> dict[Measure, Column]:
    """The measures of rows that have one value per operand: VALUE, or with a form."""
    operands = dict.fromkeys(operand(item) for item in measures if item.operand is not None)
    frame, forms = encoded_columns(selected.frame, [name for name in operands if name not in selected.forms])
    selected = Selected(frame, selected.masks, selected.owners, {**selected.forms, **forms})
    counted: dict[str, list[Measure]] = {}
    others: list[Measure] = []
    for item in measures:
        if item.statistic in polars_value_counts.RESULTS:
            counted.setdefault(operand(item), []).append(item)
        else:
            others.append(item)
    results = grouped(selected, others) if others else {}
    for column, items in counted.items():
        results |= polars_value_counts.counted_values(selected, column, items)
    return results
