"""Nested events whose conditions compare them with their parent in a way that only each pair can tell.

The pairs of a parent and the nested events in its run are written out, some at a time, and the conditions
asked of each. The memory is bounded; the time is that of the number of pairs, after windows and plain
equalities have done their part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from audiences.engines.funnel_terms import as_own, is_of_parent, scalars
from audiences.engines.polars_conditions import Rows, Scope, holds
from audiences.engines.polars_events import OWNER, EventScope, Selected
from audiences.engines.polars_links import EVENT, PARENT, Items, Runs
from audiences.engines.polars_measures import of_rows
from audiences.engines.polars_statistics import operand
from audiences.language import tree
from audiences.language.selections import Measure

PAIRS_AT_ONCE: Final = 2_000_000
"""And at most one parent's more."""


class PairScope(Scope):
    """Pairs of a nested event and its parent."""

    def __init__(self, rows: Rows, as_of: datetime, names: Mapping[tree.Scalar, str]) -> None:
        super().__init__(rows, as_of)
        self.names = names

    def column(self, scalar: tree.Scalar) -> str:
        """The column of what the nested event has, of a property of its parent, or of their trait."""
        return self.names[scalar]


def by_pairs(
    item: Measure,
    conditions: Sequence[tree.Condition],
    items: Items,
    runs: Runs,
    nested: EventScope,
    parents: EventScope,
) -> pl.Series:
    """The measure for each parent, null where it has no value.

    It counts those items in the runs for which all ``conditions`` hold; ``nested`` and ``parents`` have the
    events that the rows of items and runs are of.
    """
    sides = both_sides(conditions, nested, parents)
    names = {scalar: f"side {number}" for number, scalar in enumerate(sides)}
    results: list[pl.DataFrame] = []
    for spans in portions(runs):
        pairs = written_out(spans, runs, items, item)
        columns = [
            source.gather(pairs[PARENT if is_of_parent(scalar) else EVENT]).alias(names[scalar])
            for scalar, source in sides.items()
        ]
        rows = Rows(pairs.with_columns(columns))
        scope = PairScope(rows, parents.as_of, names)
        hits = [holds(condition, scope) for condition in conditions]
        selected = Selected(rows.frame.filter(*hits), {item.selection: None}, spans.height)
        results.append(spans.select(PARENT, of_rows(selected, [item])[item].alias("value")))
    found = pl.concat(results)
    every = pl.DataFrame({PARENT: pl.int_range(len(runs.first), dtype=pl.UInt32, eager=True)})
    return every.join(found, on=PARENT, how="left", maintain_order="left")["value"]


def both_sides(
    conditions: Sequence[tree.Condition], nested: EventScope, parents: EventScope
) -> dict[tree.Scalar, pl.Series]:
    """What the conditions compare, per row of the parents where it is theirs, else of the nested events."""
    found: dict[tree.Scalar, pl.Series] = {}
    for condition in conditions:
        for scalar in scalars(condition):
            if scalar in found:
                continue
            if isinstance(scalar, tree.Property) and scalar.of_parent:
                found[scalar] = values(as_own(scalar), parents)
            else:
                found[scalar] = values(scalar, nested)
    return found


def values(scalar: tree.Scalar, scope: EventScope) -> pl.Series:
    """What a scalar is on every row."""
    name = scope.column(scalar)
    return scope.rows.frame[name]


def portions(runs: Runs) -> Iterator[pl.DataFrame]:
    """The runs that aren't empty, in portions: PARENT, ``first`` and ``end``; at least one, maybe empty."""
    spans = pl.DataFrame({"first": runs.first, "end": runs.end}).with_row_index(PARENT)
    spans = spans.filter(pl.col("first") < pl.col("end"))
    length = pl.col("end") - pl.col("first")
    numbers = spans.select((length.cum_sum() - length) // PAIRS_AT_ONCE).to_series()
    starts = numbers.is_first_distinct().arg_true().to_list() or [0]
    for start, end in zip(starts, [*starts[1:], spans.height], strict=True):
        yield spans.slice(start, end - start)


def written_out(spans: pl.DataFrame, runs: Runs, items: Items, item: Measure) -> pl.DataFrame:
    """Each pair: OWNER, as which its row of ``spans`` stands, PARENT, EVENT, and the value as the operand."""
    pairs = spans.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(OWNER),
        PARENT,
        pl.int_ranges("first", "end").alias("place"),
    ).explode("place")
    chosen = runs.items.gather(pairs["place"])
    pairs = pairs.with_columns(items.frame[EVENT].gather(chosen))
    if items.values is None:
        return pairs
    return pairs.with_columns(items.values.gather(chosen).alias(operand(item)))
