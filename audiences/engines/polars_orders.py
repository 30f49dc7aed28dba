"""How many nested events have a value that is less or greater than one of their parent's."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.engines.polars_links import EVENT, Equal, Items, Runs
from audiences.engines.polars_runs import below, totals
from audiences.engines.polars_sides import Side, of_column
from audiences.language.tree import Operator

LESS: Final = frozenset({Operator.LESS_THAN, Operator.AT_MOST, Operator.BEFORE_DATE})
OR_EQUAL: Final = frozenset({Operator.AT_LEAST, Operator.AT_MOST})
DATES: Final = frozenset({Operator.BEFORE_DATE, Operator.AFTER_DATE})

SIDE: Final = "side"


def ordered_count(runs: Runs, items: Items, sides: Equal, operator: Operator) -> pl.Series:
    """The number of items of each run (Int64) whose own value is in this order to that of the run's parent.

    Numbers are compared with numbers, and dates and timestamps with each other; no text is both. Where a
    parent's value is neither, the number is 0.
    """
    found = pl.zeros(len(runs.first), dtype=pl.Int64, eager=True)
    theirs = sides.theirs
    if operator not in DATES:
        numbers = numbers_of(theirs)
        found = counted(runs, items, numbers_of(sides.own), numbers, operator, found)
        theirs = pl.select(pl.when(numbers.is_null()).then(theirs)).to_series()
    instants = instants_of(theirs)
    if instants.null_count() < len(instants):
        found = counted(runs, items, instants_of(sides.own), instants, operator, found)
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
    strictly_below = (operator in LESS) != (operator in OR_EQUAL)
    number = below(some, codes.fill_null(len(own) + len(theirs) + 2), least if strictly_below else least + 1)
    if operator not in LESS:
        there = totals(codes.is_not_null().cast(pl.Int64))
        number = there.gather(some.end) - there.gather(some.first) - number
    return found.scatter(rows, number)


def side_of(values: pl.Series) -> Side:
    """Values, or results of a measure, as one side of a comparison."""
    side = of_column(SIDE, values.dtype)
    if not isinstance(side, Side):
        raise TypeError("the elements of an array have no single order")
    return side


def numbers_of(values: pl.Series) -> pl.Series:
    """The numbers, of text that is a number as well; null for the rest."""
    return values.to_frame(SIDE).with_columns(side_of(values).number.alias("it")).get_column("it")


def instants_of(values: pl.Series) -> pl.Series:
    """The dates and timestamps; null for the rest."""
    return values.to_frame(SIDE).with_columns(side_of(values).instant.alias("it")).get_column("it")
