"""All measures of the events of one name: windows and conditions once, then as few group-bys as possible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from audiences.engines import polars_value_counts
from audiences.engines.polars_events import Nested, Selected, select
from audiences.engines.polars_profiles import Profiles
from audiences.engines.polars_statistics import grouped, operand
from audiences.events.values import VALUE
from audiences.language.selections import Measure


def measured(
    frame: pl.DataFrame,
    measures: Sequence[Measure],
    as_of: datetime,
    profiles: Profiles,
    nested: Nested,
) -> dict[Measure, pl.Series]:
    """The values of all ``measures`` of the events in ``frame`` (of one name), one per profile of the bucket.

    ``nested`` computes what stands inside their conditions.

    Null is no value. Counts are Int64; sum, avg, min and max Float64; ``mode`` and ``as string`` String;
    first, last and unique lists VALUE.
    """
    selections = list(dict.fromkeys(item.selection for item in measures))
    selected = select(frame, selections, as_of, profiles, nested)
    results: dict[Measure, pl.Series] = {}
    for column, items in by_array(selected, measures).items():
        results |= of_rows(selected if column is None else elements(selected, column), items)
    return {item: results[item] for item in measures}


def by_array(selected: Selected, measures: Sequence[Measure]) -> dict[str | None, list[Measure]]:
    """Measures of arrays' elements by the column of the array; under None those with a value per event."""
    schema = selected.frame.schema
    found: dict[str | None, list[Measure]] = {}
    for item in measures:
        column = None if item.operand is None or schema[operand(item)] == VALUE else operand(item)
        found.setdefault(column, []).append(item)
    return found


def elements(selected: Selected, column: str) -> Selected:
    """One row per element of an array: a reducer sees every element as a value."""
    frame = selected.frame.explode(column, empty_as_null=False, keep_nulls=False)
    return Selected(frame, selected.masks, selected.owners)


def of_rows(selected: Selected, measures: Sequence[Measure]) -> dict[Measure, pl.Series]:
    """The measures of rows that have one value per operand."""
    counted: dict[str, list[Measure]] = {}
    plain: list[Measure] = []
    for item in measures:
        if item.statistic in polars_value_counts.PARTS:
            counted.setdefault(operand(item), []).append(item)
        else:
            plain.append(item)
    results = grouped(selected, plain) if plain else {}
    for column, items in counted.items():
        results |= polars_value_counts.counted_values(selected, column, items)
    return results
