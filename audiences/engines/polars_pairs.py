"""Nested events whose conditions compare them with their parent in a way that only both together can tell.

The pairs of a parent and the nested events in its run are written out, some at a time, and the conditions
asked of each. The memory is bounded; the time is that of the number of pairs, after windows and plain
equalities have done their part. Where values repeat, ``polars_combinations`` needs fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

import polars as pl

from audiences.engines.funnel_terms import as_own, is_of_parent, scalars
from audiences.engines.polars_conditions import Rows, Scope, holds
from audiences.engines.polars_events import OWNER, EventScope, Selected
from audiences.engines.polars_links import EVENT, ITEM, PARENT, Items
from audiences.engines.polars_measures import of_rows
from audiences.engines.polars_statistics import operand
from audiences.language import tree
from audiences.language.selections import Measure

AT_ONCE: Final = 2_000_000
"""Pairs, or entries, that are in memory at a time; and at most one parent's more."""

FIRST: Final = "first"
END: Final = "end"
VALUE: Final = "value"


class PairScope(Scope):
    """Pairs of a nested event and its parent."""

    def __init__(self, rows: Rows, as_of: datetime, names: Mapping[tree.Scalar, str]) -> None:
        super().__init__(rows, as_of)
        self.names = names

    def column(self, scalar: tree.Scalar) -> str:
        """The column of what the nested event has, of a property of its parent, or of their trait."""
        return self.names[scalar]


class PairConditions:
    """Conditions on nested events and their parents; ``own`` and ``theirs`` are the values that they compare.

    ``own`` has a row for each nested event, ``theirs`` for each parent.
    """

    def __init__(self, conditions: Sequence[tree.Condition], nested: EventScope, parents: EventScope) -> None:
        self._conditions = conditions
        self._as_of = parents.as_of
        self.own: dict[tree.Scalar, pl.Series] = {}
        self.theirs: dict[tree.Scalar, pl.Series] = {}
        for scalar in dict.fromkeys(scalar for condition in conditions for scalar in scalars(condition)):
            if isinstance(scalar, tree.Property) and scalar.of_parent:
                self.theirs[scalar] = values(as_own(scalar), parents)
            else:
                self.own[scalar] = values(scalar, nested)

    def holding(self, pairs: pl.DataFrame, event: str = EVENT, parent: str = PARENT) -> pl.DataFrame:
        """Those of ``pairs``, of rows of nested events and of parents, for which all conditions hold."""
        sides = {**self.own, **self.theirs}
        names = {scalar: f"side {number}" for number, scalar in enumerate(sides)}
        columns = [
            source.gather(pairs[parent if is_of_parent(scalar) else event]).alias(names[scalar])
            for scalar, source in sides.items()
        ]
        scope = PairScope(Rows(pairs.with_columns(columns)), self._as_of, names)
        hits = [holds(condition, scope) for condition in self._conditions]
        return scope.rows.frame.filter(*hits).select(pairs.columns)


def values(scalar: tree.Scalar, scope: EventScope) -> pl.Series:
    """What a scalar is on every row."""
    name = scope.column(scalar)
    return scope.rows.frame[name]


def by_pairs(
    item: Measure, conditions: PairConditions, items: Items, entries: pl.DataFrame, askers: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """The measure of those items in each run for which the conditions hold: PARENT and VALUE.

    ``askers`` have PARENT and their run of ``entries``, from FIRST to before END, which isn't empty.
    """
    length = pl.col(END) - pl.col(FIRST)
    for spans in portions(askers, length):
        pairs = conditions.holding(written_out(spans, entries, items, item))
        selected = Selected(pairs, {item.selection: None}, spans.height)
        yield spans.select(PARENT, of_rows(selected, [item])[item].alias(VALUE))


def portions(rows: pl.DataFrame, sizes: pl.Expr) -> Iterator[pl.DataFrame]:
    """The rows in portions of about ``AT_ONCE`` by their sizes; at least one, maybe empty."""
    numbers = rows.select((sizes.cast(pl.Int64).cum_sum() - sizes) // AT_ONCE).to_series()
    starts = numbers.is_first_distinct().arg_true().to_list() or [0]
    for start, end in pairwise([*starts, rows.height]):
        yield rows.slice(start, end - start)


def written_out(spans: pl.DataFrame, entries: pl.DataFrame, items: Items, item: Measure) -> pl.DataFrame:
    """Each pair: OWNER, as which its row of ``spans`` stands, PARENT, EVENT, and the value as the operand."""
    pairs = spans.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(OWNER),
        PARENT,
        pl.int_ranges(FIRST, END).alias("place"),
    ).explode("place")
    chosen = entries[ITEM].gather(pairs["place"])
    pairs = pairs.with_columns(items.frame[EVENT].gather(chosen))
    if items.values is None:
        return pairs
    return pairs.with_columns(items.values.gather(chosen).alias(operand(item)))
