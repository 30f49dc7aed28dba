"""Nested events that have a value which is less or greater than one of their parent's.

Those with a value below a bound are put together from few groups: the values of an owner are numbered, and a
group has those whose numbers agree in all binary digits but the last few. A bound of n digits asks at most n
groups, one for each of its ones, and no event is in two of them; so a parent has one run of events in each.
For counts alone the groups needn't be written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from audiences.engines.polars_bounds import SIDE, Bounds, Order, compared, ordered
from audiences.engines.polars_links import (
    EVENT,
    GROUP,
    ITEM,
    PARENT,
    Items,
    Question,
    Runs,
    for_all,
    located,
    met,
)
from audiences.engines.polars_runs import below, totals
from audiences.language.tree import Operator

LESS: Final = frozenset({Operator.LESS_THAN, Operator.AT_MOST, Operator.BEFORE_DATE})
OR_EQUAL: Final = frozenset({Operator.AT_LEAST, Operator.AT_MOST})

VALUE: Final = "compared"
CODE: Final = "code"
MOST: Final = "most"

GROUPS: Final = 2**31
"""More than there are numbered values in a group."""


# ── counts ──────────────────────────────────────────────────────────────────────────────────────────────────


def ordered_count(runs: Runs, items: Items, order: Order) -> pl.Series:
    """The number of items of each run (Int64) whose own value is in this order to that of the run's parent."""
    found = pl.zeros(len(runs.first), dtype=pl.Int64, eager=True)
    for (bound,) in ordered(order):
        found = counted(runs, items, bound.own, bound.theirs, order.operator, found)
    return found


def counted(
    runs: Runs, items: Items, own: pl.Series, theirs: pl.Series, operator: Operator, found: pl.Series
) -> pl.Series:
    """``found`` with the counts of the runs whose parent has a value in ``theirs``."""
    rows = theirs.is_not_null().arg_true()
    some = Runs(runs.items, runs.first.gather(rows), runs.end.gather(rows))
    codes = pl.concat([own.alias(SIDE), theirs.alias(SIDE)]).rank("dense").cast(pl.Int64)
    least = codes.tail(len(theirs)).gather(rows)
    codes = codes.head(len(own)).gather(items.frame[EVENT]).gather(runs.items)
    number = below(some, codes.fill_null(len(own) + len(theirs) + 2), least if strictly_below(operator) else least + 1)
    if operator not in LESS:
        there = totals(codes.is_not_null().cast(pl.Int64))
        number = there.gather(some.end) - there.gather(some.first) - number
    return found.scatter(rows, number)


def strictly_below(operator: Operator) -> bool:
    """Whether what counts, or for "greater" what doesn't, is less than the parent's value, and not the same."""
    return (operator in LESS) != (operator in OR_EQUAL)


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


def ordered_runs(question: Question, orders: Sequence[Order]) -> Iterator[Runs]:
    """Runs of the items for which all order comparisons hold, too, some for each parent: none has an item twice.

    The values that must be equal are no lists.
    """
    for parents, found in runs_of_askers(question, orders):
        height = question.parents.height
        yield Runs(found.items, for_all(parents, found.first, height), for_all(parents, found.end, height))


def runs_of_askers(question: Question, orders: Sequence[Order]) -> Iterator[tuple[pl.Series, Runs]]:
    """Rows of parents, and as many runs of the items for which all order comparisons hold, too.

    A parent may be there several times. Where no values that must be equal are lists, no item is in two of its runs.
    """
    entries, askers = met(question)
    for entries_of, askers_of in parts(entries, askers, orders):
        yield askers_of[PARENT], Runs(entries_of[ITEM], *located(entries_of, askers_of, question.window))


def parts(
    entries: pl.DataFrame, askers: pl.DataFrame, orders: Sequence[Order]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Entries and askers, as ``polars_links.met`` has them, in groups where all order comparisons hold."""
    if not orders:
        yield entries, askers
        return
    for bounds in compared(orders[0]):
        for found in within_all(entries, askers, bounds):
            yield from parts(*found, orders[1:])


def within_all(
    entries: pl.DataFrame, askers: pl.DataFrame, bounds: Bounds
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Entries and askers in groups where all bounds hold."""
    if not bounds:
        yield entries, askers
        return
    first = bounds[0]
    for found in below_bounds(entries, askers, first.own, first.theirs, first.operator):
        yield from within_all(*found, bounds[1:])


def below_bounds(
    entries: pl.DataFrame, askers: pl.DataFrame, own: pl.Series, theirs: pl.Series, operator: Operator
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """The entries whose value in ``own`` (per event) is in order to the askers' in ``theirs`` (per parent).

    Each asker is there once at most for each digit, and the entries that it meets are others each time.
    """
    events = entries.with_columns(own.gather(entries[EVENT]).alias(VALUE)).filter(pl.col(VALUE).is_not_null())
    parents = askers.with_columns(theirs.gather(askers[PARENT]).alias(VALUE)).filter(pl.col(VALUE).is_not_null())
    events, parents = numbered(events, parents, operator)
    digit = 0
    while True:
        parents = parents.filter(pl.col(MOST) >= 2**digit)
        if parents.is_empty():
            return
        node = pl.col(CODE) // 2**digit
        asking = parents.filter(node % 2 == 1).with_columns(group_of(node - 1))
        # The highest bound of a group says up to which digit it is asked.
        events = events.filter(pl.col(MOST) >= 2**digit)
        asked = events.filter(node % 2 == 0).with_columns(group_of(node)).sort(GROUP, ITEM)
        yield asked.drop(VALUE, CODE, MOST), asking.drop(VALUE, CODE, MOST)
        digit += 1


def group_of(node: pl.Expr) -> pl.Expr:
    """The group of a node within a group."""
    return pl.col(GROUP) * GROUPS + node


def numbered(events: pl.DataFrame, parents: pl.DataFrame, operator: Operator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """CODE (Int64): an event counts if its code is below that of the parent. MOST: the greatest of the group's
    parents. Groups get new numbers, from 0.
    """
    both = pl.concat([events.select(GROUP, VALUE), parents.select(GROUP, VALUE)])
    rank = pl.col(VALUE).rank("dense", descending=operator not in LESS).over(GROUP).cast(pl.Int64)
    found = both.select(pl.col(GROUP).rank("dense").cast(pl.Int64) - 1, rank.alias(CODE))
    bound = pl.col(CODE) if operator not in OR_EQUAL else pl.col(CODE) + 1
    asked = found.tail(parents.height).with_columns(bound).with_columns(pl.col(CODE).max().over(GROUP).alias(MOST))
    most = asked.select(GROUP, MOST).unique()
    own = found.head(events.height).join(most, on=GROUP, how="left", maintain_order="left").fill_null(0)
    return events.with_columns(own), parents.with_columns(asked)
