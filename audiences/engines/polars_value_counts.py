"""Most frequent value, list and number of unique values: all from one count of values per profile.

An owner and a text are one number, so that counting is sorting numbers and finding runs of equal ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.engines.polars_columns import Column, codes_of_texts, json_values
from audiences.engines.polars_events import OWNER, Selected
from audiences.engines.polars_segments import Segments
from audiences.events.buckets import Coded
from audiences.language.selections import Measure, Selection, Statistic


@dataclass(frozen=True)
class Counts:
    """How often each owner has each text: sorted by owner and text.

    ``codes`` (Int64) are rows of ``form``, whose values are these texts; ``times`` (Int64) are above 0.
    """

    owners: pl.Series
    codes: pl.Series
    times: pl.Series
    segments: Segments
    form: Coded


def counted_values(selected: Selected, column: str, measures: Iterable[Measure]) -> dict[Measure, Column]:
    """The values of measures of one operand, one per profile of the bucket.

    ``column`` of ``selected`` has a form; the measures' statistics are those of ``RESULTS``. Values are compared and
    ordered as text, by code point.
    """
    by_selection: dict[Selection, list[Measure]] = {}
    for item in measures:
        by_selection.setdefault(item.selection, []).append(item)
    codes, form = codes_of_texts(selected.frame.get_column(column), selected.forms[column])
    results: dict[Measure, Column] = {}
    for selection, items in by_selection.items():
        counts = counted(selected, codes, form, selected.masks[selection])
        for item in items:
            results[item] = RESULTS[item.statistic](item, counts)
    return results


def counted(selected: Selected, codes: pl.Series, form: Coded, mask: str | None) -> Counts:
    """How often each owner has each text, in the rows of one selection."""
    size = max(1, len(form.values))
    # Half as long numbers are sorted in half the time.
    dtype = pl.UInt32 if selected.owners * size < 2**32 else pl.Int64
    key = pl.col(OWNER).cast(dtype) * pl.lit(size, dtype) + pl.col("code").cast(dtype)
    rows = selected.frame.select(OWNER, codes.alias("code"), *([] if mask is None else [mask]))
    keys = (rows if mask is None else rows.filter(mask)).select(key.alias("key")).to_series().drop_nulls()
    runs = keys.sort().rle().struct.unnest()
    parts = runs.select(
        pl.col("len").cast(pl.Int64),
        (pl.col("value") // size).cast(pl.UInt32).set_sorted().alias(OWNER),
        (pl.col("value") % size).cast(pl.Int64),
    )
    return Counts(parts[OWNER], parts["value"], parts["len"], Segments(parts[OWNER], selected.owners), form)


def most_frequent(item: Measure, counts: Counts) -> Column:
    """The first in alphabetical order of the values that occur most often, and often enough."""
    size = max(1, len(counts.form.values))
    # One number for both: more often is greater, and so is earlier in the alphabet.
    rank = counts.times * size + (size - 1 - counts.codes)
    best = counts.segments.greatest(rank).alias("rank")
    enough = pl.col("rank") // size >= max(1, item.minimum_frequency)
    code = pl.when(enough).then(size - 1 - pl.col("rank") % size).cast(pl.UInt32)
    return Column(counts.segments.for_all(best.to_frame().select(code).to_series()), counts.form)


def unique_count(item: Measure, counts: Counts) -> Column:
    """The number of different values."""
    return Column(counts.segments.for_all(counts.segments.lengths.cast(pl.Int64)))


def unique_list(item: Measure, counts: Counts) -> Column:
    """The different values as texts in alphabetical order: a JSON array; none where there is nothing."""
    texts = Column(counts.codes, counts.form).json()
    lists = pl.DataFrame({OWNER: counts.owners, "text": texts}).group_by(OWNER, maintain_order=True).agg("text")
    arrays = lists.select("[" + pl.col("text").list.join(",") + "]").to_series()
    return Column(json_values(counts.segments.for_all(arrays)))


RESULTS: Final[dict[Statistic, Callable[[Measure, Counts], Column]]] = {
    Statistic.MOST_FREQUENT: most_frequent,
    Statistic.UNIQUE_COUNT: unique_count,
    Statistic.UNIQUE_LIST: unique_list,
}
