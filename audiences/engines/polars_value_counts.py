"""Most frequent value, list and number of unique values: all from one count of values per profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import polars as pl

from audiences.engines.polars_events import OWNER, Selected
from audiences.engines.polars_statistics import Part, align, positive
from audiences.events.values import json_of_value, value_expression
from audiences.language.selections import Measure, Selection, Statistic

TEXT: Final = "text"
JSON: Final = "json"

PartMaker = Callable[[Measure, str, str], Part]


def counted_values(selected: Selected, column: str, measures: Iterable[Measure]) -> dict[Measure, pl.Series]:
    """The values of measures of one operand, one per profile of the bucket.

    ``column`` of ``selected`` is VALUE; the measures' statistics are those of ``PARTS``. Values are compared
    and ordered as text, by code point.
    """
    items = list(measures)
    names = {selection: f"times {number}" for number, selection in enumerate(dict.fromkeys(i.selection for i in items))}
    table = count_table(selected, column, names)
    parts = {
        item: PARTS[item.statistic](item, names[item.selection], f"{number} ") for number, item in enumerate(items)
    }
    expressions = {name: made for part in parts.values() for name, made in part.expressions.items()}
    if any(item.statistic is Statistic.UNIQUE_LIST for item in items):
        table = table.with_columns(json_of_value(value_expression("string", pl.col(TEXT))).alias(JSON))
    aligned = align(table.group_by(OWNER, maintain_order=True).agg(**expressions), selected.owners)
    return {item: part.finish(aligned) for item, part in parts.items()}


def count_table(selected: Selected, column: str, names: dict[Selection, str]) -> pl.DataFrame:
    """How often each profile has each text, per selection; sorted by profile and text."""
    masks = {name: selected.masks[selection] for selection, name in names.items()}
    times = {name: (pl.len() if mask is None else pl.col(mask).sum()).cast(pl.Int64) for name, mask in masks.items()}
    rows = selected.frame.select(
        OWNER,
        *dict.fromkeys(mask for mask in masks.values() if mask is not None),
        pl.col(column).struct.field(TEXT),
    ).filter(pl.col(TEXT).is_not_null())
    if None not in masks.values():
        rows = rows.filter(pl.any_horizontal(list(dict.fromkeys(masks.values()))))
    return rows.group_by(OWNER, TEXT).agg(**times).sort(OWNER, TEXT)


def most_frequent(item: Measure, times: str, name: str) -> Part:
    """The first in alphabetical order of the values that occur most often, and often enough."""
    most, text = name + "most", name + "text"
    expressions = {most: pl.col(times).max(), text: pl.col(TEXT).get(pl.col(times).arg_max())}
    enough = max(1, item.minimum_frequency)
    return Part(
        expressions,
        lambda groups: groups.select(pl.when(pl.col(most) >= enough).then(pl.col(text))).to_series(),
    )


def unique_count(item: Measure, times: str, name: str) -> Part:
    """The number of different values."""
    number = (pl.col(times) > 0).sum().cast(pl.Int64)
    return Part({name: number}, lambda groups: positive(groups, name))


def unique_list(item: Measure, times: str, name: str) -> Part:
    """The different values as texts in alphabetical order: a JSON array; none where there is nothing."""
    texts = pl.col(JSON).filter(pl.col(times) > 0).str.join(",")
    array = pl.when(pl.col(name) != "").then("[" + pl.col(name) + "]")
    return Part({name: texts}, lambda groups: groups.select(value_expression("json", array)).to_series())


PARTS: Final[dict[Statistic, PartMaker]] = {
    Statistic.MOST_FREQUENT: most_frequent,
    Statistic.UNIQUE_COUNT: unique_count,
    Statistic.UNIQUE_LIST: unique_list,
}
