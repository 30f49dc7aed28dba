"""What an order comparison between a nested event and its parent compares: numbers, instants, or codes of texts.

The same for what can be told by order as well: whether a text begins or ends with another, which those do that are
between two others in alphabetical order, and whether values differ, which those do that are less or greater.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.engines.funnel_terms import AFFIXES
from audiences.engines.polars_links import Equal
from audiences.engines.polars_runs import coded
from audiences.engines.polars_sides import Side, of_column
from audiences.language.tree import Operator

DATES: Final = frozenset({Operator.BEFORE_DATE, Operator.AFTER_DATE})

SIDE: Final = "side"


@dataclass(frozen=True)
class Order:
    """An order comparison, or one that is told by order: the values of each nested event, the operator, and the
    values of each parent. ``DIFFERS`` holds where a value is missing.
    """

    sides: Equal
    operator: Operator


@dataclass(frozen=True)
class Bound:
    """Values of each nested event and of each parent, which are in order if the operator says so.

    Where one is null, they aren't.
    """

    own: pl.Series
    theirs: pl.Series
    operator: Operator


Bounds = tuple[Bound, ...]
"""All of them must hold."""


def compared(order: Order) -> Iterator[Bounds]:
    """The comparison holds if all of one of these bounds do; those of two of them never do."""
    own, theirs = order.sides.own, order.sides.theirs
    if order.operator is Operator.DIFFERS:
        yield from unequal(own, theirs)
    elif order.operator in AFFIXES:
        yield with_affix(texts_of(own), texts_of(theirs), at_end=order.operator is Operator.ENDS_WITH)
    else:
        yield from ordered(order)


def ordered(order: Order) -> Iterator[Bounds]:
    """Numbers are compared with numbers, and dates and timestamps with each other; no text is both. A parent's value is
    in one of the bounds at most.
    """
    own, theirs = order.sides.own, order.sides.theirs
    if order.operator not in DATES:
        numbers = numbers_of(theirs)
        yield (Bound(numbers_of(own), numbers, order.operator),)
        theirs = pl.select(pl.when(numbers.is_null()).then(theirs)).to_series()
    instants = instants_of(theirs)
    if instants.null_count() < len(instants):
        yield (Bound(instants_of(own), instants, order.operator),)


# ── unequal ─────────────────────────────────────────────────────────────────────────────────────────────────


def unequal(own: pl.Series, theirs: pl.Series) -> Iterator[Bounds]:
    """Values that aren't equal, by the rule that equality has: if either is a number, as numbers, else as text."""
    mine, parents = fields_of(own), fields_of(theirs)
    there, is_number, number, text = (parents[name] for name in parents.columns)
    own_there, own_is_number, own_number, own_text = (mine[name] for name in mine.columns)
    text_only = there & ~is_number
    for some, others in (
        (~own_there | own_there, ~there | (is_number & number.is_null())),  # these equal nothing
        (own_number.is_null(), is_number & number.is_not_null()),
        (~own_there | (own_is_number & own_number.is_null()), text_only),
        (own_is_number & own_number.is_not_null(), text_only & number.is_null()),
    ):
        yield from each_of(some, others)
    yield from not_the_same(own_number, only(number, is_number))
    yield from not_the_same(only(own_number, own_is_number), only(number, text_only))
    codes, _ = coded(pl.concat([own_text.alias(SIDE), text.alias(SIDE)]))
    yield from not_the_same(codes.head(len(own)), codes.tail(len(theirs)))


def fields_of(values: pl.Series) -> pl.DataFrame:
    """Whether each value is there and a number, the number that it is or spells, and the text of what is no number."""
    side = side_of(values)
    is_number = side.is_number.fill_null(False)
    return values.to_frame(SIDE).select(
        pl.col(SIDE).is_not_null().alias("there"),
        is_number.alias("is number"),
        side.number.alias("number"),
        pl.when(~is_number).then(side.text).alias("text"),
    )


def only(values: pl.Series, wanted: pl.Series) -> pl.Series:
    """The values of the wanted rows; null for the rest."""
    return pl.select(pl.when(wanted).then(values)).to_series()


def each_of(own: pl.Series, theirs: pl.Series) -> Iterator[Bounds]:
    """Every one of some events (Boolean) for every one of some parents."""
    if own.any() and theirs.any():
        yield (Bound(only(own.cast(pl.Int64) * 0, own), only(theirs.cast(pl.Int64), theirs), Operator.LESS_THAN),)


def not_the_same(own: pl.Series, theirs: pl.Series) -> Iterator[Bounds]:
    """Values that are less or greater."""
    if own.null_count() < len(own) and theirs.null_count() < len(theirs):
        yield (Bound(own, theirs, Operator.LESS_THAN),)
        yield (Bound(own, theirs, Operator.GREATER_THAN),)


# ── beginnings and ends of texts ────────────────────────────────────────────────────────────────────────────


def with_affix(own: pl.Series, theirs: pl.Series, *, at_end: bool) -> Bounds:
    """Texts that begin, or end, with the parent's: in alphabetical order they are next to each other."""
    if at_end:
        own, theirs = backwards(own), backwards(theirs)
    codes, different = coded(own)
    known = different.drop_nulls().to_list()
    asked = theirs.drop_nulls().unique().to_list()
    firsts = [bisect_left(known, text) for text in asked]
    ends = [end_of(known, text, first) for text, first in zip(asked, firsts, strict=True)]
    return (
        Bound(codes.cast(pl.Int64), replaced(theirs, asked, firsts), Operator.AT_LEAST),
        Bound(codes.cast(pl.Int64), replaced(theirs, asked, ends), Operator.LESS_THAN),
    )


def end_of(known: list[str], text: str, first: int) -> int:
    """Where those of the sorted texts end, which from ``first`` on begin with a text."""
    return bisect_right(known, text, lo=first, key=lambda other: other[: len(text)])


def backwards(texts: pl.Series) -> pl.Series:
    """Each text from its last character to its first."""
    different = texts.drop_nulls().unique()
    turned = pl.Series([text[::-1] for text in different.to_list()], dtype=pl.String)
    return texts.replace_strict(different, turned, default=None, return_dtype=pl.String)


def replaced(texts: pl.Series, known: list[str], numbers: list[int]) -> pl.Series:
    """The number (Int64) of each text; null where there is none."""
    return texts.replace_strict(
        pl.Series(known, dtype=pl.String), pl.Series(numbers, dtype=pl.Int64), default=None, return_dtype=pl.Int64
    )


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


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


def texts_of(values: pl.Series) -> pl.Series:
    """The texts."""
    return values.to_frame(SIDE).with_columns(side_of(values).text.alias("it")).get_column("it")
